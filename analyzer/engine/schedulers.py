"""What runs jobs: this process, copies of it, or a cluster (`analyzer.engine.on_dask`). Results come in the order of what was asked, whoever did the work."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from analyzer.engine.along import Along, Done
from analyzer.engine.forks import processes, spread
from analyzer.errors import UsageError

Ask = TypeVar("Ask")
Found = TypeVar("Found")
FORMS = ("serial", "processes")


class Scheduler(Protocol):
    """Runs jobs: functions of modules, on arguments that can be sent."""

    @property
    def shares(self) -> bool:
        """True where jobs run on other machines: what they read and write has to lie where all of these reach it."""
        ...

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Done | None = None, along: Along | None = None) -> list[Found]:
        """The results, in order. A worker that is lost changes nothing: what it had not finished is done again. ``along`` is done where that saves time; what
        runs alone afterwards runs where it did, if that is possible."""
        ...


class Serial:
    """One job after the other, in this process."""

    shares = False

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Done | None = None, _: Along | None = None) -> list[Found]:
        """As `Scheduler` says."""
        return spread(work, asks, 1, done) if asks else []


class Processes:
    """In copies of this process, one for each processor; what a copy that is lost had not finished is done here."""

    shares = False

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Done | None = None, _: Along | None = None) -> list[Found]:
        """As `Scheduler` says. Where processes may not be copied, all is done here."""
        most = processes()
        return spread(work, asks, min(self.count or most, most) if most > 1 else 1, done) if asks else []


def scheduler_of(word: str) -> Scheduler:
    """The scheduler of that name, or at that address. `UsageError`: there is none."""
    if word == "serial":
        return Serial()
    if word == "processes":
        return Processes()
    if "://" in word:
        from analyzer.engine.on_dask import connected

        return connected(word)
    msg = f"--scheduler {word}: give {', '.join(FORMS)}, or the address of a scheduler of Dask, such as tcp://10.0.0.5:8786"
    raise UsageError(msg)
