"""`analyze NEW... --add CASE`: a case that grows with the files of a ring says what one run over all of them says, and what was read is not read again."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import analysis
from analyzer.cli.start import run
from tests.build.rotated import all_cells, capture_of, differing, rotated

RING = ("direct-psrp-large-output", "px-before-squid-proxyauth", "tls-ended-at-proxy", "evil-winrm-py-session", "squid-connect-proxyauth-ntlm", "https-direct")


@pytest.fixture
def ring(tmp_path: Path) -> list[Path]:
    return rotated(RING, 4, tmp_path / "ring")


def _jobs(store: Path) -> list[Counter[tuple[str, str]]]:
    """By run the jobs of each stage, and whether they were done or found."""
    logs = sorted(store.glob("jobs-*.jsonl"))
    return [Counter((job["job"], job["state"]) for job in map(json.loads, log.read_text().splitlines())) for log in logs]


def test_a_case_that_grew_says_what_one_run_says(tmp_path: Path, ring: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    assert run(["analyze", *map(str, ring[:14]), "--add", str(case)]) == 0
    assert "Added" not in capsys.readouterr().out
    assert run(["analyze", str(tmp_path / "ring"), "--add", str(case)]) == 0
    said = capsys.readouterr().out
    grown, whole = analyzer.open_case(case), analyzer.analyze(ring, scheduler="serial", jobs=tmp_path / "other")
    assert not differing(all_cells(whole), {name: grown.cells(name) for name in all_cells(whole)})
    assert f"Added: captures {len(ring)} (14 before)" in said
    commands = len(whole.listed("commands"))
    assert f"commands {commands} (" in said
    first, second = _jobs(tmp_path / "case.jobs")
    assert first["scan", "done"] == 14
    assert second["scan", "found"] == 14
    assert second["scan", "done"] == len(ring) - 14
    assert second["talk", "found"]


def test_what_is_new_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    first, second = capture_of("evil-winrm-py-session"), capture_of("px-before-squid-proxyauth")
    findings = analyzer.analyze(second).listed("findings")
    assert findings
    assert run(["analyze", str(first), "--add", str(case)]) == 0
    capsys.readouterr()
    assert run(["analyze", str(second), "--add", str(case)]) == 0
    said = capsys.readouterr().out
    assert f"findings {len(findings)} (0 before)" in said
    assert all(f"New: {str(row['severity']).upper()}  {row['title']}" in said for row in findings)
    assert run(["analyze", str(second), "--add", str(case)]) == 0
    said = capsys.readouterr().out
    assert "captures 2 (2 before)" in said
    assert "New:" not in said


def test_a_capture_that_is_gone_is_said_and_the_case_stays(tmp_path: Path, ring: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    assert run(["analyze", *map(str, ring[:3]), "--add", str(case)]) == 0
    before = (case / "manifest.json").read_bytes()
    ring[0].unlink()
    assert run(["analyze", str(ring[4]), "--add", str(case)]) == 2
    assert f"{ring[0]} is not there any more" in capsys.readouterr().err
    assert (case / "manifest.json").read_bytes() == before


def test_what_cannot_be_is_said(tmp_path: Path, ring: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(ring[0]), "--add", str(tmp_path / "case"), "-o", str(tmp_path / "other")]) == 2
    assert "leave -o out" in capsys.readouterr().err
    assert run(["analyze", "-", "--add", str(tmp_path / "case")]) == 2
    assert "standard input cannot be read again" in capsys.readouterr().err


def test_a_capture_that_changed_since_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case, ring = tmp_path / "case", tmp_path / "ring"
    ring.mkdir()
    grows, stays = ring / "grows.pcap", ring / "stays.pcap"
    shutil.copy(capture_of("px-before-squid-proxyauth"), stays)
    grows.write_bytes(capture_of("evil-winrm-py-session").read_bytes()[:4000])
    assert run(["analyze", str(ring), "--add", str(case)]) == 0
    assert run(["analyze", str(ring), "--add", str(case)]) == 0
    assert "is not what it was" not in capsys.readouterr().err
    shutil.copy(capture_of("evil-winrm-py-session"), grows)
    assert run(["analyze", str(ring), "--add", str(case)]) == 0
    told = capsys.readouterr().err
    assert f"{grows} is not what it was when the case was written (SHA-256 " in told
    assert str(stays) not in told


def test_settings_that_the_case_was_made_with_and_the_command_lacks_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, secrets, capture = tmp_path / "case", tmp_path / "keys.toml", str(capture_of("evil-winrm-py-session"))
    secrets.write_text('[[password]]\nuser = "alice"\nvalue = "Autumn-Leaf-77"\n')

    def told(*words: str) -> str:
        asked = ["analyze", capture, "--add", str(case), *words]
        monkeypatch.setattr("sys.argv", ["winrm-analyzer", *asked])
        assert run(asked) == 0
        return capsys.readouterr().err

    assert "was made with" not in told("--secrets", str(secrets), "--limit=headers=900")
    assert "was made with" not in told("--limit=headers=900", "--secrets", str(secrets))
    said = told("--port", "5985")
    assert f"{case} was made with --limit headers=900, --secrets ***; this command is not" in said
    assert f"{case} was made without --port 5985; of its captures, too, it will hold only that part" in said
    assert "Autumn" not in said


def test_a_run_does_not_undo_what_another_one_added(
    tmp_path: Path, ring: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs that began with the same case: the second to end would write a case without what the first added."""
    case = tmp_path / "case"
    assert run(["analyze", str(ring[0]), "--add", str(case)]) == 0
    read = analysis.read_within

    def meanwhile(captures: tuple[str, ...], given: analysis.Given, **more: bool) -> object:
        found = read(captures, given, **more)
        monkeypatch.setattr(analysis, "read_within", read)
        assert run(["analyze", str(ring[1]), "--add", str(case)]) == 0
        return found

    monkeypatch.setattr(analysis, "read_within", meanwhile)
    capsys.readouterr()
    assert run(["analyze", str(ring[2]), "--add", str(case)]) == 2
    shown = capsys.readouterr()
    assert f"{case} was written by another run meanwhile" in shown.err
    assert "the case was not saved; what was found follows" in shown.err
    assert len(analyzer.open_case(case).listed("captures")) == 2
    assert run(["analyze", str(ring[2]), "--add", str(case)]) == 0
    assert len(analyzer.open_case(case).listed("captures")) == 3


def test_a_case_that_somebody_changed_is_told(tmp_path: Path, ring: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    assert run(["analyze", str(ring[0]), "--add", str(case)]) == 0
    (case / "ladders.parquet").write_bytes(b"")
    assert run(["analyze", str(ring[1]), "--add", str(case)]) == 0
    assert f"{case} was changed after it was written: ladders.parquet" in capsys.readouterr().err
