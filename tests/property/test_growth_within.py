"""Whatever is there four times as often within one parent costs four times: handshakes of a connection, polls of a command, holes of a body, and the like.

The CPU of a whole run is compared, with all tables, the first screen, the transcript and the summary for machines. At 4 N it is below 5.5 of that at N, what a
run costs anyway left out. Each is the least of several runs in one process, so that a busy machine does not decide.
"""

import gc
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import analyzer
from analyzer.settings import Limits
from analyzer.tables.registry import TABLES
from tests.build.growing import THINGS

_MORE, _MOST = 4, 5.5
_TRIES = 4
_ALONE = Limits(fork_bytes=1 << 60)
"""What other processes do is not counted."""


def _spent(files: Sequence[Path]) -> float:
    """CPU seconds of a run and of what is made of it."""
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time()
        case = analyzer.analyze(list(files), limits=_ALONE)
        for table in TABLES:
            case.cells(table.name)
        case.overview()
        case.transcript()
        for _ in case.machine("json"):
            pass
        return time.process_time() - begin
    finally:
        gc.enable()


def _ratio(name: str, folder: Path) -> float:
    number, made = THINGS[name]
    captures = []
    for count in (1, number, _MORE * number):
        own = folder / str(count)
        own.mkdir()
        captures.append(made(count, own))
    base = min(_spent(captures[0]) for _ in range(3))
    few = many = ratio = float("inf")
    for _ in range(_TRIES):  # until it is clear
        few, many = min(few, _spent(captures[1])), min(many, _spent(captures[2]))
        ratio = (many - base) / (few - base)
        if ratio < _MOST - 0.5:
            break
    return ratio


@pytest.mark.slow
@pytest.mark.parametrize("name", THINGS)
def test_four_times_as_many_cost_four_times(name: str, tmp_path: Path) -> None:
    assert _ratio(name, tmp_path) < _MOST
