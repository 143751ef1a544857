"""HTTP/2 was chosen where WinRM authenticates the connection.

What it sees
    A TLS connection of WinRM (to its port, in a tunnel to it, or a leg of one) on which the server chose ``h2`` by ALPN. The confidence is higher when NTLM,
    Kerberos or CredSSP was seen towards the same server, from the same client or on the other leg.
Why it matters
    NTLM and Negotiate authenticate a TCP connection, and HTTP/2 carries many clients' requests side by side on one. Windows therefore does not offer them over
    HTTP/2 and asks for HTTP/1.1 again; what cannot fall back does not get past 401.
When it is wrong
    With certificates or Basic nothing is bound to the connection, and HTTP/2 works where the server speaks it. HTTP/2 without TLS is not seen.
Needs
    The server's hello; with TLS 1.3 a key log that holds the server's handshake secret.
Reference
    RFC 4559 section 6; RFC 9113 sections 3.2 and 7 (HTTP_1_1_REQUIRED); Microsoft, HTTP/2 on IIS.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, handshakes, name, packet

RULE = "http.h2-with-connection-auth"
TITLE = "HTTP/2 where WinRM authenticates connections"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 4559 section 6; RFC 9113 section 7"
HOW = Advice(
    "Leave HTTP/1.1 as the only protocol for WinRM on both sides of the proxy",
    Topic.ALPN,
    ", or pass 5986 on as TCP.",
)
ADVICE = HOW.text()
_CHOSEN = "h2"
_SEEN, _EXPECTED = 0.9, 0.6


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        chosen = connection.tls is not None and connection.tls.application_protocol == _CHOSEN
        if chosen and connection.id in evidence.winrm and connection.packets:
            groups[connection.client.host, connection.server.host, connection.server.port].append(connection)
    for group in groups.values():
        yield _finding(evidence, group)


def _authenticates(evidence: Evidence, group: list[Connection]) -> str | None:
    """The mechanism of a handshake that shares the client, the server or a route with these connections."""
    hosts = {(one.client.host, one.server) for one in group}
    routes = [route for route in evidence.routes if not {one.id for one in group}.isdisjoint((route.client_connection, *route.upstream_connections))]
    legs = {identity for route in routes for identity in (route.client_connection, *route.upstream_connections)}
    for found in handshakes(evidence):
        own = evidence.connections[found.connection]
        if own.id in legs or any(own.client.host == client or own.server.host == server.host for client, server in hosts):
            return found.mechanism.value
    return None


def _finding(evidence: Evidence, group: list[Connection]) -> Finding:
    first = group[0]
    mechanism = _authenticates(evidence, group)
    why = (
        f"On {counted(len(group), 'TLS connection')} from {first.client.host} to {first.server.host}:{first.server.port} the server chose HTTP/2: the first is "
        f"{name(first)}, which begins with {packet(evidence, first.packets[0])}. "
    )
    why += f"WinRM was authenticated by {mechanism} elsewhere here, which HTTP/2 cannot carry." if mechanism else "NTLM and Negotiate cannot go over it."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=_SEEN if mechanism else _EXPECTED,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[connection.id for connection in group],
        exchanges=[],
        packets=[connection.packets[0] for connection in group],
    )
