"""The proxy and the server get the same account's credentials, the proxy without TLS.

What it sees
    On one connection of a client (or on a CONNECT and the connection inside its tunnel) credentials for the proxy and for the server of the same user, by name
    and by domain where both give one, while the connection to the proxy is not TLS.
Why it matters
    What the proxy's hop gives away (a password with Basic, a response that can be broken offline with NTLM) opens the server as well.
When it is wrong
    Single sign-on is often meant to be so. Where an identity does not travel in clear (Kerberos, CredSSP) nothing is said.
Needs
    The client's leg.
Reference
    Proxy Servers and WinRM, sentences 119, 120 and 126.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import finding, first_packet, name, packet, request, who

RULE = "auth.same-identity-both-hops"
TITLE = "The proxy gets the same account as the server, without TLS"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 120"
ADVICE = (
    "Give the proxy an account of its own without rights on servers, or reach it by TLS (squid: https_port) or by Kerberos (squid: auth_param negotiate with a "
    "keytab); WinRM clients: New-PSSessionOption -ProxyCredential."
)


class Both(Struct, frozen=True, gc=False):
    """What a client told the proxy, and what it told the server."""

    proxy: Conversation
    server: Conversation


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, proxy and user."""
    groups: dict[tuple[str, str, int, str], list[Both]] = defaultdict(list)
    for connection in evidence.connections.values():
        outer = evidence.connections[connection.tunnel_of or connection.id]
        if connection.id in evidence.winrm and outer.protocol != "tls":
            for both in _pairs(evidence, outer.id, connection.id):
                groups[connection.client.host, outer.server.host, outer.server.port, (both.server.client.user or "").lower()].append(both)
    for group in groups.values():
        yield _finding(evidence, group)


def _pairs(evidence: Evidence, outer: str, inner: str) -> Iterator[Both]:
    proxies = [found for found in evidence.conversations_of.get(outer, ()) if found.audience is Audience.PROXY and who(found)]
    servers = [found for found in evidence.conversations_of.get(inner, ()) if found.audience is Audience.SERVER and who(found)]
    yield from (Both(proxy, server) for server in servers for proxy in proxies[:1] if _same(proxy, server))


def _same(one: Conversation, other: Conversation) -> bool:
    a, b = one.client, other.client
    domains = {domain.lower() for domain in (a.domain, b.domain) if domain}
    return (a.user or "").lower() == (b.user or "").lower() and len(domains) < 2


def _finding(evidence: Evidence, group: list[Both]) -> Finding:
    first = group[0]
    proxy_first, server_last = evidence.exchanges[first.proxy.exchanges[0]], evidence.exchanges[first.server.exchanges[-1]]
    packets = [*first_packet(request(proxy_first)), *first_packet(request(server_last))]
    why = (
        f"{name(evidence.connections[first.proxy.connection])}: the client gives the proxy {first.proxy.mechanism.value} credentials of {who(first.proxy)} "
        f"({proxy_first.id}, {packet(evidence, packets[0]) if packets else ''}) without TLS, and the server {first.server.mechanism.value} credentials of the "
        f"same user ({server_last.id}, {packet(evidence, packets[-1]) if packets else ''})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[identity for both in group for identity in (both.proxy.connection, both.server.connection)],
        exchanges=[identity for both in group for identity in (both.proxy.exchanges[0], both.server.exchanges[-1])],
        packets=packets,
        user=who(first.server),
        attack=("T1040",),
    )
