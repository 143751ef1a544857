"""What was run and moved is told once, whole or marked: every pipeline of the traffic is a command, every file is the server's or says what it lacks.

Pipelines are counted out of the decrypted envelopes by code that shares nothing with the shells': Python's XML parser, base64 and the fields of MS-PSRP 2.2.1
and 2.2.4. Files are held against the server's journal; losses are made by taking packets out.
"""

import base64
import os
import random
import struct
import uuid
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.formats.content import Room
from analyzer.records.files import MovedFile
from analyzer.records.ids import key_capture, key_number
from analyzer.records.quality import Absent
from analyzer.records.sealing import Protection
from analyzer.records.wsman import Command
from analyzer.wsman.xpress import inflate
from tests.build.damage import Damage, Record, damaged
from tests.golden.samples import truth

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
ALL = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))
WITH_POWERSHELL = [name for name in ALL if any(shell["kind"] == "powershell" for shell in truth(SAMPLES / name).get("shells", ()))]
WITH_FILES = [name for name in ALL if truth(SAMPLES / name).get("files")]
FOLDER = Path(os.environ.get("WINRM_CAPTURES", ""))
REAL = FOLDER / "OTRF+Security-Datasets"
EMPIRE = ("empire_psremoting_stager_WORKSTATION5_2020-09-20170827.cap", "empire_psremoting_stager_WORKSTATION6_2020-09-20170827.cap")
MERGED = "derived_empire_WS5+WS6_merged.pcap"
real = pytest.mark.skipif(not os.environ.get("WINRM_CAPTURES"), reason="WINRM_CAPTURES names no folder of captures")
_CREATE_PIPELINE = 0x00021006


def _case(name: str) -> Case:
    folder = SAMPLES / name
    secrets = folder / "secrets.toml"
    return analyzer.analyze([folder / file for file in truth(folder)["captures"]], secrets=secrets if secrets.exists() else None)


@cache
def _sample(name: str) -> Case:
    return _case(name)


@cache
def _empire(*names: str) -> Case:
    return analyzer.analyze([REAL / name for name in names], keytab=REAL / "keys" / "theshire.keytab")


def _pipelines(case: Case) -> Counter[str]:
    """CREATE_PIPELINE messages by pipeline id, each object of each shell once, however often it was seen."""
    evidence = case.evidence
    fragments: dict[tuple[str, str, int], dict[int, tuple[int, bytes]]] = defaultdict(dict)
    for identity, text in case._texts():
        message = evidence.messages[identity]
        if not message.from_client or message.operation not in ("Command", "Send") or "/powershell/" not in (message.resource_uri or "").lower():
            continue
        root = ET.fromstring(text)  # noqa: S314  of our own lab, and of captures that are read in tests only
        shell = str(message.shell_id).upper()
        packed = any(one.shell_id and one.shell_id.upper() == shell for one in evidence.messages.values() if one.id in _compressed(case))
        for element in root.iter():
            name = element.tag.rpartition("}")[2]
            if name not in ("Arguments", "Stream") or not element.text:
                continue
            data = base64.b64decode(element.text)
            if name == "Stream" and packed:
                data = inflate(data, Room(1 << 26)) or data
            at = 0
            while at + 21 <= len(data):
                number, fragment, flags, size = struct.unpack_from(">QQBI", data, at)
                fragments[shell, str(message.command_id), number][fragment] = (flags, data[at + 21 : at + 21 + size])
                at += 21 + size
    found: Counter[str] = Counter()
    for own in fragments.values():
        whole = b"".join(own[number][1] for number in sorted(own))
        if 0 in own and len(whole) >= 40 and struct.unpack_from("<I", whole, 4)[0] == _CREATE_PIPELINE:
            found[whole[24:40].hex()] += 1
    return found


@cache
def _compressed(case: Case) -> frozenset[str]:
    return frozenset(identity for identity, text in case._texts() if "CompressionType" in text and ">xpress<" in text)


def _ids(commands: Sequence[Command]) -> Counter[str]:
    """Commands with a text by their pipeline id as MS-PSRP writes it, uses of one id together."""
    return Counter(uuid.UUID(command.id.partition("#")[0]).bytes_le.hex() for command in commands if command.kind == "powershell" and command.text)


@pytest.mark.parametrize("name", WITH_POWERSHELL)
def test_every_pipeline_of_the_traffic_is_a_command(name: str) -> None:
    case = _sample(name)
    assert _ids(case.result.commands) == _pipelines(case)
    shells = {told["shell_id"] for told in truth(SAMPLES / name)["shells"] if told["kind"] == "powershell"}
    assert sum(_pipelines(case).values()) == sum(told["shell_id"] in shells for told in truth(SAMPLES / name)["commands"])
    texts = [command.text for command in case.result.commands if command.kind == "powershell"]
    assert all(texts)


@real
@pytest.mark.captures
@pytest.mark.parametrize("names", [EMPIRE[:1], EMPIRE, (MERGED,)], ids=["one side", "both", "merged"])
def test_every_pipeline_of_a_real_capture_is_a_command(names: tuple[str, ...]) -> None:
    case = _empire(*names)
    assert sum(_pipelines(case).values()) == 2
    assert _ids(case.result.commands) == _pipelines(case)


def _told(case: Case) -> list[tuple[object, ...]]:
    """The transcript without times, packets and names of files."""
    return [
        (one.id, one.shell, one.text, one.decoded, one.state, one.exit_code, one.complete, [(out.stream, out.text, out.whole) for out in one.outputs])
        for one in case.result.commands
    ]


@real
@pytest.mark.captures
def test_merged_and_separate_captures_give_one_transcript() -> None:
    assert _told(_empire(*EMPIRE)) == _told(_empire(MERGED)) == _told(_empire(EMPIRE[0]))
    assert len(_empire(*EMPIRE).result.shells) == 1


def _in_order(case: Case) -> None:
    for command in case.result.commands:
        outputs = list(command.outputs)
        assert all(command.first_ns <= output.ts_ns <= command.last_ns for output in outputs), command.id
        for output in outputs:
            own = [key for key in command.packets if key_capture(key) == key_capture(output.packets[0])]
            assert not own or min(own) <= max(output.packets), (command.id, output)
    for shell in case.result.shells:
        begins = [command.first_ns for command in case.result.commands if (command.server, command.shell) == (shell.server, shell.id)]
        assert begins == sorted(begins)
        assert not begins or shell.first_ns <= begins[0]


@pytest.mark.parametrize("name", ALL)
def test_a_command_lies_before_its_outputs(name: str) -> None:
    case = _sample(name)
    _in_order(case)
    keys = [(command.server, command.shell, command.id) for command in case.result.commands]
    assert len(keys) == len(set(keys))
    assert {(command.server, command.shell) for command in case.result.commands} <= {(shell.server, shell.id) for shell in case.result.shells}


@real
@pytest.mark.captures
@pytest.mark.parametrize("names", [EMPIRE[:1], EMPIRE, (MERGED,)], ids=["one side", "both", "merged"])
def test_a_command_of_a_real_capture_lies_before_its_outputs(names: tuple[str, ...]) -> None:
    _in_order(_empire(*names))


@real
@pytest.mark.captures
def test_clear_commands_of_a_real_capture_lie_before_their_outputs() -> None:
    case = analyzer.analyze(FOLDER / "jborean93+github-misc" / "wireshark.pcapng")
    assert case.result.commands
    _in_order(case)


@pytest.mark.parametrize("name", WITH_FILES)
def test_files_are_those_that_the_server_had(name: str) -> None:
    found = [(one.name, "to_server" if one.to_server else "to_client", one.size, one.sha256) for one in _sample(name).moved_files()]
    wanted = [(told["name"], told["direction"], told["size"], told["sha256"]) for told in truth(SAMPLES / name)["files"]]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert all(one.whole and one.missing_bytes == 0 for one in _sample(name).moved_files())
    checked = [one for one in _sample(name).moved_files() if one.checks]
    assert len(checked) >= 2
    assert all(one.verified for one in checked)


def test_each_step_of_a_copy_is_shown_and_each_use_of_an_id_is_one() -> None:
    case = _sample("direct-psrp-pipeline-reused-healthy")
    told = truth(SAMPLES / "direct-psrp-pipeline-reused-healthy")
    assert [command.id for command in case.result.commands] == [row["command_id"] for row in told["commands"]]
    assert [command.text.split(" -")[0] for command in case.result.commands] == [row["text"].split(" -")[0] for row in told["commands"]]
    assert all(command.state == "Completed" and command.complete for command in case.result.commands)
    assert [[output.text for output in command.outputs if output.stream == "output"] for command in case.result.commands][-2:] == [["SRV01"], ["lab\\alice"]]
    first, second = _sample("direct-winrs-shell-id-reused-healthy").result.shells
    assert second.id == f"{first.id}#2"
    assert first.last_ns < second.first_ns


def _without(lost: Sequence[int]) -> Damage:
    gone = set(lost)
    return lambda records: [record for place, record in enumerate(records) if place not in gone]


def _heavy(records: Sequence[Record], least: int = 300) -> list[int]:
    return [place for place, record in enumerate(records) if len(record.data) > least]


def _records(path: Path) -> list[Record]:
    kept: list[Record] = []

    def look(records: Sequence[Record]) -> list[Record]:
        kept.extend(records)
        return list(records)

    damaged(path, Path(os.devnull), look)
    return kept


def _nothing_is_claimed(found: MovedFile, whole: MovedFile) -> None:
    """What is called whole is; what is not has the bytes that it shows, at their places up to a hole of unknown size and in their order behind it."""
    if found.whole:
        assert (found.size, found.sha256) == (whole.size, whole.sha256)
        return
    gone = {at for where, size in found.holes for at in range(where, where + size)}
    unknown = [at for at, size in found.holes if not size]
    certain = min(unknown, default=len(found.data))
    wrong = [at for at in range(certain) if at not in gone and (at >= len(whole.data) or found.data[at] != whole.data[at])]
    assert not wrong
    for begin, end in _pieces(found, certain, gone):
        assert found.data[begin:end] in whole.data


def _pieces(found: MovedFile, certain: int, gone: set[int]) -> Iterator[tuple[int, int]]:
    cuts = sorted({certain, len(found.data), *(at for at, size in found.holes if not size), *(at for at in gone if at >= certain)})
    for begin, end in pairwise(cuts):
        if begin not in gone:
            yield begin, end


@pytest.mark.parametrize("name", ["direct-psrp-pipeline-reused-healthy", "direct-ansible-copy-fetch-healthy"])
def test_lost_packets_never_make_a_splice(name: str, tmp_path: Path) -> None:
    """One packet after the other is taken out, of each connection's heavy ones: bytes of the files are marked missing, never moved together."""
    source = SAMPLES / name / "capture.pcap"
    whole = {one.name: one for one in _sample(name).moved_files()}
    texts = {(one.shell, one.id): one for one in _sample(name).result.commands}
    heavy = _heavy(_records(source))
    lacking = 0
    for lost in heavy[:: max(len(heavy) // 25, 1)]:
        case = analyzer.analyze(damaged(source, tmp_path / "lost.pcap", _without([lost])), secrets=SAMPLES / name / "secrets.toml")
        (tmp_path / "lost.pcap").unlink()
        _in_order(case)
        for one in case.moved_files():
            if one.name in whole:
                _nothing_is_claimed(one, whole[one.name])
                lacking += not one.whole
        for command in case.result.commands:
            known = texts.get((command.shell, command.id))
            if command.complete and known is not None:
                assert command.text == known.text
                assert [output.text for output in command.outputs] == [output.text for output in known.outputs]
    assert lacking >= 5


def test_what_is_missing_is_said_wherever_it_is_shown(tmp_path: Path) -> None:
    name = "direct-psrp-pipeline-reused-healthy"
    source, whole = SAMPLES / name / "capture.pcap", {one.name: one for one in _sample(name).moved_files()}
    command = next(command for command in _sample(name).result.commands if "-b64Fragment" in command.text)
    later = [number for number in _heavy(_records(source), 1000) if number + 1 > min(command.packets) & ((1 << 40) - 1)]
    case = analyzer.analyze(damaged(source, tmp_path / "lost.pcap", _without([later[8]])), secrets=SAMPLES / name / "secrets.toml")
    (one,) = [found for found in case.moved_files() if not found.whole]
    assert one.name is not None
    assert one.missing_bytes is not None
    assert 500 < one.missing_bytes < 2000
    assert one.size == whole[one.name].size
    lacking = [found for found in case.result.commands if not found.complete]
    assert len(lacking) == 1
    transcript = "".join(case.transcript())
    assert "MISSING" in transcript
    assert "bytes are not in the capture]" in lacking[0].text
    assert "No signature proves the rest of that message." in transcript
    row = next(row for row in case.listed("commands") if row["command_id"] == lacking[0].id)
    assert row["complete"] is False
    assert row["missing_bytes"]
    (file,) = [row for row in case.listed("files") if not row["complete"]]
    assert (file["missing_bytes"], file["missing_at"]) == (one.missing_bytes, f"{one.holes[0][0]}+{one.holes[0][1]}")
    case.report(tmp_path / "report.html")
    assert "MISSING" in (tmp_path / "report.html").read_text(encoding="utf-8")
    sealed = [message for message in case.evidence.messages.values() if message.opened_absent == "not_captured"]
    assert len(sealed) == 1
    assert (sealed[0].opened, sealed[0].check, sealed[0].text_digest) == (False, "none", None)


def test_two_views_with_different_losses_and_a_doubled_capture_double_nothing(tmp_path: Path) -> None:
    name = "direct-psrp-pipeline-reused-healthy"
    source, secrets = SAMPLES / name / "capture.pcap", SAMPLES / name / "secrets.toml"
    heavy = _heavy(_records(source))
    half = len(heavy) // 2
    first = damaged(source, tmp_path / "a.pcap", _without(heavy[20:half:9]))
    second = damaged(source, tmp_path / "b.pcap", _without(heavy[half + 20 :: 9]))
    twice = damaged(source, tmp_path / "c.pcap", lambda records: [record for record in records for _ in range(2)])
    told = _told(_sample(name))
    assert _told(analyzer.analyze(twice, secrets=secrets)) == told
    assert _told(analyzer.analyze([source, twice], secrets=secrets)) == told
    both = analyzer.analyze([first, second], secrets=secrets)
    assert _told(both) == told
    assert len(both.result.shells) == 1
    assert [(one.name, one.sha256, one.verified) for one in both.moved_files()] == [(one.name, one.sha256, True) for one in _sample(name).moved_files()]


@pytest.mark.parametrize("name", ["squid-ntlm-healthy", "haproxy-waiting-receive-healthy", "varnish-pool-healthy", "badproxy-healthy"])
@pytest.mark.parametrize("side", ["near_connection", "far_connection"])
def test_bodies_open_whichever_side_of_the_proxy_has_the_handshake(name: str, side: str, tmp_path: Path) -> None:
    case = _sample(name)
    own = {getattr(hop, side) for hop in case.evidence.hops}
    handshake = [
        key_number(key) - 1
        for spoken in case.evidence.conversations
        if spoken.connection in own
        for step in spoken.steps
        if step.from_client
        for key in step.packets
    ]
    assert handshake
    lacking = damaged(SAMPLES / name / "capture.pcap", tmp_path / "lacking.pcap", _without(handshake))
    found = analyzer.analyze(lacking, secrets=SAMPLES / name / "secrets.toml")
    sealed = [message for message in found.evidence.messages.values() if message.protection is Protection.SEALED]
    assert len(sealed) >= 20
    assert all(message.opened and message.check == "good" for message in sealed)
    assert _told(found) == _told(case)
    assert len(found.result.shells) == len(case.result.shells)


@real
@pytest.mark.captures
def test_losses_of_a_real_capture_make_no_phantom_and_no_order_of_their_own(tmp_path: Path) -> None:
    """Each packet of WinRM in turn: the commands stay the two that there are, what is called complete is, and what is not says so."""
    source, whole = REAL / EMPIRE[0], {command.id: command for command in _empire(EMPIRE[0]).result.commands}
    halves = [
        half for exchange in _empire(EMPIRE[0]).evidence.exchanges.values() for half in (exchange.request, exchange.response) if not isinstance(half, Absent)
    ]
    lacking = 0
    for number in sorted({key_number(key) for half in halves for key in half.packets})[::2]:
        lost = damaged(source, tmp_path / "lost.cap", _without([number - 1]))
        case = analyzer.analyze(lost, keytab=REAL / "keys" / "theshire.keytab")
        _in_order(case)
        assert {command.id for command in case.result.commands} <= set(whole)
        assert len(case.result.shells) == 1
        closed = any(message.opened_absent == "sealed" for message in case.evidence.messages.values())  # without the handshake there is no key
        for command in case.result.commands:
            lacking += not command.complete
            if command.complete and not closed:
                assert command.text == whole[command.id].text
                assert [output.text for output in command.outputs] == [output.text for output in whole[command.id].outputs]
    assert lacking >= 4


@pytest.mark.parametrize("name", ["direct-psrp-pipeline-reused-healthy", "direct-ansible-copy-fetch-healthy"])
def test_many_losses_at_once_claim_nothing(name: str, tmp_path: Path) -> None:
    """Two to sixteen heavy packets are missing: what is called whole or complete is, in order and text; the rest says so."""
    source, secrets = SAMPLES / name / "capture.pcap", SAMPLES / name / "secrets.toml"
    whole = {one.name: one for one in _sample(name).moved_files()}
    told = {(command.text, *(output.text for output in command.outputs)) for command in _sample(name).result.commands}
    heavy = _heavy(_records(source))
    for seed in range(24):
        chance = random.Random(seed)
        lost = chance.sample(heavy[10:], chance.choice([2, 4, 8, 16]))
        case = analyzer.analyze(damaged(source, tmp_path / "lost.pcap", _without(lost)), secrets=secrets)
        _in_order(case)
        assert len(case.result.shells) == 1
        assert len(case.result.commands) <= len(_sample(name).result.commands)
        for one in case.moved_files():
            if one.name in whole:
                _nothing_is_claimed(one, whole[one.name])
        for command in case.result.commands:
            assert not command.complete or (command.text, *(output.text for output in command.outputs)) in told


def test_two_views_with_losses_fill_each_other() -> None:
    name = "two-views-with-losses-healthy"
    lost, case = truth(SAMPLES / name)["lost"], _sample(name)
    assert all(len(numbers) >= 5 for numbers in lost.values())
    sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
    assert len(sealed) >= 40
    assert all(message.check == "good" for message in sealed)
    assert all(not stream.gaps for one in case.evidence.connections.values() for stream in (one.to_server, one.to_client))
    assert {issue.capture for issue in case.evidence.issues if issue.code == "tcp.healed"} == {0, 1}
    assert _told(case) == _told(_sample("source-nat-two-files-healthy"))
    for place, capture in enumerate(truth(SAMPLES / name)["captures"]):
        alone = analyzer.analyze(SAMPLES / name / capture, secrets=SAMPLES / name / "secrets.toml")
        gaps = sum(len(stream.gaps) for one in alone.evidence.connections.values() for stream in (one.to_server, one.to_client))
        assert gaps >= 5, place
        assert any(not command.complete for command in alone.result.commands)


def test_an_overlap_with_other_content_is_told_with_both() -> None:
    name = "overlap-with-other-content"
    case, told = _sample(name), truth(SAMPLES / name)["overlaps"]
    rows = case.listed("conflicts")
    found = sorted((int(str(row["used_packets"])), int(str(row["other_packets"])), row["size_bytes"]) for row in rows)
    assert found == [(one["used_packet"], one["other_packet"], one["bytes"]) for one in told]
    assert len(found) == 3
    sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
    assert all(message.check == "good" for message in sealed)
    assert _told(case) == _told(_sample("direct-winrs-shell-id-reused-healthy"))
