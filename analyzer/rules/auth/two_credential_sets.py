"""The client needs two sets of credentials.

What it sees
    On one connection of a client (or on a CONNECT and the connection inside its tunnel) credentials for the proxy and credentials for the server, of different
    users.
Why it matters
    Two accounts, two passwords and two places where the logon can fail: error messages rarely say which one did. Microsoft's page names it as an issue of
    proxies.
When it is wrong
    It is often meant to be so. Where an identity does not travel in clear (Kerberos, CredSSP) the two cannot be compared and nothing is said.
Needs
    The client's leg.
Reference
    Proxy Servers and WinRM, sentences 120 and 126.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import finding, first_packet, name, packet, request, who

RULE = "auth.two-credential-sets"
TITLE = "The client needs one set of credentials for the proxy and another for the server"
SEVERITY = Severity.INFO
REFERENCE = "Proxy Servers and WinRM, sentence 126"
ADVICE = "Nothing has to change. When a logon fails, look first which of the two was refused: 407 is the proxy's answer, 401 the server's."


class Both(Struct, frozen=True, gc=False):
    """What a client told the proxy, and what it told the server."""

    proxy: Conversation
    server: Conversation


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, proxy and pair of users."""
    groups: dict[tuple[str, str, int, str, str], list[Both]] = defaultdict(list)
    for connection in evidence.connections.values():
        if connection.id in evidence.winrm:
            outer = connection.tunnel_of or connection.id
            for both in _pairs(evidence, outer, connection.id):
                groups[connection.client.host, connection.server.host, connection.server.port, _user(both.proxy), _user(both.server)].append(both)
    for group in groups.values():
        yield _finding(evidence, group)


def _pairs(evidence: Evidence, outer: str, inner: str) -> Iterator[Both]:
    proxies = [found for found in evidence.conversations_of.get(outer, ()) if found.audience is Audience.PROXY and _user(found)]
    for server in evidence.conversations_of.get(inner, ()):
        if server.audience is Audience.SERVER and _user(server):
            yield from (Both(proxy, server) for proxy in proxies[:1] if _differ(proxy, server))


def _user(conversation: Conversation) -> str:
    return who(conversation) or ""


def _differ(one: Conversation, other: Conversation) -> bool:
    """Different users; a domain that only one of them names is no difference."""
    a, b = one.client, other.client
    return (a.user or "").lower() != (b.user or "").lower() or (bool(a.domain and b.domain) and (a.domain or "").lower() != (b.domain or "").lower())


def _finding(evidence: Evidence, group: list[Both]) -> Finding:
    first = group[0]
    proxy_first, server_first = evidence.exchanges[first.proxy.exchanges[0]], evidence.exchanges[first.server.exchanges[-1]]
    packets = [*first_packet(request(proxy_first)), *first_packet(request(server_first))]
    why = (
        f"{name(evidence.connections[first.proxy.connection])}: the client gives the proxy {first.proxy.mechanism.value} credentials of {who(first.proxy)} "
        f"({proxy_first.id}, {packet(evidence, packets[0]) if packets else ''}) and the server {first.server.mechanism.value} credentials of "
        f"{who(first.server)} ({server_first.id}, {packet(evidence, packets[-1]) if packets else ''})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[identity for both in group for identity in (both.proxy.connection, both.server.connection)],
        exchanges=[identity for both in group for identity in (both.proxy.exchanges[0], both.server.exchanges[-1])],
        packets=packets,
        user=who(first.server),
    )
