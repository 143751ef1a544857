"""What a finding gives to paste into Wireshark: tshark accepts it and shows the finding's packets, neither more nor fewer."""

import shutil
from functools import cache

import pytest

from analyzer.engine.local import run
from analyzer.records.ids import key_number
from analyzer.settings import Limits, Scope
from analyzer.tables.findings import FINDINGS, finding_rows
from tests.oracle.captures import PUBLIC, SAMPLES, path
from tests.oracle.tshark import frames

pytestmark = [pytest.mark.tshark, pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")]
_REAL = tuple(name for name in PUBLIC if name.startswith(("jborean93", "OTRF")))

_CUT = "appears to have been cut short in the middle of a packet"
"""What tshark says of a capture file that was cut; it shows the packets before the cut."""


@cache
def _filters(name: str) -> dict[str, tuple[set[int], list[str]]]:
    """Filter to the packets that it must show and the rules that gave it."""
    done = run([str(path(name))], Limits(), Scope())
    done.sources.close()
    give = next(column.get for column in FINDINGS.columns if column.name == "filter")
    found: dict[str, tuple[set[int], list[str]]] = {}
    for row in finding_rows(done.result):
        text = give(row)
        assert isinstance(text, str), f"{row.finding.rule} has no packets"
        found.setdefault(text, ({key_number(key) for key in row.finding.packets}, []))[1].append(row.finding.rule)
    return found


@pytest.mark.parametrize("name", [*SAMPLES, *_REAL])
def test_filters_show_the_packets_of_the_finding(name: str) -> None:
    for text, (packets, rules) in _filters(name).items():
        shown, complaint = frames(path(name), text)
        assert not complaint or _CUT in complaint, (rules, text, complaint)
        assert set(shown) == packets, (rules, text)


@pytest.mark.skipif(not SAMPLES, reason="there are no samples")
def test_samples_have_findings() -> None:
    assert sum(bool(_filters(name)) for name in SAMPLES) > 10
