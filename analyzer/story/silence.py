"""Requests that got no answer, and what ended the waiting.

Of each connection at most one is told: the first request behind the last answer. Nothing is said where the server may
have answered outside of the capture: a hole behind the last answer, more bytes counted by a FIN or RST than were
captured, or no packet of the server at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.formats.reader import Fetch, Reader
from analyzer.records.capture import Capture, IcmpError, IcmpKind
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection, End, Side, ZeroWindow
from analyzer.records.waiting import Stop, Unanswered
from analyzer.settings import Limits

_APPLICATION_DATA = 23
"""The type of a TLS record (RFC 8446 section 5.1)."""
_HEEDED_NS = 1_000_000_000
"""A sender that heeds the error sends smaller segments by then."""
_BROKEN = (Stop.RESET, Stop.CLOSED, Stop.DROPPED, Stop.TOO_BIG, Stop.WINDOW)


class _Asked(NamedTuple):
    """A request as the connection has it: its exchange (None inside TLS), the offsets of its bytes, times of the
    first and last, and its first packet."""

    exchange: str | None
    at: int
    end_at: int
    asked_ns: int
    sent_ns: int
    packet: int


def unanswered(
    connections: Mapping[str, Connection],
    exchanges_of: Mapping[str, Sequence[Exchange]],
    captures: Sequence[Capture],
    icmp: Mapping[str, Sequence[IcmpError]],
    fetch: Fetch,
    limits: Limits,
) -> tuple[Unanswered, ...]:
    """The unanswered requests of all connections, in the order of these."""
    found = []
    for connection in connections.values():
        asked = None if connection.twin_of is not None else _asked(connection, exchanges_of.get(connection.id, ()), fetch, limits)
        if asked is not None:
            ends = max(captures[connection.capture].point_last_ns or 0, connection.last_ns)
            found.append(_told(connection, asked, ends, _icmp(connection, asked, icmp), limits))
    return tuple(found)


def joined(found: Sequence[Unanswered], hops: Sequence[Hop], exchanges: Mapping[str, Exchange]) -> tuple[Unanswered, ...]:
    """The same, where one request is told of two sides of a proxy: the side that only followed names the other."""
    by_exchange = {one.exchange: one for one in found if one.exchange is not None}
    follows: dict[str, str] = {}
    for near_id, far_id in _pairs(found, hops):
        near, far = by_exchange.get(near_id), by_exchange.get(far_id)
        if far is None:
            continue
        if near is None:
            answered = not isinstance(exchanges[near_id].response, Absent)
            if answered and far.stop in (Stop.GAVE_UP, Stop.PENDING):
                follows[far_id] = near_id  # the proxy answered by itself
        elif far.stop in _BROKEN or (near.stop is Stop.PENDING and far.stop is Stop.PENDING):
            follows[near_id] = far_id
        else:
            follows[far_id] = near_id
    return tuple(replace(one, follows=follows[one.exchange]) if one.exchange in follows else one for one in found)


def _pairs(found: Sequence[Unanswered], hops: Sequence[Hop]) -> Iterator[tuple[str, str]]:
    """The exchanges of each hop; and unanswered requests on two connections that are joined by other exchanges, where
    nothing told of a hop of their own."""
    nears, fars = {hop.near for hop in hops}, {hop.far for hop in hops}
    yield from ((hop.near, hop.far) for hop in hops)
    upstream = {hop.near_connection: hop.far_connection for hop in hops}
    open_fars = {one.connection: one for one in found if one.exchange is not None and one.exchange not in fars}
    for one in found:
        far = open_fars.get(upstream.get(one.connection, ""))
        if one.exchange is not None and one.exchange not in nears and far is not None and far.exchange is not None:
            yield one.exchange, far.exchange


def _asked(connection: Connection, exchanges: Sequence[Exchange], fetch: Fetch, limits: Limits) -> _Asked | None:
    if connection.to_client.gaps or not connection.ttls[1]:
        return None
    if connection.protocol == "tls" and not connection.tls_opened:
        return _asked_in_tls(connection, fetch, limits)
    answered_to = 0
    first: Request | None = None
    owner = ""
    for exchange in exchanges:
        if isinstance(exchange.response, Response):
            answered_to, first = exchange.response.end_at, None
        elif first is None and isinstance(exchange.request, Request):
            first, owner = exchange.request, exchange.id
    if first is None or not first.packets or _said_more(connection, answered_to):
        return None
    return _Asked(owner, first.at, first.end_at, first.first_ns, first.last_ns, first.packets[0])


def _asked_in_tls(connection: Connection, fetch: Fetch, limits: Limits) -> _Asked | None:
    """What the client sent inside TLS after the server's last word, when it is application data and more than the
    alert that closes a session."""
    sent, received = connection.to_server.extents, connection.to_client.extents
    last_ns = max(received.ts_ns, default=None)
    if last_ns is None or _said_more(connection, connection.to_client.size):
        return None
    behind = [i for i in range(len(sent.ts_ns)) if sent.ts_ns[i] > last_ns and sent.size[i] >= limits.tls_request_bytes]
    if not behind:
        return None
    first, last = behind[0], behind[-1]
    if Reader(connection.to_server, fetch, sent.stream_at[first]).peek(1) != bytes((_APPLICATION_DATA,)):
        return None
    end_at = sent.stream_at[last] + sent.size[last]
    return _Asked(None, sent.stream_at[first], end_at, sent.ts_ns[first], sent.ts_ns[last], sent.packet[first])


def _said_more(connection: Connection, answered_to: int) -> bool:
    """The server's stream went on behind the last answer, as far as anyone counted it."""
    if connection.to_client.size > answered_to:
        return True
    counted = (closing.stream_at if closing.side is Side.SERVER else closing.acked for closing in connection.closings)
    return any(number > answered_to + 1 for number in counted)


def _icmp(connection: Connection, asked: _Asked, icmp: Mapping[str, Sequence[IcmpError]]) -> IcmpError | None:
    """The first ICMP error about the client's segments while the request was under way; one about sizes first."""
    client = (connection.client.host, connection.client.port)
    own = [one for one in icmp.get(connection.id, ()) if one.source == client and one.ts_ns >= asked.asked_ns]
    return next((one for one in own if one.kind is IcmpKind.TOO_BIG), own[0] if own else None)


def _told(connection: Connection, asked: _Asked, capture_ends_ns: int, icmp: IcmpError | None, limits: Limits) -> Unanswered:
    closing = next((one for one in connection.closings if one.ts_ns >= asked.asked_ns), None)
    ended_ns = capture_ends_ns if closing is None else closing.ts_ns
    window = next((one for one in _windows(connection) if one.until_ns is None and one.last_ns >= asked.asked_ns), None)
    pause = next((one for one in connection.pauses if one.until_ns == asked.asked_ns), None)
    one = Unanswered(
        connection=connection.id,
        exchange=asked.exchange,
        stop=Stop.PENDING,
        asked_ns=asked.asked_ns,
        sent_ns=asked.sent_ns,
        packet=asked.packet,
        size=asked.end_at - asked.at,
        idle_ns=0 if pause is None else pause.until_ns - pause.since_ns,
        waited_ns=max(ended_ns - asked.sent_ns, 0),
        closing=closing,
        unacked=connection.to_server.unacked,
        window=window,
        icmp=icmp,
    )
    return replace(one, stop=_stop(connection, one, asked, limits))


def _windows(connection: Connection) -> Iterator[ZeroWindow]:
    return (one for one in connection.zero_windows if one.side is Side.SERVER)


def _stop(connection: Connection, one: Unanswered, asked: _Asked, limits: Limits) -> Stop:
    closing = one.closing
    if _crossed(connection, one, asked, limits):
        return Stop.AFTER_CLOSE
    if closing is not None and (closing.side is Side.SERVER or (closing.kind is End.RESET and closing.fits is False)):
        return Stop.RESET if closing.kind is End.RESET else Stop.CLOSED
    if one.window is not None:
        return Stop.WINDOW
    lost = _lost(one, asked, limits)
    if lost is not None:
        return lost
    return Stop.PENDING if closing is None else Stop.GAVE_UP


def _crossed(connection: Connection, one: Unanswered, asked: _Asked, limits: Limits) -> bool:
    """The server's FIN came before the request, or was on its way: it does not acknowledge it, or came at once.

    After a pause a FIN at once is an answer to the request.
    """
    fins = [closing for closing in connection.closings if closing.side is Side.SERVER and closing.kind is End.FIN]
    if not fins or (one.closing is not None and one.closing.ts_ns < fins[0].ts_ns):
        return False
    fin = fins[0]
    at_once = fin.ts_ns - asked.sent_ns <= limits.crossing_s * 1e9 and not one.idle_ns
    return fin.ts_ns < asked.asked_ns or 0 <= fin.acked <= asked.at or at_once


def _lost(one: Unanswered, asked: _Asked, limits: Limits) -> Stop | None:
    """Segments of the request were repeated and never acknowledged."""
    gone = one.unacked
    if gone is None or gone.last_ns < asked.asked_ns:
        return None
    if one.icmp is not None and one.icmp.kind is IcmpKind.TOO_BIG and one.waited_ns >= _HEEDED_NS:
        return Stop.TOO_BIG
    if gone.tries < limits.lost_tries or gone.segment <= 1:
        return None
    lives = gone.heard > 0 or (asked.exchange is not None and asked.at < gone.at < asked.end_at)
    may_be_size = lives or (one.idle_ns == 0 and gone.segment >= limits.large_segment_bytes)
    return Stop.TOO_BIG if may_be_size and 0 < gone.passed < gone.segment else Stop.DROPPED
