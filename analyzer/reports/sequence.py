"""What happened on one route, as a list of arrows in order of time; `ladder` and `mermaid` draw it.

A route has three lanes (client, proxy, server), a direct connection two. What a server connection carries for other clients is one gray arrow; a drawing of
that connection has all its clients. A hole in the capture stands where the next captured byte of its direction stands. Times are those of the reference clock:
what a capture's clock is ahead (`Capture.clock_offset_ns`) is taken off, so that both sides of a proxy fit together.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from analyzer.errors import UsageError
from analyzer.records.auth import Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_capture, key_number, response_id
from analyzer.records.proxy import Route
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection, End, Side, Stream
from analyzer.reports.facts import counted
from analyzer.reports.naming import name_of
from analyzer.reports.tokens import token_names
from analyzer.tables.headers import request_of, response_of
from analyzer.tables.packets import number_set

_PROTECTIONS = {Protection.SEALED: "encrypted", Protection.CLEAR: "clear", Protection.TLS: "TLS", Protection.EMPTY: "empty", Protection.NONE: "not WinRM"}

_NAMED = 4
"""Connections that a title or an arrow names."""
WAITED = "OperationTimeout"
_WAITED_CODE = "2150858793"
"""The fault with which a server answers a Receive that nothing happened for: how WinRM waits, and no error."""


class Lane(NamedTuple):
    """One column of the drawing."""

    title: str
    host: str
    name: str = ""
    """The host's name, where it is one host and has one."""


class Arrow(NamedTuple):
    """One thing that travelled between lanes ``left`` and ``left + 1``. ``kind``: message, gap or end. ``text`` says all of it in a line.

    The parts of the text: ``packets`` a set of numbers, ``head`` the start line, ``details`` what it carries, ``record`` the exchange or
    connection. ``tone`` is the word of its protection, or ``refused`` (an error response), ``reset``, or ``foreign`` (of another client).
    ``marks``: ids of the incidents that name one of its packets.
    """

    time_ns: int
    packet: int
    left: int
    rightward: bool
    kind: str
    text: str
    packets: str = ""
    head: str = ""
    details: str = ""
    record: str = ""
    tone: str = ""
    marks: tuple[str, ...] = ()

    @property
    def connection(self) -> str:
        """The connection that it travels on."""
        return connection_named(self.record)

    @property
    def capture(self) -> int:
        """The ordinal of its capture. A hole stands one before the packet that follows it: at a capture's first packet that is no packet."""
        return key_capture(max(self.packet, 0))


class Sequence(NamedTuple):
    """A drawing: its title, lanes, and arrows in order of time."""

    title: str
    lanes: tuple[Lane, ...]
    arrows: tuple[Arrow, ...]


def connection_named(record: str) -> str:
    """``c1`` of ``c1.x3``, of ``c1.x3 to c1.x9`` and of ``c1``."""
    return record.partition(" ")[0].partition(".x")[0]


def sequences(evidence: Evidence) -> Iterator[Sequence]:
    """One per route, then one per WinRM connection that belongs to none."""
    routed: set[str] = set()
    for route in evidence.routes:
        routed.update((route.client_connection, *route.upstream_connections))
        yield _of_route(evidence, route)
    for name, connection in evidence.connections.items():
        if name in evidence.winrm and name not in routed:
            yield _direct(evidence, connection)


def sequences_of(evidence: Evidence, name: str) -> list[Sequence]:
    """The drawings of the routes that the connection belongs to (an upstream connection can serve several clients), or of the connection alone."""
    connection = evidence.connections.get(name)
    if connection is None:
        msg = f"there is no connection {name!r}; the table connections lists them"
        raise UsageError(msg)
    routes = [route for route in evidence.routes if name == route.client_connection or name in route.upstream_connections]
    if len(routes) > 1 and name not in {route.client_connection for route in routes}:
        return [_pooled(evidence, connection, routes)]
    return [_of_route(evidence, route) for route in routes] or [_direct(evidence, connection)]


def _of_route(evidence: Evidence, route: Route) -> Sequence:
    near = evidence.connections.get(route.client_connection)
    far = [evidence.connections[name] for name in route.upstream_connections if name in evidence.connections]
    servers = dict.fromkeys(connection.server.host for connection in far)
    lanes = (
        _lane(evidence, "client", [near.client.host] if near else []),
        _lane(evidence, "proxy", [route.proxy_host]),
        _lane(evidence, "server", list(servers)),
    )
    arrows = list(_arrows(evidence, near, lanes, 0)) if near else []
    arrows.extend(arrow for connection in far for arrow in _arrows(evidence, connection, lanes, 1, route.client_connection))
    return Sequence(f"{route.id}: {route.kind} proxy, {route.client_connection} to {', '.join(route.upstream_connections) or '?'}", lanes, _sorted(arrows))


def _pooled(evidence: Evidence, connection: Connection, routes: list[Route]) -> Sequence:
    """A server connection with all the clients that it serves: of theirs, the exchanges that were forwarded on it."""
    near = [evidence.connections[name] for name in dict.fromkeys(route.client_connection for route in routes) if name in evidence.connections]
    hosts = list(dict.fromkeys(one.client.host for one in near))
    lanes = (
        _lane(evidence, "client" if len(hosts) == 1 else f"{len(hosts)} clients", hosts),
        _lane(evidence, "proxy", [routes[0].proxy_host]),
        _lane(evidence, "server", [connection.server.host]),
    )
    arrows = list(_arrows(evidence, connection, lanes, 1))
    for one in near:
        hops = {exchange.id: evidence.near.get(exchange.id) for exchange in evidence.exchanges_of.get(one.id, ())}
        own = {identity for identity, hop in hops.items() if hop is not None and hop.far_connection == connection.id}
        arrows.extend(arrow for arrow in _arrows(evidence, one, lanes, 0) if ".x" not in arrow.record or arrow.record in own)
    named = ", ".join(one.id for one in near[:_NAMED]) + (f" and {len(near) - _NAMED} more" if len(near) > _NAMED else "")
    return Sequence(f"{connection.id}: server connection of {counted(len(near), 'client connection')} ({named})", lanes, _sorted(arrows))


def _direct(evidence: Evidence, connection: Connection) -> Sequence:
    server = _lane(evidence, "server", [connection.server.host])._replace(host=str(connection.server))
    lanes = (_lane(evidence, "client", [connection.client.host]), server)
    return Sequence(f"{connection.id}: {connection.protocol}", lanes, _sorted(list(_arrows(evidence, connection, lanes, 0))))


def _lane(evidence: Evidence, title: str, addresses: list[str]) -> Lane:
    return Lane(title, ", ".join(addresses) or "?", name_of(evidence, addresses[0]) if len(addresses) == 1 else "")


def _sorted(arrows: list[Arrow]) -> tuple[Arrow, ...]:
    arrows.sort(key=attrgetter("time_ns", "packet", "left"))
    return tuple(_foreign_folded(arrows)) if any(arrow.tone == "foreign" for arrow in arrows) else tuple(arrows)


def _foreign_folded(arrows: list[Arrow]) -> Iterator[Arrow]:
    """Messages of other clients that follow one another on a server connection as one arrow."""
    for (tone, connection), group in groupby(arrows, key=lambda arrow: (arrow.tone == "foreign", arrow.connection)):
        own = list(group)
        if not tone or len(own) == 1:
            yield from own
            continue
        first, last = own[0], own[-1]
        others = list(dict.fromkeys(arrow.details.rpartition(" for ")[2] for arrow in own))
        whose = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
        head = f"{len(own):,} messages for other clients ({whose})"
        packets = f"{first.packets.partition('..')[0].partition(',')[0]} to #{last.packets.rpartition(',')[2].rpartition('..')[2]}"
        details = f"on {connection}, in {(last.time_ns - first.time_ns) / 1e9:,.3f} s"
        yield first._replace(head=head, details=details, packets=packets, record=connection, text=f"#{packets} {head}, {details} [{connection}]")


def _arrows(evidence: Evidence, connection: Connection, lanes: tuple[Lane, ...], left: int, client: str | None = None) -> Iterator[Arrow]:
    """``client``: on an upstream leg the client's connection of the route; what goes on for another one says so."""
    ahead = evidence.captures[connection.capture].clock_offset_ns
    arrows = _as_captured(evidence, connection, lanes, left, client)
    return (arrow._replace(time_ns=arrow.time_ns - ahead) for arrow in arrows) if ahead else arrows


def _as_captured(evidence: Evidence, connection: Connection, lanes: tuple[Lane, ...], left: int, client: str | None) -> Iterator[Arrow]:
    tokens = token_names(evidence.conversations_of.get(connection.id, ()))
    for exchange in evidence.exchanges_of.get(connection.id, ()):
        hop = evidence.far.get(exchange.id) if client else None
        other = f" for {hop.near_connection}" if hop and hop.near_connection != client else ""
        for arrow in _messages(evidence, exchange, left, tokens):
            yield arrow._replace(text=arrow.text + other, details=arrow.details + other, tone="foreign") if other else arrow
    for stream, rightward in ((connection.to_server, True), (connection.to_client, False)):
        yield from _gaps(connection, stream, left, rightward=rightward)
    for closing in connection.closings:
        word = "RST" if closing.kind is End.RESET else "FIN"
        by = lanes[left if closing.side is Side.CLIENT else left + 1].title
        tone = "reset" if closing.kind is End.RESET else ""
        head, number = f"{word} of {connection.id}, sent by the {by}", str(key_number(closing.packet))
        yield Arrow(closing.ts_ns, closing.packet, left, closing.side is Side.CLIENT, "end", f"#{number} {head}", number, head, "", connection.id, tone)


def _messages(evidence: Evidence, exchange: Exchange, left: int, tokens: Mapping[str, tuple[str, ...]]) -> Iterator[Arrow]:
    request, response = request_of(exchange.request), response_of(exchange.response)
    if request:
        yield _message(evidence, request, f"{request.method} {request.target}", left, tokens)
    if response:
        drawn = _message(evidence, response, f"{response.status} {response.reason}".strip(), left, tokens)
        yield drawn._replace(tone="refused") if _refuses(evidence, exchange, response.status) else drawn


def _waited(message: Message | None) -> bool:
    return message is not None and message.fault_code == _WAITED_CODE


def _refuses(evidence: Evidence, exchange: Exchange, status: int) -> bool:
    """An error; a 401 or 407 within a logon is none, but the one that ends it is."""
    if status not in {401, 407}:
        return status >= 400 and not _waited(evidence.messages.get(response_id(exchange.id)))
    talks = evidence.conversations_of.get(exchange.connection, ())
    return any(talk.ends == exchange.id and talk.outcome is Outcome.REFUSED for talk in talks)


def _message(evidence: Evidence, one: Request | Response, head: str, left: int, tokens: Mapping[str, tuple[str, ...]]) -> Arrow:
    packets = number_set(sorted(set(map(key_number, one.packets)))) or "?"
    parts = list(tokens.get(one.id, ()))
    message = evidence.messages.get(one.id)
    if message is not None:
        if isinstance(message.operation, str):
            parts.append(WAITED if _waited(message) else message.operation)
        parts.append(_PROTECTIONS[message.protection] + (f" {counted(message.size, 'byte')}" if message.size else ""))
    record = one.id.rpartition(".")[0]
    text = f"{', '.join([f'#{packets} {head}', *parts])} [{record}]"
    first, tone = min(one.packets, default=0), message.protection.value if message else ""
    return Arrow(one.first_ns, first, left, isinstance(one, Request), "message", text, packets, head, ", ".join(parts), record, tone)


def _gaps(connection: Connection, stream: Stream, left: int, *, rightward: bool) -> Iterator[Arrow]:
    extents = stream.extents
    for gap in stream.gaps:
        after = bisect_left(extents.stream_at, gap.stream_at + gap.size)
        known = after < len(extents.stream_at)
        time_ns = extents.ts_ns[after] if known else connection.last_ns
        packet = extents.packet[after] if known else 0
        text = f"{counted(gap.size, 'byte')} of {connection.id} not in the capture ({gap.why.replace('_', ' ')})"
        yield Arrow(time_ns, packet - 1, left, rightward, "gap", text, "", text, "", connection.id)
