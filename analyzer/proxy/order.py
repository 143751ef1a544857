"""Pairs flights by their places between exact pairs: of two connections that go together, what lies between two pairs that are equally far apart on both sides.

Where bytes are lost on both sides of a proxy, an exchange may have no key in common with its other side, and the times of the copies that are left need not
nest. HTTP/1.1 keeps the order (RFC 9112 section 9.3), so its place tells. Both have to look alike and to be under way at one time.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from analyzer.proxy.flights import Flight
from analyzer.proxy.joins import Pair
from analyzer.proxy.times import Clocks, same_clock, shifted
from analyzer.proxy.timing import alike, contradict

_STRONG = frozenset({"token", "body_digest", "message_id"})


def ordered(flights: Sequence[Flight], exact: Iterable[Pair], taken: Iterable[Pair], clocks: Clocks) -> Iterator[Pair]:
    """The pairs among flights that neither ``exact`` nor ``taken`` has."""
    exact = tuple(exact)
    used = {index for pair in (*exact, *taken) for index in (pair.near, pair.far)}
    known: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for pair in exact:
        if not _STRONG.isdisjoint(pair.bases):
            a, b = flights[pair.near], flights[pair.far]
            known[a.connection.id, b.connection.id].append((a.exchange.position, b.exchange.position))
    if not known:
        return
    places: dict[str, dict[int, int]] = defaultdict(dict)
    for index, flight in enumerate(flights):
        places[flight.connection.id][flight.exchange.position] = index
    for (one, other), proved in known.items():
        proved.sort()
        for position, near in places[one].items():
            far = _between(proved, position, places[other])
            if near not in used and far is not None and far not in used and _alike(flights[near], flights[far], clocks):
                yield Pair(near, far, ("headers", "order"), 1)


def _between(proved: Sequence[tuple[int, int]], position: int, others: Mapping[int, int]) -> int | None:
    """The flight on the other side at the same place between two pairs; None without such pairs on both sides of it."""
    place = bisect_left(proved, (position, 0))
    if not 0 < place < len(proved) or proved[place][0] == position:
        return None
    (near, far), (next_near, next_far) = proved[place - 1], proved[place]
    return others.get(far + position - near) if next_near - near == next_far - far else None


def _alike(near: Flight, far: Flight, clocks: Clocks) -> bool:
    if near.shape[0] != far.shape[0] or near.declared != far.declared or not alike(near, far, known=True) or contradict(near, far):
        return False
    if not same_clock(near, far, clocks):
        return True
    ends = [shifted(one, one.end if one.end is not None else one.open_end, clocks) for one in (near, far)]
    starts = [shifted(one, one.start, clocks) for one in (near, far)]
    return starts[0] <= ends[1] and starts[1] <= ends[0]
