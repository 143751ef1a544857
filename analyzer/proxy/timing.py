"""Pairs flights that have no key of their own (an empty anonymous POST, its bare 401) by shape and by nesting in time.

Only between connections of hosts that are known to be legs of one proxy: by an exact pair, because one leg ends at the host where the other begins, or because
both requests name the same server and client software while they go to different endpoints from different hosts, which two direct clients do not. Only when
exactly one partner is possible on both sides. Confidence is capped: this is inference.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec import Struct

from analyzer.proxy.flights import Flight, is_of_response
from analyzer.proxy.joins import Pair, hints, same_words
from analyzer.proxy.times import GATEWAY, Clocks, nested, same_clock, shifted
from analyzer.records.transport import Connection, Endpoint

_ACTIVE = 64
_PAIR = 2


class _Known(NamedTuple):
    """What exact pairs prove: hosts that are legs of one proxy, connections that are its two sides, and which endpoint leads on to which."""

    links: frozenset[tuple[str, str, str]]
    mapped: frozenset[tuple[str, str]]
    ways: frozenset[tuple[Endpoint, Endpoint]]

    def leads_back(self, near: Connection, far: Connection) -> bool:
        """The near one's server is what a proxy at the far one's asks, so it asks nothing of that proxy."""
        return (far.server, near.server) in self.ways and (near.server, far.server) not in self.ways


class Timed(Struct, frozen=True, gc=False):
    """Pairs with bases headers and timing; and flights for which several partners are possible."""

    pairs: tuple[Pair, ...]
    ambiguous: Mapping[int, tuple[int, ...]]


def timed(flights: Sequence[Flight], exact: Iterable[Pair], clocks: Clocks) -> Timed:
    """The pairs among flights that no exact pair has."""
    exact = tuple(exact)
    known = _Known(
        links=frozenset(_hosts(flights[pair.near], flights[pair.far]) for pair in exact),
        mapped=frozenset((flights[pair.near].connection.id, flights[pair.far].connection.id) for pair in exact),
        ways=frozenset((flights[pair.near].connection.server, flights[pair.far].connection.server) for pair in exact),
    )
    nears, fars = {pair.near for pair in exact}, {pair.far for pair in exact}
    options = _options(flights, known, nears, fars, clocks)
    options = {near: _next_leg(choices, options) for near, choices in options.items()}
    claims: dict[int, list[int]] = defaultdict(list)
    for near, choices in options.items():
        for far in choices:
            claims[far].append(near)
    pairs = []
    ambiguous = {}
    for near, choices in options.items():
        if len(choices) == 1 and len(claims[choices[0]]) == 1:
            pairs.append(Pair(near, choices[0], ("headers", "timing"), 1))
        else:
            ambiguous[near] = tuple(choices)
    return Timed(tuple(pairs), ambiguous)


def _next_leg(choices: list[int], options: Mapping[int, list[int]]) -> list[int]:
    """In a chain of proxies the legs further on lie inside the next one: of ``choices`` those that no other choice could lead to."""
    further = {far for choice in choices for far in options.get(choice, ())}
    return [choice for choice in choices if choice not in further] or choices


def _hosts(near: Flight, far: Flight) -> tuple[str, str, str]:
    return near.connection.server.host, far.connection.client.host, far.connection.server.host


def _options(
    flights: Sequence[Flight],
    known: _Known,
    nears: AbstractSet[int],
    fars: AbstractSet[int],
    clocks: Clocks,
) -> dict[int, list[int]]:
    """For each free near flight the free far flights that it could be; one pass over the flights of each shape in order of time."""
    shapes: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, flight in enumerate(flights):
        if index not in nears or index not in fars:
            shapes[flight.shape[0], flight.declared].append(index)
    options: dict[int, list[int]] = defaultdict(list)
    for members in shapes.values():
        if len(members) < _PAIR:
            continue
        begins = {index: shifted(flights[index], flights[index].start, clocks) for index in members}
        members.sort(key=begins.__getitem__)
        active: list[int] = []
        for index in members:
            begin = begins[index]
            if active:
                active = [other for other in active if _under_way(flights[other], begin, clocks)][-_ACTIVE:]
            if active and index not in fars:
                for other in active:
                    if other not in nears and _possible(flights[other], flights[index], known, clocks):
                        options[other].append(index)
            active.append(index)
    return options


def _under_way(flight: Flight, at: int, clocks: Clocks) -> bool:
    return shifted(flight, flight.end if flight.end is not None else flight.open_end, clocks) >= at


def _possible(near: Flight, far: Flight, proved: _Known, clocks: Clocks) -> bool:
    a, b = near.connection, far.connection
    if a.id == b.id or {a.client, a.server} == {b.client, b.server} or a.id in (b.tunnel_of, b.twin_of) or b.id in (a.tunnel_of, a.twin_of):
        return False
    if proved.leads_back(a, b):
        return False
    known = (a.id, b.id) in proved.mapped
    linked = _hosts(near, far) in proved.links
    if (a.server == b.server and not known and not linked) or not alike(near, far, known=known):
        return False
    if not same_clock(near, far, clocks) or not nested(near, far, clocks) or hints(near, far) <= 0:
        return False
    if set(near.keys) != set(far.keys) and contradict(near, far):
        return False
    return linked or near.connection.server.host == far.connection.client.host or same_words(near, far)


def alike(near: Flight, far: Flight, *, known: bool) -> bool:
    """The same path and answer. Between connections that are known to be the two sides of a proxy the path may lack a prefix, and the proxy may answer for a
    server that gave it an error or nothing."""
    _, one, answer, _ = near.shape
    _, other, beyond, _ = far.shape
    if one != other and not (known and (one.endswith(other) or other.endswith(one))):
        return False
    return answer == beyond or (known and answer in GATEWAY)


def contradict(near: Flight, far: Flight) -> bool:
    """Both have keys of one kind and share none of them: different messages."""
    a, b = _by_kind(near), _by_kind(far)
    return any(a[kind] != b[kind] for kind in a.keys() & b.keys() if kind[0] not in ("token", "repeated_token"))


def _by_kind(flight: Flight) -> dict[tuple[str, bool], bytes]:
    """Keys by their basis, and whether they are the response's: of one side only the request may be whole, of the other only the response."""
    return {(basis, is_of_response(value)): value for basis, value in flight.keys}
