"""Which connections carry WinRM, told from what they carried: the target, sealed or SOAP bodies, a CONNECT to a WinRM port, a leg of one that does.

TLS that cannot be opened is taken for WinRM on the ports given for it; a connection that was never answered, on WinRM's registered ports.
"""

from collections.abc import Iterable, Mapping, Sequence

from analyzer.records.http import Exchange
from analyzer.records.prefaces import Socks
from analyzer.records.proxy import Hop, Route
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits

_PORTS = (5985, 5986, 47001)
_PATHS = ("/wsman", "/powershell")
_MEDIA = ("application/soap+xml", "multipart/encrypted", "multipart/x-multi-encrypted")


def winrm(
    connections: Mapping[str, Connection],
    exchanges_of: Mapping[str, Sequence[Exchange]],
    messages: Mapping[str, Message],
    hops: Iterable[Hop],
    routes: Iterable[Route],
    limits: Limits,
) -> frozenset[str]:
    """The ids of WinRM connections, both legs and tunnels included."""
    found = {identity for identity, connection in connections.items() if _own(connection, exchanges_of.get(identity, ()), messages, limits)}
    legs = [(hop.near_connection, hop.far_connection) for hop in hops] + [
        (route.client_connection, far) for route in routes for far in route.upstream_connections
    ]
    legs += [(connection.tunnel_of, identity) for identity, connection in connections.items() if connection.tunnel_of is not None]
    growing = True
    while growing:
        growing = False
        for one, other in legs:
            if (one in found) != (other in found):
                found |= {one, other}
                growing = True
    return frozenset(found)


def _own(connection: Connection, exchanges: Sequence[Exchange], messages: Mapping[str, Message], limits: Limits) -> bool:
    ports = {connection.server.port, *(preface.port for preface in connection.prefaces if isinstance(preface, Socks))}
    if connection.protocol == "tls":
        return not ports.isdisjoint({*limits.tls_ports, *_PORTS})
    if not exchanges:
        return connection.protocol == "other" and not ports.isdisjoint(_PORTS)
    return any(_exchange(exchange, messages) for exchange in exchanges)


def _exchange(exchange: Exchange, messages: Mapping[str, Message]) -> bool:
    for half in (exchange.request, exchange.response):
        if isinstance(half, Absent):
            continue
        message = messages.get(half.id)
        if message is not None and (message.protection is Protection.SEALED or (message.protection is Protection.CLEAR and _soap(message))):
            return True
        if any(header.name.lower() == "wsmanidentify" for header in half.headers):
            return True
    request = exchange.request
    return not isinstance(request, Absent) and _target(request.method, request.target)


def _soap(message: Message) -> bool:
    return message.action is not None or (message.content_type or "").partition(";")[0].strip().lower() in _MEDIA


def _target(method: str, target: str) -> bool:
    if method == "CONNECT":
        return any(target.endswith(f":{port}") for port in _PORTS)
    rest = target.partition("://")[2].partition("/")[2] if "://" in target.split("?", maxsplit=1)[0] else target.removeprefix("/")
    return f"/{rest}".lower().startswith(_PATHS)
