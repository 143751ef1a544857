"""Endings: who ended a connection first, seen over both sides, and what only followed.

A proxy that sees one side end usually ends the other one, too. So the end of a connection is looked up on the connections that carried the same exchanges:
when one of them ended before, and the party between the two closed this one, then it followed. What ended first, and who did that, is the same for all.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.halves import request, response, says_close
from analyzer.records.http import Exchange
from analyzer.records.proxy import Clock, Role
from analyzer.records.story import Certainty, Ending, Kind
from analyzer.records.transport import Closing, Connection, End, Side

_FOLLOWS_NS = 5_000_000_000
"""A proxy that ends one side because the other one ended does so within this time."""
_SLACK_NS = 2_000_000
"""Clocks of two captures, and packets that a proxy sends before the one that it was told by is written down."""


class Neighbours(NamedTuple):
    """Connections that carried the same exchanges: towards the client, towards the server."""

    near: Mapping[str, tuple[str, ...]]
    far: Mapping[str, tuple[str, ...]]


def neighbours(evidence: Evidence) -> Neighbours:
    """By hops, by routes where nothing could be read, and from a tunnel to what it carries."""
    near: dict[str, dict[str, None]] = defaultdict(dict)
    far: dict[str, dict[str, None]] = defaultdict(dict)
    pairs = [(hop.near_connection, hop.far_connection) for hop in evidence.hops]
    pairs += [(route.client_connection, one) for route in evidence.routes for one in route.upstream_connections]
    for one, other in pairs:
        far[one].setdefault(other)
        near[other].setdefault(one)
    return Neighbours({key: tuple(found) for key, found in near.items()}, {key: tuple(found) for key, found in far.items()})


def endings(evidence: Evidence, ends: Mapping[str, tuple[str, str]]) -> dict[str, Ending]:
    """Connection id to how it ended, for WinRM connections of which a FIN or RST was captured. ``ends``: the parties at the ends of each connection."""
    beside = neighbours(evidence)
    winrm = evidence.winrm
    first = {identity: connection.closings[0] for identity, connection in evidence.connections.items() if connection.closings and identity in winrm}
    return {identity: _ending(evidence, evidence.connections[identity], closing, first, beside, ends) for identity, closing in first.items()}


def _ending(
    evidence: Evidence,
    connection: Connection,
    closing: Closing,
    first: Mapping[str, Closing],
    beside: Neighbours,
    ends: Mapping[str, tuple[str, str]],
) -> Ending:
    origin, cause = _origin(evidence, connection, closing, first, beside)
    exchanges = evidence.exchanges_of.get(connection.id, ())
    last = _last_answered(exchanges, closing)
    by_device = by_a_device(cause)
    opener, listener = ends.get(origin.id, ("", ""))
    return Ending(
        connection=connection.id,
        end=closing.kind,
        side=closing.side,
        at_ns=closing.ts_ns,
        packet=closing.packet,
        first_by=Kind.DEVICE if by_device else _kind(evidence, origin, cause.side, beside),
        first_party=None if by_device else (opener if cause.side is Side.CLIENT else listener) or None,
        first_connection=origin.id,
        followed=origin.id != connection.id,
        idle_ns=max(closing.ts_ns - _last_data_ns(exchanges, connection, closing), 0),
        announced=last is not None and (says_close(response(last)) or says_close(request(last))),
        pending=_pending(exchanges, closing),
        certainty=_certainty(evidence, connection, cause, beside),
    )


def by_a_device(closing: Closing) -> bool:
    """A reset that neither host sent: its TTL fits no other packet of the host in whose name it was sent, or that host went on with the connection."""
    return closing.kind is End.RESET and (closing.fits is False or closing.went_on > 1)


def _origin(evidence: Evidence, connection: Connection, closing: Closing, first: Mapping[str, Closing], beside: Neighbours) -> tuple[Connection, Closing]:
    """The connection whose end this one followed, and its first FIN or RST; the connection itself where it followed none."""
    seen = {connection.id}
    while beside.near or beside.far:
        others = beside.near.get(connection.id, ()) if closing.side is Side.CLIENT else beside.far.get(connection.id, ())
        earlier = [
            (one.ts_ns, identity, one)
            for identity in others
            if identity not in seen and (one := first.get(identity)) is not None and _precedes(evidence, identity, one, connection, closing)
        ]
        if not earlier:
            break
        _, identity, closing = max(earlier)
        connection = evidence.connections[identity]
        seen.add(identity)
    return connection, closing


def _precedes(evidence: Evidence, identity: str, one: Closing, connection: Connection, closing: Closing) -> bool:
    """``one`` came before ``closing``, by one clock, and so shortly that it can be the reason."""
    other = evidence.connections[identity]
    before = shared_ns(evidence, connection.capture, closing.ts_ns) - shared_ns(evidence, other.capture, one.ts_ns)
    slack = _SLACK_NS if other.point != connection.point else 0
    return -slack <= before <= _FOLLOWS_NS


def shared_ns(evidence: Evidence, capture: int, ts_ns: int) -> int:
    """A time of one capture by the clock of the reference capture."""
    own = evidence.captures[capture]
    if not own.clock_offset_ns and not own.clock_drift:
        return ts_ns
    clock = Clock(own.clock_offset_ns, own.first_ns or 0, own.clock_drift)
    return ts_ns - clock.ahead_ns - int(clock.drift * (ts_ns - clock.at_ns))


def _kind(evidence: Evidence, connection: Connection, side: Side, beside: Neighbours) -> Kind:
    """Which party stands at that end of a connection."""
    role = evidence.roles.get(connection.id)
    if side is Side.CLIENT:
        proxied = connection.id in beside.near or role is Role.UPSTREAM_LEG
        return Kind.PROXY if proxied else Kind.CLIENT
    proxied = connection.id in beside.far or role in (Role.CLIENT_LEG, Role.TUNNEL)
    return Kind.PROXY if proxied else Kind.SERVER


def _certainty(evidence: Evidence, connection: Connection, cause: Closing, beside: Neighbours) -> Certainty:
    """Proved where both sides of a proxy are known. A RST can be sent in another's name, and behind the ends of a single connection others may stand."""
    known = connection.id in beside.near or connection.id in beside.far
    if cause.kind is End.RESET or evidence.roles.get(connection.id) in (Role.DIRECT, Role.UNKNOWN):
        return Certainty.INFERRED
    return Certainty.PROVED if known else Certainty.INFERRED


def _last_answered(exchanges: tuple[Exchange, ...], closing: Closing) -> Exchange | None:
    for one in reversed(exchanges):
        answer = response(one)
        if answer is not None and answer.first_ns <= closing.ts_ns:
            return one
    return None


def _last_data_ns(exchanges: tuple[Exchange, ...], connection: Connection, closing: Closing) -> int:
    """When data was last sent before the end, as far as messages tell; the connection's first packet where there are none."""
    times = [half.last_ns for one in exchanges[-2:] for half in (request(one), response(one)) if half is not None and half.last_ns <= closing.ts_ns]
    return max(times, default=connection.first_ns)


def _pending(exchanges: tuple[Exchange, ...], closing: Closing) -> str | None:
    """The last exchange that was asked before the end and never answered."""
    for one in reversed(exchanges[-2:]):
        asked = request(one)
        if asked is not None and asked.first_ns <= closing.ts_ns and response(one) is None:
            return one.id
    return None
