"""Captures with nothing wrong but the capture itself: whatever is lost of a healthy sample, no rule raises an alarm."""

import tempfile
from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from tests.build.damage import Damage, damaged, every, one_lost, part, snapped
from tests.rules.judging import judge_files
from tests.rules.test_conformance import Sample, samples

UNALARMING = (Severity.INFO, Severity.LOW)
DAMAGES: dict[str, tuple[Damage, ...]] = {
    "every few packets lost": tuple(every(step, offset) for step in (5, 7, 13) for offset in range(0, step, 2)),
    "three packets in a row lost": tuple(one_lost(place / 20) for place in range(20)),
    "a part only": tuple(part(begin / 8, end / 8) for begin in range(8) for end in range(begin + 1, 9, 2)),
    "snap length": tuple(snapped(size) for size in (54, 96, 256, 400, 800, 1200)),
}
HEALTHY = [sample for sample in samples() if sample.healthy and all(capture.suffix == ".pcap" for capture in sample.captures)]


def alarms(sample: Sample, damage: Damage) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        found = judge_files([damaged(capture, Path(folder, capture.name), damage) for capture in sample.captures]).findings
    return {f"{finding.rule}: {finding.why}" for finding in found if finding.severity not in UNALARMING}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("sample", HEALTHY, ids=lambda sample: sample.name)
def test_no_rule_takes_a_loss_for_a_fault(sample: Sample, kind: str) -> None:
    assert set().union(*(alarms(sample, damage) for damage in DAMAGES[kind])) == set()
