"""Real Windows captures with published secrets open to the counts and the texts of the files beside them, which another decryptor made."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.api import Case
from analyzer.engine.work import told as with_story
from analyzer.records.ids import key_number
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from tests.golden.claims import wrong

FOLDER = Path(os.environ.get("WINRM_CAPTURES", ""))
pytestmark = [pytest.mark.captures, pytest.mark.skipif(not os.environ.get("WINRM_CAPTURES"), reason="WINRM_CAPTURES names no folder of captures")]
NTLM = "jborean93+github-misc"
KERBEROS = "OTRF+Security-Datasets"


def _by_packet(case: Case) -> dict[tuple[int, str], Message]:
    """Messages by (packet, direction): each packet that carried them."""
    found = {}
    for exchange in case.evidence.exchanges.values():
        for half, direction in ((exchange.request, "request"), (exchange.response, "response")):
            if not isinstance(half, Absent) and half.id in case.evidence.messages:
                for key in half.packets:
                    found[key_number(key), direction] = case.evidence.messages[half.id]
    return found


def _expected(folder: str, name: str) -> list[dict[str, Any]]:
    data = json.loads((FOLDER / folder / name).read_text(encoding="utf-8"))
    messages: list[dict[str, Any]] = data["messages"]
    return messages


def test_ntlm_with_the_password_of_the_packer_capture(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[[password]]\nuser = "vagrant"\nvalue = "vagrant"\n', encoding="utf-8")
    case = analyzer.analyze(FOLDER / NTLM / "wireshark.pcapng", secrets=secrets)
    sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
    assert (sum(message.opened for message in sealed), len(sealed)) == (12, 12)
    ours = _by_packet(case)
    texts = [told for told in _expected(NTLM, "expected.decrypted.json") if told.get("parts")]
    assert len(texts) == 12
    compared = 0
    for told in texts:
        message = ours[told["frame"], "request" if told["dir"] == "c" else "response"]
        text = told["parts"][0]["xml"].encode()
        if len(text) == message.parts[0].length:  # the file leaves the middle of a long text out
            assert message.text_digest == hashlib.sha256(text).digest()
            compared += 1
        assert message.check == "good"
    assert compared == 11
    command = next(command for command in case.result.commands if "PowerShell" in command.text and command.user == "vagrant")
    assert command.exit_code == 0
    assert '{"changed":false,"ping":"pong"}' in "".join(output.text for output in command.outputs if output.stream == "stdout")


def test_the_same_with_the_nt_hash_and_nothing_with_another(tmp_path: Path) -> None:
    for value, opened in (("e02bc503339d51f71d913c245d35b50b", 12), ("00" * 16, 0)):
        secrets = tmp_path / f"{opened}.toml"
        secrets.write_text(f'[[nt_hash]]\nuser = "vagrant"\nvalue = "{value}"\n', encoding="utf-8")
        case = analyzer.analyze(FOLDER / NTLM / "wireshark.pcapng", secrets=secrets)
        assert sum(message.opened for message in case.evidence.messages.values()) == opened


def _kerberos(*names: str) -> Case:
    return analyzer.analyze([FOLDER / KERBEROS / name for name in names], keytab=FOLDER / KERBEROS / "keys" / "theshire.keytab")


WS5 = "empire_psremoting_stager_WORKSTATION5_2020-09-20170827.cap"
WS6 = "empire_psremoting_stager_WORKSTATION6_2020-09-20170827.cap"
MERGED = "derived_empire_WS5+WS6_merged.pcap"


def test_kerberos_with_the_krbtgt_key_through_the_tgs_exchange_in_the_capture() -> None:
    """18 of 18 bodies of the file beside the capture; two more responses, of which that file holds nothing, are cut in their chunked framing only."""
    case = _kerberos(WS5)
    ours = _by_packet(case)
    texts = [told for told in _expected(KERBEROS, "expected/empire_WORKSTATION5.decrypted.json") if told.get("parts")]
    assert len(texts) == 18
    for told in texts:
        message = ours[told["frame"], told["dir"]]
        assert message.text_digest is not None
        assert message.text_digest.hex() == told["parts"][0]["xml_sha256"]
    shell = case.result.shells[0]
    assert (shell.kind, len(shell.connections)) == ("powershell", 3)
    debug, stager = case.result.commands
    assert debug.text == "__Set-PSDebugMode -Mode LocalScript, RemoteScript"
    assert stager.text.startswith("powershell -noP -sta -w 1 -enc ")
    assert stager.decoded is not None
    assert stager.decoded.startswith("If($PSVErSioNTaBlE.PSVERsIon.MAJoR -ge 3)")
    assert [output.stream for output in stager.outputs] == ["progress", "host"]
    assert "Preparing modules for first use." in stager.outputs[0].text
    assert stager.outputs[1].text.startswith("WriteProgress(")


def test_the_stager_is_told_by_what_it_does() -> None:
    """AMSI and script block logging switched off (in pieces of texts and with escape characters), code fetched and run, in layers of encoding."""
    case = _kerberos(WS5)
    found = {one.rule: one for one in case.result.findings if one.rule in ("attack.logging-tampering", "attack.code-loading", "attack.encoded-script")}
    assert {rule: one.severity.value for rule, one in found.items()} == {
        "attack.logging-tampering": "high",
        "attack.code-loading": "medium",
        "attack.encoded-script": "low",
    }
    why = found["attack.logging-tampering"].why
    assert "cachedGroupPolicySettings" in why
    assert "'amsiInitF'+'ailed'" in why
    assert "|IEX\u201d" in found["attack.code-loading"].why
    assert {key_number(one.packets[0]) for one in found.values()} == {206}
    for one in found.values():
        assert list(wrong(with_story(case.evidence), one)) == []


def test_management_tools_are_no_alarm() -> None:
    """Packer's wrapper, copies and runner in clear text: encoded commands are told as information, and nothing else of what was run."""
    case = analyzer.analyze(FOLDER / NTLM / "wireshark.pcapng")
    lines = ("attack.credential", "attack.logging", "attack.defender", "attack.shadow", "attack.service", "attack.code", "attack.encoded")
    assert [(one.rule, one.severity.value) for one in case.result.findings if one.rule.startswith(lines)] == [("attack.encoded-script", "info")]


def test_the_other_side_alone_has_no_keys_and_learns_them_from_the_first() -> None:
    alone = _kerberos(WS6)
    assert not any(message.opened for message in alone.evidence.messages.values())
    both = _kerberos(WS5, WS6)
    sealed = [message for message in both.evidence.messages.values() if message.protection is Protection.SEALED]
    assert all(message.opened for message in sealed)
    assert len(both.result.commands) == 2


def test_the_merged_capture_gives_the_same_transcript() -> None:
    first, merged = _kerberos(WS5), _kerberos(MERGED)
    assert [(command.text, command.decoded) for command in merged.result.commands] == [(command.text, command.decoded) for command in first.result.commands]


def test_clear_text_commands_need_no_key() -> None:
    case = analyzer.analyze(FOLDER / NTLM / "wireshark.pcapng")
    texts = [command.text for command in case.result.commands]
    assert any("shutdown /s /t 0" in text for text in texts)
    assert any(command.decoded for command in case.result.commands)
    clear = [told for told in _expected(NTLM, "expected.decrypted.json") if told.get("clear")]
    ours = _by_packet(case)
    compared = 0
    for told in clear:
        message = ours[told["frame"], "request" if told["dir"] == "c" else "response"]
        text = told["clear"].encode()
        if len(text) == message.size:  # the file leaves the middle of a long text out
            assert message.text_digest == hashlib.sha256(text).digest()
            compared += 1
    assert compared >= len(clear) - 3
