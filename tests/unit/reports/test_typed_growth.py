"""No text costs more than its length: four times as much of what is hard to read takes about four times as long."""

import time
from collections.abc import Callable

import pytest

from analyzer.records.wsman import Command
from analyzer.reports.typed import Dialect, arguments_in, secrets_in
from analyzer.rules.catalogue import rules
from analyzer.sigma.sightings import sightings
from tests.build.typed import UNITS


def _is_linear(spent: Callable[[str], float], text: str) -> bool:
    """One of three tries is enough: another process may have had the processor, or the collector of garbage ran in the longer one."""
    return any(spent(text * 4) < 5.5 * max(spent(text), 0.002) for _ in range(3))


def _cpu(text: str) -> float:
    best = []
    for _ in range(3):
        began = time.process_time()
        assert sum(1 for _ in secrets_in(text)) >= 0
        assert sum(1 for _ in arguments_in(text, Dialect.POWERSHELL)) >= 0
        best.append(time.process_time() - began)
    return min(best)


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_costs_more_than_its_length(unit: str) -> None:
    text = unit * (4000 // len(unit))
    assert _is_linear(_cpu, text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["create shadow lsass eventlog iwr iex\n", "create shadow lsass win32_process ", "'+'", "sc create x ", "vssadmin delete ", "`\n"]
)
def test_no_script_costs_the_rules_more_than_its_length(unit: str) -> None:
    asked = {rule.id: rule.looks_for for rule in rules() if rule.looks_for}

    def spent(text: str) -> float:
        best = []
        command = Command("C", "S", "powershell", text, None, 0, 1, None, None, (), None, 0, (1,))
        for _ in range(3):
            began = time.process_time()
            assert sightings(asked, [command]).issues == ()
            best.append(time.process_time() - began)
        return min(best)

    text = unit * (8000 // len(unit))
    assert _is_linear(spent, text)
