"""`analyze NEW... --add CASE`: a case that grows with the files of a ring says what one run over all of them says, and what was read is not read again."""

import json
from collections import Counter
from pathlib import Path

import pytest

import analyzer
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
