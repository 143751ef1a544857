"""Which flows of several captures are one connection seen twice.

Two capture points see the same connection at the same time (or with the same initial sequence number, when the clocks differ): these stay two connections, the
later named a twin. Flows that are parts of one connection were put together before (`analyzer.transport.complements`).
"""

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
    """A flow (index into the list given) that makes a connection, and the index of the thread whose twin it is, if any."""

    flow: int
    twin_of: int | None


def threads(flows: Sequence[Flow]) -> tuple[Thread, ...]:
    """Every flow is one thread. Threads are in the order of ``flows``, which is that of captures, then first packets."""
    twins: list[int | None] = [None] * len(flows)
    if len({flow.point for flow in flows}) <= 1:  # a twin is what another point saw
        return tuple([Thread(index, None) for index in range(len(flows))])
    by_tuple: dict[frozenset[tuple[str, int]], _Known] = {}
    in_time = sorted(enumerate(flows), key=_first)
    for rank, (index, flow) in enumerate(in_time):
        known = by_tuple.setdefault(frozenset(zip(flow.hosts, flow.ports, strict=True)), _Known())
        others = (in_time[other] for other in known.elsewhere(flow))
        twins[index] = next((place for place, other in others if twins[place] is None and _same(other, flow)), None)
        known.add(rank, flow)
    return tuple(Thread(index, twin) for index, twin in enumerate(twins))


class _Known:
    """The threads of one 4-tuple, by their capture point; where there are many, also by what their flows share with one that comes."""

    def __init__(self) -> None:
        self._at: dict[int, list[int]] = {}
        self._first: dict[int, Flow] = {}
        self._marked: dict[object, deque[int]] = {}
        self._marks_made = 0

    def add(self, thread: int, flow: Flow) -> None:
        """A new thread, of which ``flow`` is."""
        self._at.setdefault(flow.point, []).append(thread)
        self._first[thread] = flow

    def elsewhere(self, flow: Flow) -> Iterable[int]:
        """The threads that are not at the point of ``flow``, the latest first. Of many only those that it may be one with: one connection has its
        sequence numbers."""
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
        key = _both_isns(flows[found[root - 1].flow])
        groups.setdefault(root if key is None else key, []).append(number)
    return tuple(tuple(group) for group in groups.values() if 1 < len(group) <= _PLACES)


def _both_isns(flow: Flow) -> tuple[int, int] | None:
    """The initial sequence numbers of client and server, None when one is not captured."""
    asked = answered = None
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
