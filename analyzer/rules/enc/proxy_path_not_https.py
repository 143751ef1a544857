"""WinRM goes through a proxy sealed, but not by HTTPS.

What it sees
    Sealed messages on a leg of a proxied path without TLS.
Why it matters
    The bodies are safe. The proxy still sees who works where and when, sizes, NTLM responses that can be guessed offline, and Kerberos tickets; and it decides
    which connection a request takes. The page asks for HTTPS.
When it is wrong
    It is allowed when the proxy itself needs no authentication, and often accepted.
Needs
    One leg with a sign of the proxy.
Reference
    Proxy Servers and WinRM, sentences 118, 122 and 123.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules.reading import counted, finding, identity, message, name, packet, packets_of, request, winrm_exchanges

RULE = "enc.proxy-path-not-https"
TITLE = "Sealed, but not HTTPS, through a proxy"
SEVERITY = Severity.INFO
REFERENCE = "Proxy Servers and WinRM, sentence 118"
ADVICE = (
    "Prefer HTTPS (winrm quickconfig -transport:https; clients: -UseSSL, port 5986) so that the proxy carries a tunnel and has no part in authentication and "
    "affinity."
)
_SHOWN = 8


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each pair of hosts on the leg; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence, Role.CLIENT_LEG, Role.UPSTREAM_LEG):
        connection = evidence.connections[exchange.connection]
        found = message(evidence, request(exchange))
        if connection.protocol != "tls" and exchange.id not in evidence.far and found is not None and found.protection is Protection.SEALED:
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = evidence.connections[group[0].connection]
    packets = packets_of(group[:_SHOWN])
    why = (
        f"{counted(len(group), 'sealed request')} of {first.client.host} went over {first.server.host}:{first.server.port} without TLS: the first is "
        f"{group[0].id} on {name(first)}, {packet(evidence, packets[0])}."
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
        connections=[exchange.connection for exchange in group],
        exchanges=[exchange.id for exchange in group[:_SHOWN]],
        packets=packets,
        user=identity(evidence, first.id),
    )
