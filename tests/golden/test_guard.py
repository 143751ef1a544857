"""The guard: what clients tried in vain is always told. No capture with a failure ends with "no problem found" or "no failure found"."""

import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from analyzer.engine.local import Run, run
from analyzer.errors import InputError
from analyzer.records.finding import Finding, Severity
from analyzer.records.result import Result
from analyzer.records.story import Failure
from analyzer.rules.causes import EXPOSES
from analyzer.settings import Limits, Scope

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
CASES = Path(os.environ.get("WINRM_CASES", ""), "cases.toml")
_PUBLIC = os.environ.get("WINRM_CAPTURES", "")
_ENDINGS = {".pcap", ".pcapng", ".cap", ".dmp"}
_LARGEST = 64 << 20


def sample_groups() -> Iterator[tuple[str, tuple[Path, ...], bool]]:
    """Name, captures, and whether nothing is wrong."""
    for file in sorted(SAMPLES.glob("*/truth.json")):
        truth = json.loads(file.read_text(encoding="utf-8"))
        yield file.parent.name, tuple(file.parent / name for name in truth["captures"]), truth["healthy"]


@cache
def finished(paths: tuple[Path, ...]) -> Run:
    return run([str(path) for path in paths], Limits(), Scope())


def untold(result: Result) -> list[Failure]:
    """Failures about which no finding of low severity or more says why, or that the diagnosis passes over."""
    telling = [one for one in result.findings if one.severity is not Severity.INFO and not one.rule.startswith(EXPOSES)]
    silent = any(word in " ".join(result.diagnosis) for word in ("no problem found", "no failure found"))
    return [failure for failure in result.evidence.story.failures if silent or not any(_is_about(one, failure, result) for one in telling)]


def _is_about(finding: Finding, failure: Failure, result: Result) -> bool:
    own = result.evidence.connections[failure.connection]
    place = (own.client.host, f"{own.server.host}:{own.server.port}")
    return failure.connection in finding.connections or failure.exchange in finding.exchanges or place == (finding.source, finding.destination)


def check(result: Result) -> None:
    assert untold(result) == []
    assert 1 <= len(result.diagnosis) <= 4
    assert all(sentence.strip() and sentence.endswith((".", "?")) for sentence in result.diagnosis)
    names = [f"f{place}" for place in range(1, len(result.findings) + 1)]
    assert sorted(name for one in result.incidents for name in one.findings) == sorted(names)
    assert all(one.clients <= one.clients_total for one in result.incidents)
    assert {one.explained_by for one in result.incidents} <= {None, *(one.id for one in result.incidents)}


@pytest.mark.parametrize(("captures", "healthy"), [pytest.param(paths, fine, id=name) for name, paths, fine in sample_groups()])
def test_of_a_sample_every_failure_is_told_and_a_healthy_one_has_none(captures: tuple[Path, ...], *, healthy: bool) -> None:
    result = finished(captures).result
    check(result)
    if healthy:
        assert result.evidence.story.failures == ()
        assert "http.request-failed" not in {finding.rule for finding in result.findings}
        assert [one.title for one in result.incidents if one.severity not in (Severity.INFO, Severity.LOW)] == []


def case_groups() -> list[tuple[str, tuple[Path, ...]]]:
    cases = tomllib.loads(CASES.read_text(encoding="utf-8")) if CASES.is_file() else {}
    return [(name, tuple(CASES.parent / one for one in case["files"])) for name, case in cases.items() if "files" in case]


@pytest.mark.captures
@pytest.mark.skipif(not CASES.is_file(), reason="WINRM_CASES names no folder with cases.toml")
@pytest.mark.parametrize("captures", [pytest.param(paths, id=name) for name, paths in case_groups()] or [()])
def test_of_a_case_every_failure_is_told(captures: tuple[Path, ...]) -> None:
    check(finished(captures).result)


def public_captures(folder: str) -> Sequence[Path]:
    found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file()) if folder else ()
    return sorted(path for path in found if path.stat().st_size <= _LARGEST)


@pytest.mark.captures
@pytest.mark.skipif(not _PUBLIC, reason="WINRM_CAPTURES names no folder of captures")
def test_of_public_captures_every_failure_is_told() -> None:
    wrong = {}
    for path in public_captures(_PUBLIC):
        try:
            result = finished((path,)).result
        except InputError:
            continue
        if result.evidence.winrm and (left := untold(result)):
            wrong[path.name] = left
        finished.cache_clear()
    assert wrong == {}
