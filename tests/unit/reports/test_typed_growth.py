"""No text costs more than its length: four times as much of what is hard to read takes about four times as long."""

import time

import pytest

from analyzer.reports.typed import Dialect, arguments_in, secrets_in
from tests.build.typed import UNITS


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
    assert _cpu(text * 4) < 5.5 * max(_cpu(text), 0.002)
