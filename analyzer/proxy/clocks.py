"""The offset between the clocks of capture points, from exchanges that both saw.

A request passes the client's leg at t1 and the upstream leg at t2, its response the upstream leg at t3 and the client's at t4. As with NTP (RFC 5905
section 8) the upstream clock is ahead by ((t2 - t1) + (t3 - t4)) / 2, within half of (t4 - t1) - (t3 - t2). The half with the smallest uncertainties is used:
their median, or, where a straight line fits several times better, the line of Theil and Sen (the median of all slopes), since clocks drift.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from analyzer.proxy.flights import Flight
from analyzer.proxy.joins import Pair
from analyzer.proxy.times import ahead
from analyzer.records.http import Exchange
from analyzer.records.proxy import Clock
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection

_LEAST = 8
_SPAN_NS = 1_000_000_000
_CLEARLY = 4
"""How much better a line must fit than a constant offset to be believed."""
_SLOPES = 200


class Sample(Struct, frozen=True, gc=False):
    """One exchange seen by two captures: by how much ``other``'s clock seems ahead of ``one``'s, and how wrong that can be at most (twice), in ns."""

    one: int
    other: int
    ahead: int
    uncertainty: int
    at_ns: int
    """By the clock of ``other``."""


def leg_samples(flights: Sequence[Flight], pairs: Iterable[Pair]) -> list[Sample]:
    """From exchanges of which each capture saw another leg."""
    found = []
    for pair in pairs:
        near, far = flights[pair.near], flights[pair.far]
        a, b = near.connection.point, far.connection.point
        if a != b and near.end is not None and far.end is not None:
            uncertainty = (near.end - near.start) - (far.end - far.start)
            if uncertainty >= 0:
                found.append(Sample(a, b, ((far.start - near.start) + (far.end - near.end)) // 2, uncertainty, far.start))
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
                ahead = ((b[0] - a[0]) + (b[1] - a[1])) // 2
                found.append(Sample(first.point, connection.point, ahead, abs((a[1] - a[0]) - (b[1] - b[0])), b[0]))
    return found


def _span(exchange: Exchange) -> tuple[int, int] | None:
    if isinstance(exchange.request, Absent) or isinstance(exchange.response, Absent):
        return None
    return exchange.request.first_ns, exchange.response.last_ns


def clocks(samples: Iterable[Sample]) -> Mapping[int, Clock]:
    """The clock of each capture that shares exchanges with another; the one of the lowest ordinal is the reference of those it is joined with."""
    edges: dict[tuple[int, int], list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.one < sample.other:
            edges[sample.one, sample.other].append(sample)
        else:
            turned = Sample(sample.other, sample.one, -sample.ahead, sample.uncertainty, sample.at_ns - sample.ahead)
            edges[sample.other, sample.one].append(turned)
    return _spread({edge: _estimate(found) for edge, found in edges.items()})


def _estimate(found: list[Sample]) -> Clock:
    better = sorted(found, key=lambda sample: sample.uncertainty)[: max(len(found) // 2, min(len(found), _LEAST))]
    middle = int(_median(sample.ahead for sample in better))
    begin = min(sample.at_ns for sample in better)
    level = Clock(middle, begin, 0.0, 0, len(found))
    line = _line(better, begin, len(found))
    best = next((clock for clock in line if _misfit(clock, better) * _CLEARLY < _misfit(level, better)), level)
    return replace(best, error_ns=_misfit(best, better) + better[0].uncertainty // 2)


def _line(better: list[Sample], begin: int, count: int) -> list[Clock]:
    """The line of Theil and Sen, when there is enough to draw one; at most `_SLOPES` samples enter, evenly taken."""
    span = max(sample.at_ns for sample in better) - begin
    if len(better) < _LEAST or span < _SPAN_NS:
        return []
    taken = sorted(better, key=lambda sample: sample.at_ns)[:: max(len(better) // _SLOPES, 1)]
    slopes = [(b.ahead - a.ahead) / (b.at_ns - a.at_ns) for a, b in combinations(taken, 2) if b.at_ns > a.at_ns]
    if not slopes:
        return []
    slope = _median(slopes)
    start = int(_median(sample.ahead - slope * (sample.at_ns - begin) for sample in better))
    return [Clock(start, begin, slope, 0, count)]


def _misfit(clock: Clock, samples: list[Sample]) -> int:
    return int(_median(abs(sample.ahead - ahead(clock, sample.at_ns)) for sample in samples))


def _spread(edges: Mapping[tuple[int, int], Clock]) -> dict[int, Clock]:
    """Clocks against the reference, from clocks against each other."""
    known: dict[int, Clock] = {}
    for start in sorted({capture for edge in edges for capture in edge}):
        if start in known:
            continue
        known[start] = Clock(0)
        waiting = [start]
        while waiting:
            here = waiting.pop()
            for (a, b), edge in edges.items():
                if here == a and b not in known:
                    known[b] = _sum(known[a], edge, 1)
                    waiting.append(b)
                elif here == b and a not in known:
                    known[a] = _sum(known[b], edge, -1)
                    waiting.append(a)
    return known


def _sum(base: Clock, edge: Clock, sign: int) -> Clock:
    return Clock(ahead(base, edge.at_ns) + sign * edge.ahead_ns, edge.at_ns, base.drift + sign * edge.drift, base.error_ns + edge.error_ns, edge.samples)


def _median(values: Iterable[float]) -> float:
    """As `statistics.median`, which is slow to load."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
