"""The hashcat lines of the samples can be computed again from the passwords of their accounts; nothing is printed unless it was asked for."""

import hmac
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from spnego._ntlm_raw.crypto import desl, md5, ntowfv1, ntowfv2

import analyzer
from analyzer.cli import start

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
_PROXY = "gate-keeper-9"
NAMES = ("squid-ntlm-healthy", "squid-connect-proxyauth-ntlm", "direct-ntlm-healthy", "midstream-start", "wrong-password")


class Account(NamedTuple):
    user: str
    domain: str
    password: str


def _accounts(name: str) -> Iterator[Account]:
    for entry in tomllib.loads((SAMPLES / name / "secrets.toml").read_text(encoding="utf-8")).get("password", []):
        yield Account(entry["user"], entry.get("domain", ""), entry["value"])


def _fits(line: str, password: str) -> bool:
    """As hashcat checks a guess, for modes 5600 and 5500."""
    user, _, domain, first, second, third = line.split(":")
    if len(first) == 16:
        key = ntowfv2(user, ntowfv1(password), domain)
        return hmac.digest(key, bytes.fromhex(first + third), "md5").hex() == second
    challenge = md5(bytes.fromhex(third + first[:16]))[:8] if first[16:] == "0" * 32 else bytes.fromhex(third)
    return bool(desl(ntowfv1(password), challenge).hex() == second)


@pytest.mark.parametrize("name", NAMES)
def test_a_line_fits_its_password_and_no_other(name: str) -> None:
    case = analyzer.analyze(sorted((SAMPLES / name).glob("capture.pcap*")))
    lines = case.hash_lines()
    known = {account.user: account.password for account in _accounts(name)} | {"proxyuser": _PROXY}
    assert len({line.line for line in lines}) == len(lines)
    assert bool(lines) is (name != "midstream-start")
    for line in lines:
        assert line.mode in {5600, 5500}
        assert _fits(line.line, known.get(line.user, "")) is (line.outcomes == ("accepted",))
        assert not _fits(line.line, "another password")
        assert line.packets


def test_both_legs_of_a_proxy_are_one_line() -> None:
    (line,) = analyzer.analyze(sorted((SAMPLES / "squid-ntlm-healthy").glob("capture.pcap*"))).hash_lines()
    assert len(line.connections) == 2


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = start.run(["hashes", str(SAMPLES / "squid-ntlm-healthy"), *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_refuses_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys)
    assert (code, out) == (2, "")
    assert "--show-secrets" in err


def test_the_command_prints_lines_and_says_on_stderr_where_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "--show-secrets")
    assert code == 0
    assert out.startswith("alice::LAB:")
    assert out.count("\n") == 1
    assert "# 5600  LAB\\alice  packets " in err
    assert out.split(":")[4] not in err
    (row,) = [json.loads(line) for line in _run(capsys, "--show-secrets", "-f", "jsonl")[1].splitlines()]
    assert (row["hashcat_mode"], row["line"], row["user"], row["outcomes"]) == (5600, out.strip(), "alice", ["accepted"])


def test_a_ticket_under_an_rc4_key_and_a_name_that_would_break_the_line() -> None:
    from analyzer.engine.hashes import _plain

    assert not any(_plain(name) for name in ("a:b", "a\nb", "a\x1b"))
    assert _plain("srv01$")
