"""A client that reaches a server directly also reaches it through a proxy.

What it sees
    WinRM connections of one client host to one server host both directly and through a proxy, where the last leg shows which server it is. Which clients are
    meant to go which way is not on the wire, so nothing is said of a client that goes one way only.
Why it matters
    Often nobody wanted the proxy: programs take it from the environment (HTTP_PROXY, HTTPS_PROXY) or from WinHTTP. Then half of the traffic passes a place that
    sees, and can break, what the other half keeps to itself.
When it is wrong
    Where both ways are meant, for example while a proxy is introduced, or for two programs with different settings.
Needs
    The direct connection, and both legs of the other one.
Reference
    Proxy Servers and WinRM, sentences 107, 108 and 160 to 162.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role, Route
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, name, packet, role

RULE = "proxy.unexpected"
TITLE = "A client goes to one server both directly and through a proxy"
SEVERITY = Severity.INFO
REFERENCE = "Proxy Servers and WinRM, sentences 107 and 108"
ADVICE = (
    "If the proxy is not wanted, take the server out of it on the client: NO_PROXY for programs that read the environment (pywinrm, pypsrp), "
    "ansible_psrp_ignore_proxy for Ansible, the bypass list of netsh winhttp set proxy for Windows' own client."
)


class Way(Struct, frozen=True, gc=False):
    """A route through a proxy, and its first connection of the client."""

    route: Route
    near: Connection


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client and server host."""
    direct: dict[tuple[str, str], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        spoken = connection.id in evidence.winrm and connection.established and bool(connection.packets)
        if spoken and role(evidence, connection.id) is Role.DIRECT and connection.tunnel_of is None:
            direct[connection.client.host, connection.server.host].append(connection)
    ways: dict[tuple[str, str], list[Way]] = defaultdict(list)
    for route in evidence.routes:
        near = evidence.connections[route.client_connection]
        for server in dict.fromkeys(evidence.connections[far].server.host for far in route.upstream_connections):
            if near.id in evidence.winrm and near.packets:
                ways[near.client.host, server].append(Way(route, near))
    for pair, group in ways.items():
        if pair in direct:
            yield _finding(evidence, pair, direct[pair], group)


def _finding(evidence: Evidence, pair: tuple[str, str], direct: list[Connection], ways: list[Way]) -> Finding:
    one, other = direct[0], ways[0]
    why = (
        f"{pair[0]} reaches {pair[1]} directly with {counted(len(direct), 'connection')}, the first {name(one)}, {packet(evidence, one.packets[0])}; and "
        f"through the proxy {other.route.proxy_host} with {counted(len(ways), 'connection')}, the first {name(other.near)}, "
        f"{packet(evidence, other.near.packets[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(way.route.confidence for way in ways),
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(way.near.id for way in ways), *(connection.id for connection in direct)],
        exchanges=[],
        packets=[other.near.packets[0], one.packets[0]],
    )
