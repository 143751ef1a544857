"""Parties, logons, requests and endings of every sample are what the endpoints' logs and the configuration say; what is claimed as proved is never wrong."""

from functools import cache
from pathlib import Path

import pytest

import analyzer
from analyzer.engine.work import told
from analyzer.records.evidence import Evidence
from tests.golden import pictures
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
FOLDERS = [path.parent for path in sorted(SAMPLES.glob("*/truth.json")) if "parties" in truth(path.parent)]
ALL = [path.parent for path in sorted(SAMPLES.glob("*/truth.json"))]
every_sample = pytest.mark.parametrize("folder", ALL, ids=lambda folder: folder.name)
every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@cache
def evidence(folder: Path) -> Evidence:
    return told(analyzer.analyze(captures(folder, truth(folder))).result.evidence)


def test_there_are_samples() -> None:
    assert len(FOLDERS) > 100


@every_folder
def test_no_party_is_claimed_wrongly(folder: Path) -> None:
    assert pictures.parties(truth(folder), evidence(folder)).wrong == ()


@every_folder
def test_logons_are_those_of_the_endpoints(folder: Path) -> None:
    found = pictures.logons(truth(folder), evidence(folder))
    assert (found.wrong, found.missed) == ((), ())


@every_sample
def test_what_became_of_each_request(folder: Path) -> None:
    """Its way over proxies, the status that came back, who answered, and as whom it ran."""
    found = pictures.fates(truth(folder), evidence(folder))
    assert (found.wrong, found.missed) == ((), ())


def test_requests_are_compared() -> None:
    assert sum(pictures.fates(truth(folder), evidence(folder)).right for folder in ALL) > 1500


@every_folder
def test_who_ended_a_connection_first(folder: Path) -> None:
    found = pictures.endings(truth(folder), evidence(folder))
    assert (found.wrong, found.missed) == ((), ())


@every_sample
def test_clocks_of_servers_are_the_clock_of_the_lab(folder: Path) -> None:
    """All of the lab runs by one clock; a capture whose times were moved says by how much, and how much more with each second."""
    known, seen = truth(folder), evidence(folder)
    for clock in seen.story.clocks:
        name = seen.captures[clock.point].name
        moved = known.get("clock_offset_s", {}).get(name, 0)
        drifted = known.get("clock_drift", {}).get(name, 0) * (clock.last_ns - (seen.captures[clock.point].first_ns or 0)) / 1e9
        assert clock.steady
        assert clock.ahead_ns - clock.error_ns <= -moved * 1e9
        assert clock.ahead_ns + clock.error_ns >= -(moved + drifted) * 1e9


def test_most_samples_have_a_clock() -> None:
    assert sum(bool(evidence(folder).story.clocks) for folder in ALL) > len(ALL) / 2
