"""A healthy capture gives no warning, opened with its keys: warnings are about bytes that the capture lacks, or that copies tell differently, alone."""

import json
from pathlib import Path

import pytest

import analyzer
from analyzer.records.issues import KINDS

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
HEALTHY = sorted(file.parent.name for file in SAMPLES.glob("*/truth.json") if json.loads(file.read_text(encoding="utf-8"))["healthy"])
LOST = frozenset({"tcp.gap", "capture.snapped", "events.gap"})
OF_LOSSES = LOST | {"http.body-cut", "http.extra-data", "http.head-cut", "http.lost-framing"}
DIFFERS = "tcp.conflict"
"""Of the sample that shows it, whose session is healthy."""


def warned(name: str) -> set[str]:
    folder = SAMPLES / name
    secrets = folder / "secrets.toml"
    files = [folder / one for one in json.loads((folder / "truth.json").read_text(encoding="utf-8"))["captures"]]
    case = analyzer.analyze(files, secrets=secrets if secrets.exists() else None)
    return {one.code for one in case.evidence.issues if one.code not in KINDS or KINDS[one.code].level != "note"}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_capture_gives_no_warning(name: str) -> None:
    found = warned(name)
    if name == "overlap-with-other-content":
        assert DIFFERS in found
        found.discard(DIFFERS)
    assert found <= OF_LOSSES
    assert not found or found & LOST, "what lacks nothing has no warning"


@pytest.mark.parametrize("name", ["fault-access-denied", "fault-shell-gone", "squid-cim-changes"])
def test_a_fault_of_the_protocol_is_no_warning_about_its_xml(name: str) -> None:
    assert not warned(name) & {"wsman.misplaced", "wsman.malformed"}
