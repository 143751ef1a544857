"""Which exchanges are WinRM's, and by them which connections: told by WS-Management itself, not by a media type, a prefix of a path, or any SOAP.

Evidence is a POST to exactly /wsman or /powershell, a body encrypted for a session (MS-WSMV 2.2.9.1), a namespace of WS-Management in a readable body,
the field WSMANIDENTIFY, a POST to one of WinRM's registered ports, or a CONNECT to one. It marks exchanges, because a proxy's pooled connection carries
other traffic, too; it spreads along hops (a proxy may rewrite the path), to the rounds of the same logon, and to requests of the same connection for the
same resource. TLS that cannot be decrypted is taken for WinRM on the ports given for it; a connection that was never answered, on the registered ports.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange, Request
from analyzer.records.prefaces import Socks
from analyzer.records.proxy import Hop, Route
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits

_PORTS = (5985, 5986, 47001)
_FIELDS = frozenset({"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"})
_SCHEMES = ("negotiate", "ntlm", "kerberos")
_PATH = re.compile(r"/(?:wsman|powershell)(?:[?/]|$)", re.IGNORECASE)


class Presence(Struct, frozen=True, gc=False):
    """Ids of the WinRM connections (all legs and tunnels included) and of the WinRM exchanges on them."""

    connections: frozenset[str]
    exchanges: frozenset[str]


def winrm(
    connections: Mapping[str, Connection],
    exchanges_of: Mapping[str, Sequence[Exchange]],
    messages: Mapping[str, Message],
    conversations: Iterable[Conversation],
    hops: Iterable[Hop],
    routes: Iterable[Route],
    limits: Limits,
) -> Presence:
    """What carries WinRM."""
    own = [exchange.id for identity, exchanges in exchanges_of.items() for exchange in exchanges if _exchange(connections[identity], exchange, messages)]
    marked = _spread(own, _neighbours(exchanges_of, conversations, hops))
    found = {
        identity
        for identity, connection in connections.items()
        if any(exchange.id in marked for exchange in exchanges_of.get(identity, ())) or _opaque(connection, exchanges_of, limits)
    }
    pairs = _opaque_pairs(connections, exchanges_of, routes)
    connected = frozenset(_spread(found, pairs))
    tunnels = {connection.tunnel_of for connection in connections.values() if connection.tunnel_of and connection.id in connected}
    asked = {exchange.id for identity in tunnels for exchange in exchanges_of.get(identity, ()) if _method(exchange) == "CONNECT"}
    return Presence(connected, frozenset(marked | asked))


def negotiated(present: Presence, exchanges_of: Mapping[str, Sequence[Exchange]], hops: Iterable[Hop], routes: Iterable[Route]) -> Presence:
    """With every connection over which a server or proxy asks for Negotiate, NTLM or Kerberos, or a client uses it (RFC 4559); with both sides of proxies, and
    with the other requests of the same clients and connections for the same server: those that come without a logon tell who else is served on one."""
    offered = {_authority(exchange) for exchanges in exchanges_of.values() for exchange in exchanges if _negotiates(exchange)}
    own = [exchange.id for exchanges in exchanges_of.values() for exchange in exchanges if _authority(exchange) in offered or _negotiates(exchange)]
    marked = _spread(own, ((hop.near, hop.far) for hop in hops))
    found = {identity for identity, exchanges in exchanges_of.items() if any(exchange.id in marked for exchange in exchanges)}
    pairs = [(route.client_connection, far) for route in routes for far in route.upstream_connections]
    return Presence(present.connections | frozenset(_spread(found, pairs)), present.exchanges | frozenset(marked))


def _negotiates(exchange: Exchange) -> bool:
    """One of its halves has a field that asks for such a scheme, or uses one."""
    return any(
        header.name.lower() in _FIELDS and header.value.lower().lstrip().startswith(_SCHEMES)
        for half in (exchange.request, exchange.response)
        if not isinstance(half, Absent)
        for header in half.headers
    )


def _authority(exchange: Exchange) -> str | None:
    """The server that a request is for, as it says; None where it does not."""
    if isinstance(exchange.request, Absent):
        return None
    named = next((header.value for header in exchange.request.headers if header.name.lower() == "host"), "").strip().lower()
    return named or None


def _spread(start: Iterable[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    """``start`` and all that is connected with it by pairs."""
    found = set(start)
    beside: dict[str, list[str]] = defaultdict(list)
    for one, other in pairs:
        if one not in found or other not in found:  # else each of them is there, and leads to what is beside it
            beside[one].append(other)
            beside[other].append(one)
    left = list(found) if beside else []
    while left:
        for other in beside.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def _neighbours(exchanges_of: Mapping[str, Sequence[Exchange]], conversations: Iterable[Conversation], hops: Iterable[Hop]) -> Iterable[tuple[str, str]]:
    """Pairs of exchanges of which both are WinRM's when one is."""
    for hop in hops:
        yield hop.near, hop.far
    for spoken in conversations:
        if len(spoken.exchanges) > 1 and not _is_per_request(spoken):
            for other in spoken.exchanges[1:]:
                yield spoken.exchanges[0], other
    for exchanges in exchanges_of.values():
        firsts: dict[tuple[str, str], str] = {}
        for exchange in exchanges:
            if not isinstance(exchange.request, Absent):
                key = exchange.request.method, exchange.request.target.partition("?")[0]
                yield firsts.setdefault(key, exchange.id), exchange.id


def _is_per_request(spoken: Conversation) -> bool:
    return spoken.mechanism.value in ("basic", "digest", "certificate", "unknown")


def _opaque(connection: Connection, exchanges_of: Mapping[str, Sequence[Exchange]], limits: Limits) -> bool:
    """Nothing of it could be read, and its port is one for WinRM."""
    if exchanges_of.get(connection.id):
        return False
    ports = {connection.server.port, *(preface.port for preface in connection.prefaces if isinstance(preface, Socks))}
    if connection.protocol == "tls":
        return not ports.isdisjoint((*limits.tls_ports, *_PORTS))
    return connection.protocol == "other" and not ports.isdisjoint(_PORTS)


def _opaque_pairs(connections: Mapping[str, Connection], exchanges_of: Mapping[str, Sequence[Exchange]], routes: Iterable[Route]) -> Iterable[tuple[str, str]]:
    """Connections that are WinRM's when the other one is: the two sides of a proxy of which one cannot be read, a tunnel and what it carries."""
    for route in routes:
        for far in route.upstream_connections:
            if not exchanges_of.get(far) or not exchanges_of.get(route.client_connection):
                yield route.client_connection, far
    for identity, connection in connections.items():
        if connection.tunnel_of is not None:
            yield connection.tunnel_of, identity


def _exchange(connection: Connection, exchange: Exchange, messages: Mapping[str, Message]) -> bool:
    """WS-Management shows itself in this exchange."""
    request = exchange.request
    if not isinstance(request, Absent) and _asks_for_it(request.method, request.target):
        return True
    registered = connection.server.port in _PORTS or (not isinstance(request, Absent) and _names_a_port(request.target))
    for half in (exchange.request, exchange.response):
        if isinstance(half, Absent):
            continue
        message = messages.get(half.id)
        if message is not None and (message.protection is Protection.SEALED or message.wsman):
            return True
        if any(header.name.lower() == "wsmanidentify" for header in half.headers):
            return True
    return registered and isinstance(request, Request) and request.method == "POST"


def _method(exchange: Exchange) -> str:
    return "" if isinstance(exchange.request, Absent) else exchange.request.method


def _asks_for_it(method: str, target: str) -> bool:
    if method == "CONNECT":
        return _names_a_port(target)
    return method == "POST" and _PATH.match(_path(target)) is not None


def _path(target: str) -> str:
    """The path of a target in absolute or origin form (RFC 9112 section 3.2)."""
    beginning = target.partition("?")[0]
    return "/" + beginning.partition("://")[2].partition("/")[2] if "://" in beginning else target


def _names_a_port(target: str) -> bool:
    authority = target.partition("://")[2].partition("/")[0] if "://" in target.partition("?")[0] else target
    return authority.rpartition(":")[2] in {str(port) for port in _PORTS}
