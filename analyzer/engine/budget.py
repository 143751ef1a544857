"""What a run may cost: one object for all of it, asked where work is done.

How many connections and exchanges are read is told by what was captured, so equal captures give equal results. Seconds are asked for by the user: they
depend on the machine, and what was left out for them is said.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import TypeVar

from msgspec.structs import replace

from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.settings import Limits, Spent, never

Item = TypeVar("Item")
READING = 0.4
"""The part of the seconds in which connections are read; what is said of them takes the rest."""
OPENING = 0.6
"""The part until which bodies are opened and looked at for commands."""
TELLING = 0.8
"""The part until which rules over commands, and the picture of the whole, may begin; the rules have the rest."""


OFTEN = 64
"""Exchanges after which the clock is looked at."""


class Budget:
    """The processor time that a run has used, in this process and in the one that it is a fork of."""

    __slots__ = ("_before", "_began", "_process", "_told", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """0: as many as it takes."""
        self._process = os.getpid()
        self._began = process_time()
        self._before = self._told = 0.0

    def used(self) -> float:
        """Seconds of the processor."""
        if os.getpid() != self._process:  # a fork: its clock begins at zero
            self._process, self._began, self._before = os.getpid(), 0.0, self._told
        self._told = self._before + process_time() - self._began
        return self._told

    def over(self, part: float = 1.0) -> Spent:
        """`spent` for a stage, which knows no budget: the clock is looked at each time."""
        return (lambda: self.spent(part)) if self.seconds else never

    def told(self) -> str:
        """The limit as an issue names it."""
        return f"seconds={self.seconds:g}"

    def spent(self, part: float = 1.0) -> bool:
        """Whether that part of the seconds is used up."""
        return bool(self.seconds) and self.used() >= self.seconds * part


UNBOUNDED = Budget(0)


def bounded(items: Sequence[Item], sizes: Sequence[int], limits: Limits, capture: Callable[[Item], int]) -> tuple[list[Item], Limits, tuple[Issue, ...]]:
    """The connections that are read, in their order: where there are too many for what they hold, those with the fewest bytes are left out. And the limits
    of this run: exchanges may be the smaller the less there is of them."""
    total = sum(sizes)
    limits = replace(limits, exchange_bytes=max(1, min(limits.exchange_bytes, total // max(limits.exchanges, 1))))
    limits = replace(limits, unpacked_bytes=_share(Counter(map(capture, items)), limits))
    most = max(limits.connections, total // max(limits.connection_bytes, 1))
    if len(items) <= most:
        return list(items), limits, ()
    ranked = sorted(range(len(items)), key=lambda place: (-sizes[place], place))
    kept, left = sorted(ranked[:most]), ranked[most:]
    why = f"connections={limits.connections}, connection_bytes={limits.connection_bytes}"
    told = f"{why}: {len(left)} connections with at most {sizes[left[0]]} bytes of payload were not read"
    return [items[place] for place in kept], limits, (Issue("tcp.limit", told, capture=capture(items[min(left)]), repeats=len(left)),)


def _share(connections: Mapping[int, int], limits: Limits) -> int:
    """What the compressed parts of one connection may become in any case, of so many in each capture. A share, not a sum that is counted down: it is the same
    in whatever order, and by how many processes, they are read."""
    of_run = limits.unpacked_run_bytes // max(sum(connections.values()), 1)
    return min(limits.unpacked_bytes, of_run, limits.unpacked_capture_bytes // max(connections.values(), default=1))


def shared(limits: Limits, captures: int) -> Limits:
    """The limits of a run of so many captures: what each may become where it is compressed."""
    return replace(limits, packed_bytes=min(limits.packed_bytes, limits.packed_run_bytes // max(captures, 1)))


def cut(connection: Connection, exchanges: Sequence[Exchange], most: int, told: str) -> tuple[tuple[Exchange, ...], tuple[Issue, ...]]:
    """The first exchanges, and the issue where there are more."""
    if len(exchanges) <= most:
        return tuple(exchanges), ()
    return tuple(exchanges[:most]), (Issue("http.limit", f"{told}: {len(exchanges) - most} later exchanges were not read", connection.id, connection.capture),)
