"""A client that reaches a server directly also reaches it through a proxy.

Detects
    WinRM connections of one client host to one server host both directly and through a proxy, where the last
    connection shows which server it is. Which clients are meant to go which way is not in the packets, so nothing is
    said of a client that goes one way only.
Impact
    Often the proxy is not wanted: programs take it from the environment (HTTP_PROXY, HTTPS_PROXY) or from WinHTTP.
    Then half of the traffic passes a place that sees, and can break, what the other half keeps to itself.
False positives
    Where both ways are meant, for example while a proxy is introduced, or for two programs with different settings.
Requires
    The direct connection, and both sides of the proxy for the other one.
References
    Proxy Servers and WinRM: "In general, the WinRM client sends messages directly to the WinRM server. WinRM clients
    can be also configured to use a proxy server."
    Proxy Servers and WinRM, Configuring a Proxy Server for WinRM 1.1 and Earlier: "If a proxy is required to reach
    the WinRM server, the WinRM client relies on the Windows HTTP services (WinHTTP) proxy configuration. By default,
    WinHTTP is not configured to use a proxy server. WinHTTP proxy configuration can be changed by using the
    ProxyCfg.exe or netsh command-line utilities."
"""

from collections import defaultdict

from analyzer.records.candidates import connections
from analyzer.records.proxy import Role, Route
from analyzer.records.transport import Connection
from analyzer.rules import microsoft
from analyzer.rules.reading import counted, role
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone


class Ways(Fact, frozen=True):
    """How a client reaches a server host: its own connections, and the routes through proxies with the client's connection of each."""

    server: str
    direct: tuple[Connection, ...]
    routes: tuple[Route, ...]
    near: tuple[Connection, ...]


def see(evidence: Evidence) -> Signs[Ways]:
    """One sign for each client and server host."""
    ways: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in evidence.routes:
        near = evidence.connections[route.client_connection]
        for server in dict.fromkeys(evidence.connections[far].server.host for far in route.upstream_connections):
            if near.id in evidence.winrm and near.packets:
                ways[near.client.host, server].append(route)
    direct: dict[tuple[str, str], list[Connection]] = defaultdict(list)
    for connection in connections(evidence) if ways else ():
        spoken = connection.established and bool(connection.packets) and connection.tunnel_of is None
        if spoken and role(evidence, connection.id) is Role.DIRECT:
            direct[connection.client.host, connection.server.host].append(connection)
    for (client, server), routes in ways.items():
        own = direct.get((client, server))
        if own:
            nears = tuple(evidence.connections[route.client_connection] for route in routes)
            fact = Ways(server, tuple(own), tuple(routes), nears)
            both = tuple(dict.fromkeys(connection.id for connection in (*nears, *own)))
            yield Sign(fact, (), (nears[0].packets[0], own[0].packets[0]), both, confidence=min(route.confidence for route in routes))


def why(tell: Tell[Ways]) -> str:
    fact, first = tell.first.fact, tell.first
    return (
        f"{tell.connection.client.host} reaches {fact.server} directly with {counted(len(fact.direct), 'connection')}, the first {fact.direct[0].id} "
        f"({tell.packet(first.packets[1])}). It also goes through the proxy {fact.routes[0].proxy_host} with {counted(len(fact.routes), 'connection')}, "
        f"the first {fact.near[0].id} ({tell.packet(first.packets[0])})."
    )


OPINION = Opinion(
    title=lambda tell: f"{tell.connection.client.host} reaches {tell.first.fact.server} directly and through a proxy",
    name="A client reaches one server directly and through a proxy",
    severity=Severity.INFO,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference=microsoft.SENDS_DIRECTLY,
    advice=(
        "If the proxy is not wanted, take the server out of it on the client. Programs that read the environment (pywinrm, pypsrp): NO_PROXY. "
        "Ansible: ansible_psrp_ignore_proxy. Windows' own client: the bypass list of netsh winhttp set proxy."
    ),
    see=see,
    why=why,
    each=alone,
)
