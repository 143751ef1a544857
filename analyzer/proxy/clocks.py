"""The offset between the clocks of capture points, from exchanges that both saw.

A request passes the client's leg at t1 and the upstream leg at t2, its response the upstream leg at t3 and the client's at t4. As with NTP (RFC 5905
section 8) the upstream clock is ahead by ((t2 - t1) + (t3 - t4)) / 2, within half of (t4 - t1) - (t3 - t2). The exchange with the smallest uncertainty
bounds the error; the median over the better half is taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from analyzer.proxy.flights import Flight
from analyzer.proxy.joins import Pair
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection


class Sample(NamedTuple):
    """One exchange seen by two captures: by how much ``other``'s clock seems ahead of ``one``'s, and how wrong that can be at most (twice), in ns."""

    one: int
    other: int
    ahead: int
    uncertainty: int


def leg_samples(flights: Sequence[Flight], pairs: Iterable[Pair]) -> list[Sample]:
    """From exchanges of which each capture saw another leg."""
    found = []
    for pair in pairs:
        near, far = flights[pair.near], flights[pair.far]
        a, b = near.connection.capture, far.connection.capture
        if a != b and near.end is not None and far.end is not None:
            uncertainty = (near.end - near.start) - (far.end - far.start)
            if uncertainty >= 0:
                found.append(Sample(a, b, ((far.start - near.start) + (far.end - near.end)) // 2, uncertainty))
    return found


def twin_samples(connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]]) -> list[Sample]:
    """From connections that two captures saw: request and response of each exchange pass both points."""
    found = []
    for connection in connections.values():
        if connection.twin_of is None or connection.twin_of not in connections:
            continue
        first = connections[connection.twin_of]
        for one, other in zip(exchanges_of[first.id], exchanges_of[connection.id], strict=False):
            a, b = _span(one), _span(other)
            if a is not None and b is not None and one.position == other.position:
                found.append(Sample(first.capture, connection.capture, ((b[0] - a[0]) + (b[1] - a[1])) // 2, abs((a[1] - a[0]) - (b[1] - b[0]))))
    return found


def _span(exchange: Exchange) -> tuple[int, int] | None:
    if isinstance(exchange.request, Absent) or isinstance(exchange.response, Absent):
        return None
    return exchange.request.first_ns, exchange.response.last_ns


def offsets(samples: Iterable[Sample]) -> Mapping[int, int]:
    """Nanoseconds by which each capture's clock is ahead of the reference (the capture of the lowest ordinal that it is joined with)."""
    edges: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for sample in samples:
        if sample.one < sample.other:
            edges[sample.one, sample.other].append((sample.uncertainty, sample.ahead))
        else:
            edges[sample.other, sample.one].append((sample.uncertainty, -sample.ahead))
    return _spread({edge: _estimate(found) for edge, found in edges.items()})


def _estimate(found: list[tuple[int, int]]) -> int:
    better = sorted(found)[: max(len(found) // 2, 1)]
    return int(median(ahead for _, ahead in better))


def _spread(edges: Mapping[tuple[int, int], int]) -> dict[int, int]:
    known: dict[int, int] = {}
    for start in sorted({capture for edge in edges for capture in edge}):
        if start in known:
            continue
        known[start] = 0
        waiting = [start]
        while waiting:
            here = waiting.pop()
            for (a, b), ahead in edges.items():
                if here == a and b not in known:
                    known[b] = known[a] + ahead
                    waiting.append(b)
                elif here == b and a not in known:
                    known[a] = known[b] - ahead
                    waiting.append(a)
    return known
