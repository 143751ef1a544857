"""The hops of a run: exact pairs first, then clocks, then pairs by timing and by order; each with its bases, confidence, delay and what the proxy changed."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from analyzer.proxy.clocks import clocks, leg_samples, twin_samples
from analyzer.proxy.flights import Flight, flights
from analyzer.proxy.joins import ADDRESSES, HEADERS, Pair, joined, without_shortcuts
from analyzer.proxy.order import ordered
from analyzer.proxy.times import Clocks, shifted
from analyzer.proxy.timing import timed
from analyzer.records.http import Exchange, Framing, Header, Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.proxy import Hop
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection, Endpoint

_TIMED_CONFIDENCE = 0.6
_TIMED_ON_KNOWN_CONNECTIONS = 0.8
_CHOSEN_CONFIDENCE = 0.95
"""At most, where a key that anyone can copy and the addresses are all there is."""
_CONFIDENCE = {"token": 1.0, "body_digest": 1.0, "message_id": 0.95, "proxy_header": 0.95, "repeated_token": 0.9}


class Legs(Struct, frozen=True, gc=False):
    """Connections with exchanges that could belong to several on the other side: a client's leg or an upstream leg they are in any case."""

    near: frozenset[str]
    far: frozenset[str]


class Joined(Struct, frozen=True, gc=False):
    """Hops in order of the far exchange's place; the clocks of captures; what stayed ambiguous as issues."""

    hops: tuple[Hop, ...]
    clocks: Clocks
    legs: Legs
    issues: tuple[Issue, ...]


def hops(connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]], messages: Mapping[str, Message]) -> Joined:
    """Joins the exchanges of all connections of all captures."""
    if _of_one_pair(connections, exchanges_of):
        return Joined((), clocks(twin_samples(connections, exchanges_of)), Legs(frozenset(), frozenset()), ())
    found = flights(connections, exchanges_of, messages)
    first = joined(found, None)
    known_clocks = clocks([*leg_samples(found, first.pairs), *twin_samples(connections, exchanges_of)])
    exact = joined(found, known_clocks) if known_clocks else first
    inferred = timed(found, exact.pairs, known_clocks)
    by_order = tuple(ordered(found, exact.pairs, inferred.pairs, known_clocks))
    known = {(found[pair.near].connection.id, found[pair.far].connection.id) for pair in exact.pairs}
    made = [_hop(found, pair, known_clocks, known) for pair in without_shortcuts(found, (*exact.pairs, *inferred.pairs, *by_order))]
    settled = {index for pair in by_order for index in (pair.near, pair.far)}
    ambiguous = {index: choices for index, choices in {**exact.ambiguous, **inferred.ambiguous}.items() if index not in settled}
    if len(made) > 1:
        order = {flight.exchange.id: place for place, flight in enumerate(found)}
        made.sort(key=lambda hop: order[hop.far])
    joined_at_last = {(hop.near_connection, hop.far_connection) for hop in made}
    issues = (*_issues(found, ambiguous), *_unproved(found, exact.unproved, joined_at_last))
    return Joined(tuple(made), known_clocks, _legs(found, exact.ambiguous), issues)


def _of_one_pair(connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]]) -> bool:
    """All that says something goes from one host to one server: no two of its connections are legs of one exchange (`analyzer.proxy.joins`)."""
    only: tuple[str, Endpoint] | None = None
    for identity, own in exchanges_of.items():
        one = connections[identity]
        if own and one.twin_of is None:
            pair = (one.client.host, one.server)
            if only is not None and pair != only:
                return False
            only = pair
    return True


def _legs(found: Sequence[Flight], ambiguous: Mapping[int, tuple[int, ...]]) -> Legs:
    """An ambiguous far flight with several near ones: which is whose is open, which side each is on is not."""
    fars = frozenset(found[far].connection.id for far in ambiguous)
    nears = frozenset(found[near].connection.id for choices in ambiguous.values() for near in choices)
    return Legs(nears - fars, fars - nears)


def _hop(found: Sequence[Flight], pair: Pair, known_clocks: Clocks, known: set[tuple[str, str]]) -> Hop:
    near, far = found[pair.near], found[pair.far]
    inferred = _TIMED_ON_KNOWN_CONNECTIONS if (near.connection.id, far.connection.id) in known else _TIMED_CONFIDENCE
    most = _CHOSEN_CONFIDENCE if ADDRESSES in pair.bases else inferred if HEADERS in pair.bases else 1.0
    return Hop(
        near=near.exchange.id,
        far=far.exchange.id,
        near_connection=near.connection.id,
        far_connection=far.connection.id,
        bases=pair.bases,
        confidence=min(_CONFIDENCE.get(pair.bases[0], inferred), most),
        delay_ns=shifted(far, far.start, known_clocks) - shifted(near, near.start, known_clocks),
        header_changes=header_changes(near.exchange, far.exchange),
    )


def header_changes(near: Exchange, far: Exchange) -> tuple[str, ...]:
    """What the proxy added (+), took away (-) or changed (~) in the request; the response's changes, towards the client, follow with ``<`` before them.

    A head that is not wholly in the capture tells nothing of the fields that it may have had."""
    changes: list[str] = []
    if not isinstance(near.request, Absent) and not isinstance(far.request, Absent) and _whole(near.request) and _whole(far.request):
        changes += _difference(near.request.headers, far.request.headers)
    if not isinstance(near.response, Absent) and not isinstance(far.response, Absent) and _whole(near.response) and _whole(far.response):
        changes += [f"<{change}" for change in _difference(far.response.headers, near.response.headers)]
    return tuple(changes)


def _whole(half: Request | Response) -> bool:
    """Only a message whose header block is not whole has a body that is incomplete without any framing."""
    return half.body.framing is not Framing.NONE or half.body.complete


def _difference(before: tuple[Header, ...], after: tuple[Header, ...]) -> list[str]:
    a, b = _fields(before), _fields(after)
    names = {header.name.lower(): header.name for header in (*before, *after)}
    changes = []
    for name in dict.fromkeys((*a, *b)):
        if name not in a:
            changes.append(f"+{names[name]}")
        elif name not in b:
            changes.append(f"-{names[name]}")
        elif a[name] != b[name]:
            changes.append(f"~{names[name]}")
    return changes


def _fields(headers: tuple[Header, ...]) -> dict[str, Counter[str]]:
    fields: dict[str, Counter[str]] = {}
    for header in headers:
        fields.setdefault(header.name.lower(), Counter())[header.value] += 1
    return fields


def _issues(found: Sequence[Flight], ambiguous: Mapping[int, tuple[int, ...]]) -> list[Issue]:
    issues = []
    for index, choices in sorted(ambiguous.items()):
        flight = found[index]
        request = flight.exchange.request
        key = None if isinstance(request, Absent) or not request.packets else request.packets[0]
        capture, number = (flight.connection.capture, None) if key is None else (key_capture(key), key_number(key))
        names = ", ".join(found[choice].exchange.id for choice in choices)
        issues.append(Issue("proxy.ambiguous", f"could belong to {names}", flight.exchange.id, capture, number))
    return issues


_WORDS = {"token": "token", "body_digest": "body", "message_id": "MessageID", "proxy_header": "client in its PROXY header", "repeated_token": "credential"}


def _unproved(found: Sequence[Flight], unproved: Sequence[tuple[int, int, str]], joined_at_last: set[tuple[str, str]]) -> list[Issue]:
    """One for each flight that has a key in common with others, while nothing proves that they are its other side. A password used twice is no sign."""
    partners: dict[tuple[int, str], list[int]] = {}
    for near, far, basis in unproved:
        if basis != "repeated_token" and (found[near].connection.id, found[far].connection.id) not in joined_at_last:
            partners.setdefault((far, basis), []).append(near)
    issues = []
    for (far, basis), nears in sorted(partners.items()):
        flight = found[far]
        request = flight.exchange.request
        key = None if isinstance(request, Absent) or not request.packets else request.packets[0]
        capture, number = (flight.connection.capture, None) if key is None else (key_capture(key), key_number(key))
        names = ", ".join(found[near].exchange.id for near in nears[:_GIVEN])
        issues.append(Issue("proxy.unproved", f"the same {_WORDS[basis]} as {names}", flight.exchange.id, capture, number))
    return issues


_GIVEN = 8
"""Exchanges that an issue names."""
