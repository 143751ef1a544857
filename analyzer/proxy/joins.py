"""Pairs flights by equal keys.

    near   |----------------------------|         the client's leg: request sent first, answered last
    far          |----------------|               the upstream leg lies inside, by the same clock

Flights with an equal key, on different connections, are candidates; groups are small because keys are made for one message (large groups, of an NTLM
negotiate that every handshake repeats, are only looked at among neighbours in time, so the cost stays linear). A candidate must be oriented: by nesting where
both legs were captured by one clock, else by addresses, by what proxies add to a request, and by the longer one being the outer one. Of several candidates
the one with most in common wins, then the tightest; a tie is no pair but is reported as ambiguous.

A key that anyone can copy makes a pair only between addresses that agree: the host that the near leg goes to is the one that the far leg comes from, or keys
that prove join these two hosts elsewhere. Where both requests name one server and one client software, and say the same, it is inferred.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from analyzer.proxy.flights import Flight, Key
from analyzer.proxy.times import GATEWAY, Clocks, nested, same_clock
from analyzer.records.quality import Absent
from analyzer.records.transport import Endpoint

_GROUP = 16
_NEIGHBOURS = 6
_PAIR = 2
_WEIGHTS = {"token": 4, "body_digest": 4, "message_id": 3, "proxy_header": 3, "repeated_token": 2}
_PLACES = {basis: place for place, basis in enumerate(_WEIGHTS)}
_REPEATED = ("repeated_token",)
_PROXY_DEMAND = 407
_STRONG = 4
_SURE = 8
"""A weight that a request's key and its response's key reach together."""


class Pair(NamedTuple):
    """Flights (indexes) that are one message on two legs; ``bases`` strongest first; ``weight`` of what they have in common."""

    near: int
    far: int
    bases: tuple[str, ...]
    weight: int


class Found(Struct, frozen=True, gc=False):
    """The pairs, and the flights for which several partners are equally likely, with these."""

    pairs: tuple[Pair, ...]
    ambiguous: Mapping[int, tuple[int, ...]]
    unproved: tuple[tuple[int, int, str], ...] = ()
    """Flights with an equal key that anyone can copy, between hosts that nothing else joins: no pairs; and the key's basis."""


ADDRESSES, HEADERS = "addresses", "headers"
"""The basis of a pair, beside keys that anyone can copy: its addresses agree; or all that tells it is what the requests say, which is inference."""


def joined(flights: Sequence[Flight], clocks: Clocks | None) -> Found:
    """``clocks``: None when not known yet for any capture."""
    possible: list[tuple[Pair, bool]] = []
    certain: list[tuple[int, int, bool | None]] = []
    weighed: dict[AbstractSet[Key], tuple[int, tuple[str, ...]]] = {}
    candidates = _candidates(flights, clocks)
    for (one, other), keys in candidates.together.items():
        if keys not in weighed:  # few differ
            weighed[keys] = sum([_WEIGHTS[basis] for basis, _ in keys]), tuple(sorted({basis for basis, _ in keys}, key=_PLACES.__getitem__))
        weight, bases = weighed[keys]
        if bases == _REPEATED and not _may_be_one(flights[one], flights[other], clocks):
            continue
        oriented = _oriented(flights, one, other, clocks, sure=weight >= _SURE)
        proved = _is_proved(flights[one], flights[other], keys)
        if oriented is not None:
            possible.append((Pair(*oriented, bases, weight), proved))
        if proved:
            certain.append((one, other, None if oriented is None else oriented == (one, other)))
    known: AbstractSet[tuple[str, str]] = frozenset() if all(proved for _, proved in possible) else _known(flights, certain, candidates)
    unproved: list[tuple[int, int, str]] = []
    by_far: dict[int, list[Pair]] = defaultdict(list)
    for pair, proved in possible:
        told = () if proved else _told_by(flights[pair.near], flights[pair.far], known)
        if told is None:
            unproved.append((pair.near, pair.far, pair.bases[0]))
        else:
            by_far[pair.far].append(pair._replace(bases=pair.bases + told) if told else pair)
    against = _minority(flights, by_far)
    pairs = []
    ambiguous: dict[int, tuple[int, ...]] = {}
    for far, found in sorted(by_far.items()):
        choices = [pair for pair in found if (flights[pair.near].connection.id, flights[far].connection.id) not in against]
        if not choices:
            continue
        best = _best(flights, far, choices)
        if isinstance(best, Pair):
            pairs.append(best)
        else:
            ambiguous[far] = best
    kept, ambiguous = _one_to_one(flights, pairs, ambiguous)
    return Found(without_shortcuts(flights, kept), ambiguous, tuple(unproved))


def _known(flights: Sequence[Flight], certain: Iterable[tuple[int, int, bool | None]], candidates: "_Candidates") -> AbstractSet[tuple[str, str]]:
    """What all pairs with proofs tell of others (see `_proved`): the ``certain`` ones, and those that never were under way together."""
    known: set[tuple[str, str]] = set()
    for one, other, forward in certain:
        known |= _proved(flights[one], flights[other], forward)
    for one, other, keys in candidates.apart:
        if _is_proved(flights[one], flights[other], keys) and _may_be_legs(flights[one], flights[other], candidates.redirected):
            known |= _proved(flights[one], flights[other], None)
    return known


def _is_proved(one: Flight, other: Flight, keys: Iterable[Key]) -> bool:
    """One of the keys proves that the two are one."""
    a, b = one.proofs, other.proofs
    return bool(a) and bool(b) and not (a if a is b else a & b).isdisjoint(keys)


def _proved(one: Flight, other: Flight, forward: bool | None) -> set[tuple[str, str]]:  # noqa: FBT001
    """What a proved pair tells of others: its connections, either way, and (host that the client's leg goes to, host that the upstream leg comes from). Turned
    around, the hosts would be a server and a client. ``forward``: ``one`` is the client's leg; None: clocks tell neither, and what the requests say does."""
    if forward is None:
        ways = hints(one, other), hints(other, one)
        forward = None if ways[0] == ways[1] else ways[0] > ways[1]
    a, b = one.connection, other.connection
    known = {(a.id, b.id), (b.id, a.id)}
    if forward is not None:
        known.add((a.server.host, b.client.host) if forward else (b.server.host, a.client.host))
    return known


def _told_by(near: Flight, far: Flight, known: AbstractSet[tuple[str, str]]) -> tuple[str, ...] | None:
    """What else joins two flights with keys that anyone can copy: the bases to add (none where proofs join their connections or hosts); None: nothing."""
    hosts = (near.connection.server.host, far.connection.client.host)
    if hosts in known or (near.connection.id, far.connection.id) in known:
        return ()
    if hosts[0] == hosts[1]:
        return (ADDRESSES,)
    return (HEADERS,) if same_words(near, far) and _one_body(near, far) else None


def _one_body(one: Flight, other: Flight) -> bool:
    """Both requests are here whole, and say the same."""
    a, b = one.exchange.request, other.exchange.request
    if isinstance(a, Absent) or isinstance(b, Absent) or not (a.body.complete and b.body.complete):
        return False
    return isinstance(a.body.digest, bytes) and a.body.digest == b.body.digest


def same_words(near: Flight, far: Flight) -> bool:
    """The requests name one server and one client software, and only one of them can go to that server directly."""
    a, b = near.connection, far.connection
    apart = a.server != b.server and a.client.host != b.client.host
    return apart and bool(near.authority) and near.authority == far.authority and near.agent == far.agent and bool(near.agent)


def without_shortcuts(flights: Sequence[Flight], pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """In a chain of proxies the outer leg is not joined with the inner one when the middle leg of an exchange was lost: the chain is known from the others."""
    pairs = tuple(pairs)
    onward: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        onward[flights[pair.near].connection.id].add(flights[pair.far].connection.id)

    beyond = {near: {far for middle in middles for far in onward.get(middle, ()) if far != middle} for near, middles in onward.items()}

    def shortcut(pair: Pair) -> bool:
        return flights[pair.far].connection.id in beyond[flights[pair.near].connection.id]

    return tuple(pair for pair in pairs if not shortcut(pair))


def _minority(flights: Sequence[Flight], by_far: Mapping[int, list[Pair]]) -> set[tuple[str, str]]:
    """The directions (near connection, far connection) that the other direction between the same two connections outweighs: a leg has one direction."""
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for far, choices in by_far.items():
        for pair in choices:
            votes[flights[pair.near].connection.id, flights[far].connection.id] += pair.weight
    return {way for way, weight in votes.items() if weight < votes.get((way[1], way[0]), 0)}


class _Candidates(NamedTuple):
    """Flights that have keys in common and may be legs of one exchange, with these keys: those that may have been ``together`` at some time; and those that by
    one clock never were (``apart``), of which it is not yet asked whether they may be legs, with one key or more at a time. Connections: see `_redirected`."""

    together: Mapping[tuple[int, int], frozenset[Key]]
    apart: Sequence[tuple[int, int, frozenset[Key]]]
    redirected: frozenset[frozenset[str]]


def _candidates(flights: Sequence[Flight], clocks: Clocks | None) -> _Candidates:
    groups: dict[Key, list[int]] = defaultdict(list)
    for index, flight in enumerate(flights):
        for key in set(flight.keys):
            groups[key].append(index)
    candidates: dict[tuple[int, int], frozenset[Key]] = {}
    never: list[tuple[int, int, frozenset[Key]]] = []
    redirected = _redirected(flights, groups)
    sides = _sides(flights, clocks)
    alike: dict[tuple[int, ...], set[Key]] = defaultdict(set)  # who has one key in common often has others
    for key, own in groups.items():
        if len(own) >= _PAIR:
            alike[tuple(own)].add(key)
    for members, found in alike.items():
        if not redirected and _one_server(flights, members):
            continue
        keys = frozenset(found)
        for one, other in _couples(flights, members):
            home, server, bases, point, start, end = sides[one]
            beside, other_server, other_bases, other_point, begin, over = sides[other]
            if home == beside or (server == other_server and bases != other_bases and not redirected):
                continue  # `_may_be_legs` says why
            if point == other_point and point is not None and (start <= end < begin or begin <= over < start):
                never.append((one, other, keys))
            elif _may_be_legs(flights[one], flights[other], redirected):
                known = candidates.get((one, other))
                candidates[one, other] = keys if known is None else known | keys
    return _Candidates(candidates, never, redirected)


class _Side(NamedTuple):
    """Of a flight: its connection, a number for that one's server, and its sequence numbers, in which most flights that are no legs of one exchange differ; and
    when it was under way, by the clock of its capture point (None where times are not compared as this clock shows them)."""

    connection: str
    server: int
    bases: tuple[int, int]
    point: int | None
    start: int
    end: int


def _sides(flights: Sequence[Flight], clocks: Clocks | None) -> list[_Side]:
    servers: dict[Endpoint, int] = {}
    found = []
    for flight in flights:
        home, end = flight.connection, flight.open_end if flight.end is None else flight.end
        point = home.point if not clocks or home.point not in clocks else None
        found.append(_Side(home.id, servers.setdefault(home.server, len(servers)), home.bases, point, flight.start, end))
    return found


def _redirected(flights: Sequence[Flight], groups: Mapping[Key, list[int]]) -> frozenset[frozenset[str]]:
    """Connections of two hosts to one server that carry the same challenge: a transparent proxy took the client's connection and called the server itself.
    A server never gives the same challenge twice, so nobody else can have it, a replay included."""
    found = set()
    for (basis, value), members in groups.items():
        if basis != "token" or not value.startswith(b"s") or len(members) != _PAIR:
            continue
        one, other = (flights[index] for index in members)
        a, b = one.connection, other.connection
        if a.server == b.server and a.client.host != b.client.host and a.bases != b.bases:
            found.add(frozenset((a.id, b.id)))
    return frozenset(found)


def _one_server(flights: Sequence[Flight], members: Sequence[int]) -> bool:
    """True when all went to one server on connections with sequence numbers of their own: no legs, as most groups without a proxy."""
    server = flights[members[0]].connection.server
    owners: dict[tuple[int, int], str] = {}
    for index in members:
        connection = flights[index].connection
        if connection.server is not server and connection.server != server:
            return False
        if owners.setdefault(connection.bases, connection.id) != connection.id and connection.bases != (-1, -1):
            return False
    return True


def _couples(flights: Sequence[Flight], members: Sequence[int]) -> Iterable[tuple[int, int]]:
    if len(members) > _GROUP:
        in_time = sorted(members, key=lambda index: flights[index].start)
        for place, one in enumerate(in_time):
            for other in in_time[place + 1 : place + 1 + _NEIGHBOURS]:
                yield (one, other) if one < other else (other, one)
        return
    for place, one in enumerate(members):
        for other in members[place + 1 :]:
            yield one, other


def _may_be_legs(one: Flight, other: Flight, redirected: AbstractSet[frozenset[str]] = frozenset()) -> bool:
    """Not the same connection (nor that connection seen elsewhere), the same kind of request, and answers that agree where both are known."""
    a, b = one.connection, other.connection
    if a.id == b.id:
        return False
    if a.server == b.server and frozenset((a.id, b.id)) not in redirected:
        if a.client.host == b.client.host or a.bases != b.bases or a.bases == (-1, -1):
            return False  # two clients of one server or proxy, however alike; address translation would have left the sequence numbers
    elif a.client == b.server and a.server == b.client:
        return False
    if a.id in (b.tunnel_of, b.twin_of) or b.id in (a.tunnel_of, a.twin_of):
        return False
    if one.shape[0] != other.shape[0]:
        return False
    if (one.shape[2] == _PROXY_DEMAND) != (other.shape[2] == _PROXY_DEMAND):
        return False  # a proxy that is asked for credentials tries again: its client sees the answer to the other try
    return not (one.shape[2] and other.shape[2]) or one.shape[2] == other.shape[2] or not {one.shape[2], other.shape[2]}.isdisjoint(GATEWAY)


def _may_be_one(one: Flight, other: Flight, clocks: Clocks | None) -> bool:
    """Two requests with one credential, which every capture of this client has, can be one when their times can be compared and their bodies do not differ, or
    the lengths of these where one was not captured whole."""
    a, b = one.exchange.request, other.exchange.request
    if isinstance(a, Absent) or isinstance(b, Absent) or not same_clock(one, other, clocks):
        return False
    if isinstance(a.body.digest, bytes) and isinstance(b.body.digest, bytes):
        return a.body.digest == b.body.digest
    return a.body.declared is None or b.body.declared is None or a.body.declared == b.body.declared


def hints(near: Flight, far: Flight) -> int:
    """What speaks for ``near`` being the client's leg, whatever the clocks say."""
    score = 0
    if near.connection.server.host == far.connection.client.host:
        score += 4
    if near.absolute and not far.absolute:
        score += 4
    score += 3 * ((far.traces > near.traces) - (far.traces < near.traces))
    if near.end is not None and far.end is not None:
        score += 1 if near.end - near.start >= far.end - far.start else -1
    return score


def _oriented(flights: Sequence[Flight], one: int, other: int, clocks: Clocks | None, *, sure: bool) -> tuple[int, int] | None:
    """(near, far), or None when the two cannot be legs of one exchange. ``sure``: equal keys of request and response, which outweigh a merged file's clocks."""
    a, b = flights[one], flights[other]
    if same_clock(a, b, clocks):
        ways = (nested(a, b, clocks), nested(b, a, clocks))
        if ways == (False, False) and not (sure and _overlap(a, b) and hints(a, b) != hints(b, a)):
            return None
        if ways[0] != ways[1]:
            return (one, other) if ways[0] else (other, one)
    forward, backward = hints(a, b), hints(b, a)
    if forward == backward:
        return (one, other) if a.start <= b.start else (other, one)
    return (one, other) if forward > backward else (other, one)


def _overlap(one: Flight, other: Flight) -> bool:
    """True when both were under way at some time."""
    return one.start <= (other.end if other.end is not None else other.open_end) and other.start <= (one.end if one.end is not None else one.open_end)


def _best(flights: Sequence[Flight], far: int, choices: list[Pair]) -> Pair | tuple[int, ...]:
    """The near partner of ``far``; the possible ones when several are equally good."""
    near_by = [pair for pair in choices if flights[pair.near].connection.server.host == flights[far].connection.client.host and pair.weight >= _STRONG]
    choices = near_by or choices  # in a chain the leg before has the far one's host, however much of its answer was lost
    top = max(pair.weight for pair in choices)
    choices = [pair for pair in choices if pair.weight == top]
    linked = [pair for pair in choices if flights[pair.near].connection.server.host == flights[far].connection.client.host]
    choices = linked or choices
    connections = {flights[pair.near].connection.id for pair in choices}
    if len(connections) == 1:  # the same request repeated on one connection: the tightest fit
        return max(choices, key=lambda pair: flights[pair.near].start)
    chain = _innermost(flights, choices)
    return chain if chain is not None else tuple(sorted(pair.near for pair in choices))


def _innermost(flights: Sequence[Flight], choices: list[Pair]) -> Pair | None:
    """In a chain of proxies the outer legs nest in each other: the innermost one is the partner. None when two do not nest."""
    ordered = sorted(choices, key=lambda pair: flights[pair.near].start)
    for outer, inner in pairwise(ordered):
        a, b = flights[outer.near], flights[inner.near]
        if not (set(a.keys) & set(b.keys) and _may_be_legs(a, b) and nested(a, b, None) and hints(a, b) > hints(b, a) and b.start - a.start > 0):
            return None
    return ordered[-1]


def _one_to_one(flights: Sequence[Flight], pairs: list[Pair], ambiguous: dict[int, tuple[int, ...]]) -> tuple[tuple[Pair, ...], dict[int, tuple[int, ...]]]:
    """A near flight has one far partner, unless the proxy tried again: then the tries follow each other. Others claiming it are ambiguous."""
    by_near: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_near[pair.near].append(pair)
    kept = []
    for claims in by_near.values():
        top = max(pair.weight for pair in claims)
        best = [pair for pair in claims if pair.weight == top]
        if len(best) == 1:
            kept.append(best[0])
            kept += [pair for pair in claims if pair is not best[0] and _retry(flights, pair.far, best[0].far)]
        elif _follow_each_other([flights[pair.far] for pair in best]):
            kept += best
        else:
            for pair in best:
                ambiguous[pair.far] = (pair.near,)
    return tuple(sorted(kept)), ambiguous


def _retry(flights: Sequence[Flight], failed: int, final: int) -> bool:
    """A first try that was never answered, before the one that was."""
    return flights[failed].end is None and flights[failed].start <= flights[final].start


def _follow_each_other(tries: list[Flight]) -> bool:
    """A proxy tries again when it got no answer, or an error of a gateway; not after any other answer."""
    ordered = sorted(tries, key=lambda flight: flight.start)
    return all(before.end is None or (before.shape[2] in GATEWAY and before.end <= after.start) for before, after in pairwise(ordered))
