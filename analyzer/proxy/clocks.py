"""The offset between the clocks of capture points, from exchanges that both saw.

A request passes the client's leg at t1 and the upstream leg at t2, its response the upstream leg at t3 and the client's at t4. As with NTP (RFC 5905
section 8) the upstream clock is ahead by ((t2 - t1) + (t3 - t4)) / 2, within half of (t4 - t1) - (t3 - t2). The exchange with the smallest uncertainty
bounds the error; the median over the better half is taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from analyzer.proxy.flights import Flight
from analyzer.proxy.joins import Pair


def offsets(flights: Sequence[Flight], pairs: Iterable[Pair]) -> Mapping[int, int]:
    """Nanoseconds by which each capture's clock is ahead of the reference (the capture of the lowest ordinal that it is joined with)."""
    samples: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for pair in pairs:
        near, far = flights[pair.near], flights[pair.far]
        a, b = near.connection.capture, far.connection.capture
        if a == b or near.end is None or far.end is None:
            continue
        ahead = ((far.start - near.start) + (far.end - near.end)) // 2
        uncertainty = (near.end - near.start) - (far.end - far.start)
        if uncertainty >= 0:
            samples[(a, b) if a < b else (b, a)].append((uncertainty, ahead if a < b else -ahead))
    return _spread({edge: _estimate(found) for edge, found in samples.items()})


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
