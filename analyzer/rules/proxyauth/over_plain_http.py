"""The client authenticates to the proxy over plain HTTP, for a request that goes on over plain HTTP.

What it sees
    A 407, or a Proxy-Authorization header, on a connection without TLS, for a request with an absolute http:// target to a WinRM endpoint.
Why it matters
    If the proxy requires authentication, WinRM clients and servers must use HTTPS: here both sets of credentials pass in the same clear stream. With Basic the
    proxy's password is readable.
When it is wrong
    Never about the fact.
Needs
    The client's leg.
Reference
    Proxy Servers and WinRM, sentences 119, 120 and 126.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, header, listed, name, packet, packets_of, request, response, status, who, winrm_exchanges

RULE = "proxyauth.over-plain-http"
TITLE = "Proxy authentication over plain HTTP"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 119"
ADVICE = "Use HTTPS to the server (port 5986, so that the proxy is asked with CONNECT), or let the proxy pass WinRM without authentication."
_PROXY_DEMAND = 407


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        connection = evidence.connections[exchange.connection]
        if connection.protocol != "tls" and _asks_proxy(exchange):
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        if any(header(request(exchange), "proxy-authorization") is not None for exchange in group):
            yield _finding(evidence, group)


def _asks_proxy(exchange: Exchange) -> bool:
    asked = request(exchange)
    if asked is None or asked.method == "CONNECT" or not asked.target.lower().startswith("http://"):
        return False
    return status(exchange) == _PROXY_DEMAND or header(asked, "proxy-authorization") is not None


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    connections = list(dict.fromkeys(exchange.connection for exchange in group))
    spoken = [found for identity in connections for found in evidence.conversations_of.get(identity, ()) if found.audience is Audience.PROXY]
    schemes = listed([found.mechanism.value for found in spoken]) or listed(
        [(header(response(exchange), "proxy-authenticate") or "unknown").split(" ")[0] for exchange in group]
    )
    basic = any(found.mechanism is Mechanism.BASIC for found in spoken)
    user = next((name_ for found in spoken if (name_ := who(found))), None)
    demanded = sum(status(exchange) == _PROXY_DEMAND for exchange in group)
    given = sum(header(request(exchange), "proxy-authorization") is not None for exchange in group)
    packets = packets_of(group)
    asked = request(first)
    why = (
        f"On {name(evidence.connections[first.connection])} the proxy asked for authentication {counted(demanded, 'time')} and the client gave proxy "
        "credentials "
        f"{counted(given, 'time')} ({schemes}{f', user {user}' if user else ''}) without TLS, for {asked.target if asked else 'a WinRM endpoint'}; "
        "the first is "
        f"{first.id}, {packet(evidence, packets[0]) if packets else ''}."
    )
    if basic:
        why += " With Basic the proxy password is readable in these packets."
    return finding(
        evidence,
        rule=RULE,
        severity=Severity.CRITICAL if basic else SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=connections,
        exchanges=[exchange.id for exchange in group],
        packets=packets,
        user=user,
    )
