"""Which flows of several captures are one connection, and which are one connection seen twice.

Rotated files cut a connection into pieces: the same 4-tuple, the second piece after the first, without a new SYN. Two capture points see the same
connection at the same time (or with the same initial sequence number, when the clocks differ): these stay two connections, the later named a twin.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple

from analyzer.records.capture import Flow

_SYN, _RST, _ACK = 2, 4, 16
_FEW = 16
"""Threads that are compared one by one."""
_PLACES = 32
"""Places at which one connection is seen at most."""
_BEGINNING = 64
"""Packets among which both SYN are."""


class Thread(NamedTuple):
    """Flows (indexes into the list given) that make one connection, and the index of the thread whose twin it is, if any."""

    flows: tuple[int, ...]
    twin_of: int | None


def threads(flows: Sequence[Flow]) -> tuple[Thread, ...]:
    """Every flow is in exactly one thread. Threads are in order of their first flow; the order of ``flows`` is that of captures, then first packets."""
    pieces: list[list[int]] = []
    twins: list[int | None] = []
    by_tuple: dict[frozenset[tuple[str, int]], _Known] = {}
    for index, flow in sorted(enumerate(flows), key=_first):
        known = by_tuple.setdefault(frozenset(zip(flow.hosts, flow.ports, strict=True)), _Known())
        twin = None
        for thread in known.elsewhere(flow):
            last = flows[pieces[thread][-1]]
            if _continues(last, flow):
                known.move(thread, last.point, flow.point)
                pieces[thread].append(index)
                break
            if twins[thread] is None and _same(flows[pieces[thread][0]], flow):
                twin = thread
                break
        else:
            thread = -1
        if thread < 0 or twin is not None:
            known.add(len(pieces), flow)
            pieces.append([index])
            twins.append(twin)
    ordered = sorted(range(len(pieces)), key=lambda thread: min(pieces[thread]))
    place: dict[int | None, int] = {thread: rank for rank, thread in enumerate(ordered)}
    return tuple(Thread(tuple(pieces[thread]), place.get(twins[thread])) for thread in ordered)


class _Known:
    """The threads of one 4-tuple, by the capture point of their last flow; where there are many, also by what their first flows share with one that comes."""

    def __init__(self) -> None:
        self._at: dict[int, list[int]] = {}
        self._first: dict[int, Flow] = {}
        self._marked: dict[object, deque[int]] = {}
        self._marks_made = 0

    def add(self, thread: int, flow: Flow) -> None:
        """A new thread, which begins with ``flow``."""
        self._at.setdefault(flow.point, []).append(thread)
        self._first[thread] = flow

    def move(self, thread: int, before: int, now: int) -> None:
        """The thread goes on at another point."""
        self._at[before].remove(thread)
        insort(self._at.setdefault(now, []), thread)

    def elsewhere(self, flow: Flow) -> Iterable[int]:
        """The threads that are not at the point of ``flow``, the latest first. Of many only those that it may be one with or go on: a SYN begins
        a connection, so it goes on none; and one connection has its sequence numbers."""
        found = [threads for point, threads in self._at.items() if point != flow.point]
        if sum(map(len, found)) <= _FEW or not _isns(flow):
            return merge(*map(reversed, found), reverse=True)
        for thread, first in islice(self._first.items(), self._marks_made, None):
            for mark in _marks(first):
                self._marked.setdefault(mark, deque(maxlen=_FEW)).append(thread)
        self._marks_made = len(self._first)
        sharing = {thread for mark in _marks(flow) for thread in self._marked.get(mark, ())}
        return sorted(sharing.intersection(chain(*found)), reverse=True)


def _marks(flow: Flow) -> set[object]:
    """What two flows of one connection have in common: initial sequence numbers, or data."""
    return {*_isns(flow), *_data(flow)}


def same(found: Sequence[Thread], flows: Sequence[Flow]) -> tuple[tuple[int, ...], ...]:
    """Threads (numbers from 1) that are one connection seen at several places: twins, and those whose initial sequence numbers are equal at both ends, whatever
    an address translation made of their addresses (RFC 3022 section 4.1 lists what it changes). More than are seen anywhere are not one connection: their
    sender chose the numbers."""
    groups: dict[object, list[int]] = {}
    for number, thread in enumerate(found, 1):
        root = number if thread.twin_of is None else thread.twin_of + 1
        key = _both_isns(flows[index] for index in (found[root - 1].flows[0],))
        groups.setdefault(root if key is None else key, []).append(number)
    return tuple(tuple(group) for group in groups.values() if 1 < len(group) <= _PLACES)


def _both_isns(views: Iterable[Flow]) -> tuple[int, int] | None:
    """The initial sequence numbers of client and server, None when one is not captured."""
    asked = answered = None
    for flow in views:
        for seq, flags in zip(flow.segments.seq[:_BEGINNING], flow.segments.flags[:_BEGINNING], strict=True):
            if flags & (_SYN | _RST) == _SYN:
                if flags & _ACK:
                    answered = seq if answered is None else answered
                else:
                    asked = seq if asked is None else asked
                if asked is not None and answered is not None:
                    return asked, answered
    return None


def _first(indexed: tuple[int, Flow]) -> tuple[int, int]:
    index, flow = indexed
    return (min(flow.segments.ts_ns, default=0), index)


def _isns(flow: Flow) -> set[int]:
    rows = flow.segments
    return {seq for seq, flags in zip(rows.seq, rows.flags, strict=True) if flags & _SYN}


def _continues(before: Flow, after: Flow) -> bool:
    """True when ``after`` begins where ``before`` stopped: later, without a SYN of its own, and not by repeating the same bytes."""
    first, last = before.segments, after.segments
    if not len(first.ts_ns) or not len(last.ts_ns) or max(first.ts_ns) > min(last.ts_ns):
        return False
    return not _isns(after) and not _overlap(before, after)


def _same(one: Flow, other: Flow) -> bool:
    """True when two captures saw one connection."""
    isns = _isns(one) & _isns(other)
    return bool(isns) or _overlap(one, other)


def _overlap(one: Flow, other: Flow) -> bool:
    """True when most data segments of the shorter flow are in the other one too, by sender and sequence number."""
    a, b = set(_data(one)), set(_data(other))
    smaller = min(len(a), len(b))
    return smaller > 0 and len(a & b) * 2 > smaller


def _data(flow: Flow) -> Iterable[tuple[str, int, int]]:
    rows = flow.segments
    return ((flow.hosts[d], flow.ports[d], seq) for d, seq, size in zip(rows.direction, rows.seq, rows.wire_size, strict=True) if size)
