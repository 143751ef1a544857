"""Jobs whose worker is killed once, in the middle of them or when their result is in the store but not yet told."""

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from analyzer.engine.along import Along
from analyzer.engine.schedulers import Scheduler

Ask = TypeVar("Ask")
Found = TypeVar("Found")


def killed_once(marks: str, work: Callable[[Ask], Found], moment: str, ask: Ask) -> Found:
    """The first job of its kind that comes here kills the process that runs it: ``before`` it does anything, or ``after`` its work."""
    found = work(ask) if moment == "after" else None
    try:
        os.close(os.open(Path(marks) / f"{work.__name__}-{moment}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return work(ask) if found is None else found
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Losing:
    """A scheduler that loses a worker at each moment of each stage in ``stages``."""

    def __init__(self, inner: Scheduler, marks: Path, moment: str, stages: Sequence[str]) -> None:
        self.inner, self.marks, self.moment, self.stages = inner, marks, moment, stages
        self.shares = inner.shares

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Callable[[int, int], None] | None = None, along: Along | None = None) -> list[Found]:
        if along is not None and along.work.__name__ in self.stages:
            along = _LosingAlong(along, partial(killed_once, str(self.marks), along.work, self.moment))
        if work.__name__ not in self.stages:
            return self.inner.run(work, asks, done, along)
        return self.inner.run(partial(killed_once, str(self.marks), work, self.moment), asks, done, along)


class _LosingAlong:
    def __init__(self, inner: Along, work: Callable[[object], object]) -> None:
        self.work, self.ask, self.told = work, inner.ask, inner.told
