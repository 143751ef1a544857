"""The analyzer on every sample capture, against what the endpoints say. `LAB_REBUILT` names a folder of samples made anew, to be held to the same."""

import os
from functools import cache
from pathlib import Path

import pytest

import analyzer
from analyzer.rules.catalogue import rules
from tests.golden.samples import Comparison, captures, compared, truth

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
_FOLDERS = [SAMPLES, *(Path(name) for name in [os.environ.get("LAB_REBUILT")] if name)]
FOLDERS = [path.parent for folder in _FOLDERS for path in sorted(folder.glob("*/truth.json"))]

every_sample = pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}/{path.name}" for path in FOLDERS])


@cache
def comparison(folder: Path) -> Comparison:
    known = truth(folder)
    return compared(known, analyzer.analyze(captures(folder, known)).result, [rule.id for rule in rules()])


def problems(folder: Path, part: str) -> list[str]:
    return [problem.text for problem in comparison(folder).problems if problem.part == part]


def test_there_are_samples() -> None:
    assert FOLDERS


@every_sample
def test_connections_of_both_legs_have_their_roles_and_statuses(folder: Path) -> None:
    assert not problems(folder, "connections")


@every_sample
def test_exchanges_begin_in_the_packets_that_wireshark_numbers(folder: Path) -> None:
    assert not problems(folder, "exchanges")


@every_sample
def test_hops_are_the_pairs_that_the_proxy_made(folder: Path) -> None:
    assert not problems(folder, "hops")


@every_sample
def test_authentications_are_those_of_the_endpoints(folder: Path) -> None:
    assert not problems(folder, "authentications")


@every_sample
def test_findings_are_those_expected_and_no_others(folder: Path) -> None:
    assert not problems(folder, "findings")


def test_every_expected_rule_is_written() -> None:
    unwritten = {rule: folder.name for folder in FOLDERS for rule in comparison(folder).unwritten}
    assert not unwritten
