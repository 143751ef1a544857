"""--from, --to, --host, --net and --port: every command that reads captures takes them, and whatever it shows says so."""

import json
from pathlib import Path

import pytest

from analyzer.cli import start

ROOT = Path(__file__).parents[2]
CAPTURE = str(ROOT / "sample_pcaps" / "wrong-password" / "capture.pcap")
PART = ("--from", "2026-11-24T10:24:31.5Z", "--to", "2026-11-24T12:00:00+01:00", "--host", "10.10.1.11", "--net", "10.20.0.0/16", "--port", "5985")
WORDS = "from 2026-11-24T10:24:31.500000000Z; to 2026-11-24T11:00:00.000000000Z; hosts 10.10.1.11, 10.20.0.0/16; ports 5985"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = start.run(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", ["analyze", "info"])
def test_the_first_screen_says_what_was_looked_at(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, command, CAPTURE, *PART)
    assert f"scope: {WORDS}. Nothing outside of it was looked at" in squeezed(out)
    assert "2 WinRM connections" in out, "the sample has three"


@pytest.mark.parametrize("command", ["findings", "ladder", "transcript"])
def test_commands_take_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, command, CAPTURE, *PART)
    assert (code, err) == (0, "")
    assert out


def test_numbers_are_those_of_the_capture(capsys: pytest.CaptureFixture[str]) -> None:
    whole, part = (json.loads(run(capsys, "show", "exchanges", CAPTURE, "-f", "json", *more)[1]) for more in ((), PART))
    packets = [row["packets"] for row in whole]
    assert [row["packets"] for row in part] == packets[-len(part) :]
    assert 0 < len(part) < len(whole)


def test_nothing_in_it_is_said_of_it_only(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "analyze", CAPTURE, "--port", "80")
    told = squeezed(out)
    assert "No WinRM traffic was found in the scope that was asked for." in told
    assert "Only a part of the captures was looked at: ports 80. What lies outside of it cannot be told." in told
    assert "was the capture taken where" not in told


def test_the_report_and_the_manifest_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "analyze", CAPTURE, *PART, "-o", str(tmp_path / "case"))
    manifest = json.loads((tmp_path / "case" / "manifest.json").read_text(encoding="utf-8"))
    assert "; ".join(manifest["scope"]) == WORDS
    run(capsys, "report", CAPTURE, *PART, "-o", str(tmp_path / "report.html"))
    page = squeezed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert f"{WORDS}. Nothing outside of it was looked at" in page
    run(capsys, "report", CAPTURE, "-o", str(tmp_path / "whole.html"))
    assert "outside of it" not in squeezed((tmp_path / "whole.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("option", [("--from", "2026-11-24T10:24:31"), ("--to", "noon"), ("--host", "srv01"), ("--net", "10.0.0.0/40"), ("--port", "70000")])
def test_what_cannot_be_read_ends_with_usage(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", CAPTURE, *option)
    assert (code, out) == (2, "")
    assert option[1] in err


def test_a_case_keeps_the_scope_it_was_made_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "analyze", CAPTURE, "-o", str(tmp_path / "case"))
    code, _, err = run(capsys, "findings", str(tmp_path / "case"), "--port", "5985")
    assert code == 2
    assert "its scope was set when it was made" in err


def test_what_is_left_out_on_purpose_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "analyze", CAPTURE, *PART, "--strict")[0] == 0
