"""From hops to routes: which upstream connections carried a client's connection, and what every connection is.

A CONNECT tunnel, and a proxy that copies bytes below HTTP, are joined by the first bytes of the client's stream: a ClientHello carries 32 random bytes, so
equal beginnings are one stream (RFC 8446 section 4.1.2).
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from analyzer.formats.gateways import shows_gateway
from analyzer.formats.reader import Fetch, Reader
from analyzer.proxy.hops import Legs
from analyzer.proxy.opaque import CONFIDENCE, ended_at_proxy, intercepted
from analyzer.records.http import Exchange, Header, is_absolute
from analyzer.records.issues import Issue
from analyzer.records.prefaces import ProxyHeader, Socks
from analyzer.records.proxy import Hop, Role, Route
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection, Endpoint

_BEGINNING = 160
_SHORTEST = 64
_BY_GATEWAYS = (502, 504)
"""Statuses that only a gateway gives (RFC 9110 sections 15.6.3 and 15.6.5)."""
_TRACES = ("via", "x-forwarded-for", "forwarded")


class Routed(Struct, frozen=True, gc=False):
    """Routes in order of the client's connection, each connection's role, and what is missing."""

    routes: tuple[Route, ...]
    roles: Mapping[str, Role]
    issues: tuple[Issue, ...]


def routes(
    connections: Mapping[str, Connection],
    exchanges_of: Mapping[str, tuple[Exchange, ...]],
    hops: Sequence[Hop],
    legs: Legs,
    fetch: Fetch,
    *,
    by_product: bool = True,
) -> Routed:
    """Every client connection that has a way further on becomes a route. ``legs``: connections that are a leg for certain, though not whose. ``by_product``:
    what a response's Server field names may tell a proxy; of web applications it is as well the server itself."""
    onward: dict[str, dict[str, None]] = defaultdict(dict)
    for hop in hops:
        onward[hop.near_connection].setdefault(hop.far_connection)
    streams = _stream_pairs(connections, fetch)
    for near, far in (*streams, *_header_pairs(connections)):
        onward[near].setdefault(far)
    taken = {identity for near, fars in onward.items() for identity in (near, *fars)}
    ended = ended_at_proxy(connections, exchanges_of, taken)
    broken = intercepted(connections, exchanges_of, taken)
    for near, far in (*ended, *broken):
        onward[near].setdefault(far)
    order = {identity: place for place, identity in enumerate(connections)} if onward else {}
    made: list[Route] = []
    for near in sorted(onward, key=lambda identity: order[identity]):
        fars = tuple(sorted(onward[near], key=lambda identity: (connections[identity].first_ns, order[identity])))
        inferred = any(near == outer for outer, _ in (*ended, *broken))
        kind = "tls_terminating" if inferred else _kind(near, connections, exchanges_of, hops, streams)
        made.append(Route(f"r{len(made) + 1}", near, fars, connections[near].server.host, kind, CONFIDENCE if inferred else 1.0))
    upstream = {identity for route in made for identity in route.upstream_connections} | legs.far
    clients = {route.client_connection for route in made} | legs.near
    told = _Told(upstream, clients, {}, by_product)
    roles = {identity: _role(connection, exchanges_of.get(identity, ()), told) for identity, connection in connections.items()}
    for identity, connection in connections.items():
        if connection.twin_of is not None:  # one connection has one role, wherever it was seen
            roles[identity] = roles[connection.twin_of]
    return Routed(tuple(made), roles, tuple(_one_leg(connections, exchanges_of, roles, made)))


def _stream_pairs(connections: Mapping[str, Connection], fetch: Fetch) -> list[tuple[str, str]]:
    """(near, far) of connections that carry the same opaque bytes."""
    beginnings: dict[bytes, list[str]] = defaultdict(list)
    for identity, connection in connections.items():
        if connection.protocol in ("tls", "other") and connection.to_server.size >= _SHORTEST and (connection.to_server.begins or _is_decoded(connection)):
            start = Reader(connection.to_server, fetch).peek(_BEGINNING)
            if len(start) >= _SHORTEST:
                beginnings[hashlib.sha256(start).digest()].append(identity)
    pairs = []
    for group in beginnings.values():
        ordered = sorted(group, key=lambda identity: (connections[identity].tunnel_of is None, connections[identity].first_ns))
        for near, far in pairwise(ordered):
            a, b = connections[near], connections[far]
            told = _is_decoded(a) or _is_decoded(b)
            if told and (a.client, a.server) != (b.client, b.server) and b.twin_of is None and a.twin_of is None:
                pairs.append((near, far))
    return pairs


def _is_decoded(connection: Connection) -> bool:
    """Something of it was understood: its ClientHello, or what stood before it. Bytes out of the middle of a body may be equal by chance."""
    hello = connection.tls is not None and connection.tls.client_random is not None
    return hello or connection.tunnel_of is not None or bool(connection.prefaces)


def _header_pairs(connections: Mapping[str, Connection]) -> list[tuple[str, str]]:
    """(near, far) where a PROXY header names the client's end of a connection that was open then: needed where what
    they carry cannot be read."""
    headed = [(identity, far) for identity, far in connections.items() if far.prefaces and far.twin_of is None]
    if not headed:
        return []
    ends: dict[Endpoint, list[str]] = defaultdict(list)
    for identity, connection in connections.items():
        if connection.twin_of is None:
            ends[connection.client].append(identity)
    pairs = []
    for identity, far in headed:
        for header in far.prefaces:
            if isinstance(header, ProxyHeader) and header.client_host:
                nears = ends.get(Endpoint(header.client_host, header.client_port or 0), ())
                pairs += [(near, identity) for near in nears if near != identity and _meet(connections[near], far)]
    return pairs


def _meet(near: Connection, far: Connection) -> bool:
    """Both were open at some time, by one clock."""
    meet = near.first_ns <= far.last_ns and far.first_ns <= near.last_ns
    return meet and near.tunnel_of is None and near.point == far.point


def _kind(
    near: str, connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]], hops: Sequence[Hop], streams: list[tuple[str, str]]
) -> str:
    if connections[near].tunnel_of is not None:
        return "tunnel"
    if any(isinstance(preface, Socks) for preface in connections[near].prefaces):
        return "socks"
    targets = [exchange.request.target for exchange in exchanges_of.get(near, ()) if not isinstance(exchange.request, Absent)]
    if any(is_absolute(target) for target in targets):
        return "forward"
    own = [hop for hop in hops if hop.near_connection == near]
    if connections[near].protocol == "tls" and any(connections[hop.far_connection].protocol != "tls" for hop in own):
        return "tls_terminating"
    if any(near == pair[0] for pair in streams) or (own and _copied(near, own, connections)):
        return "layer4"
    return "reverse"


def _copied(near: str, own: list[Hop], connections: Mapping[str, Connection]) -> bool:
    """Nothing was changed and the whole stream went to one upstream connection: the proxy works below HTTP."""
    fars = {hop.far_connection for hop in own}
    if len(fars) != 1 or any(hop.header_changes for hop in own):
        return False
    return connections[near].to_server.size == connections[fars.pop()].to_server.size


class _Told(NamedTuple):
    """What roles are told by: connections that are upstream legs and clients' legs for certain; heads of requests, by what Python calls each (they live as long
    as the exchanges), and whether a proxy wrote in them; and see `routes`."""

    upstream: AbstractSet[str]
    clients: AbstractSet[str]
    traced: dict[int, bool]
    by_product: bool


def _role(connection: Connection, exchanges: Sequence[Exchange], told: _Told) -> Role:
    if connection.protocol == "connect":
        return Role.TUNNEL
    if connection.id in told.upstream:
        return Role.UPSTREAM_LEG
    prefaces = connection.prefaces
    if connection.id in told.clients or connection.tunnel_of is not None or (prefaces and any(isinstance(preface, Socks) for preface in prefaces)):
        return Role.CLIENT_LEG
    if prefaces and any(isinstance(preface, ProxyHeader) and not preface.local for preface in prefaces):
        return Role.UPSTREAM_LEG
    asked = traced = False
    for exchange in exchanges:
        request = exchange.request
        if not isinstance(request, Absent):
            if request.method == "CONNECT" or is_absolute(request.target):
                return Role.CLIENT_LEG
            asked = True
            traced = traced or _is_traced(request.headers, told.traced)
    for exchange in exchanges:
        answer = exchange.response
        if not isinstance(answer, Absent) and (
            shows_gateway(answer.headers, by_product=told.by_product) or (answer.status in _BY_GATEWAYS and not told.by_product)
        ):
            return Role.CLIENT_LEG
    if traced:
        return Role.UPSTREAM_LEG
    return Role.DIRECT if asked or connection.protocol == "tls" else Role.UNKNOWN


def _is_traced(headers: tuple[Header, ...], known: dict[int, bool]) -> bool:
    """A proxy that passes a request on wrote a field of it."""
    found = known.get(id(headers))
    if found is None:
        found = known[id(headers)] = any(header.name.lower() in _TRACES for header in headers)
    return found


def _one_leg(
    connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]], roles: Mapping[str, Role], made: Sequence[Route]
) -> Iterable[Issue]:
    """Connections that are visibly one leg of a proxy while the other one is not in the evidence."""
    routed = {route.client_connection for route in made} | {identity for route in made for identity in route.upstream_connections}
    for identity, role in roles.items():
        if identity in routed or role not in (Role.CLIENT_LEG, Role.UPSTREAM_LEG):
            continue
        if connections[identity].tunnel_of is not None:
            yield Issue("proxy.one-leg", "the client side (a CONNECT tunnel) is here, the server side is not", identity, connections[identity].capture)
            continue
        if role is Role.UPSTREAM_LEG or any(
            not isinstance(exchange.response, Absent) and exchange.response.status < 400 for exchange in exchanges_of.get(identity, ())
        ):
            leg = "client side is here, the server side is not" if role is Role.CLIENT_LEG else "server side is here, the client's is not"
            headers = role is Role.UPSTREAM_LEG and not any(isinstance(preface, ProxyHeader) for preface in connections[identity].prefaces)
            claimed = ", as the requests claim (Via, X-Forwarded-For or Forwarded, which any sender can write)" if headers else ""
            yield Issue("proxy.one-leg", f"the {leg}{claimed}", identity, connections[identity].capture)
