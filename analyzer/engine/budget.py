"""What a run may cost: one object for all of it, asked where work is done.

How many connections and exchanges are read is told by what was captured, so equal captures give equal results. Seconds are asked for by the user: they
depend on the machine, and what was left out for them is said.
"""

import os
from collections.abc import Callable, Sequence
from time import process_time
from typing import TypeVar

from msgspec.structs import replace

from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.settings import Limits

Item = TypeVar("Item")
READING = 0.4
"""The part of the seconds in which connections are read; what is said of them takes the rest."""


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

    def spent(self, part: float = 1.0) -> bool:
        """Whether that part of the seconds is used up."""
        return bool(self.seconds) and self.used() >= self.seconds * part


UNBOUNDED = Budget(0)


def bounded(items: Sequence[Item], sizes: Sequence[int], limits: Limits, capture: Callable[[Item], int]) -> tuple[list[Item], Limits, tuple[Issue, ...]]:
    """The connections that are read, in their order: where there are too many for what they hold, those with the fewest bytes are left out. And the limits
    of this run: exchanges may be the smaller the less there is of them."""
    total = sum(sizes)
    limits = replace(limits, exchange_bytes=max(1, min(limits.exchange_bytes, total // max(limits.exchanges, 1))))
    most = max(limits.connections, total // max(limits.connection_bytes, 1))
    if len(items) <= most:
        return list(items), limits, ()
    ranked = sorted(range(len(items)), key=lambda place: (-sizes[place], place))
    kept, left = sorted(ranked[:most]), ranked[most:]
    told = f"connections={limits.connections}: {len(left)} connections with at most {sizes[left[0]]} bytes of payload were not read"
    return [items[place] for place in kept], limits, (Issue("tcp.limit", told, capture=capture(items[min(left)]), repeats=len(left)),)


def cut(connection: Connection, exchanges: Sequence[Exchange], most: int, told: str) -> tuple[tuple[Exchange, ...], tuple[Issue, ...]]:
    """The first exchanges, and the issue where there are more."""
    if len(exchanges) <= most:
        return tuple(exchanges), ()
    return tuple(exchanges[:most]), (Issue("http.limit", f"{told}: {len(exchanges) - most} later exchanges were not read", connection.id, connection.capture),)
