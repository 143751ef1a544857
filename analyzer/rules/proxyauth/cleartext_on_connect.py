"""The client gives a proxy its credentials over plain TCP with CONNECT.

What it sees
    Proxy-Authorization in a CONNECT to a WinRM endpoint, on a connection to the proxy that is not TLS.
Why it matters
    What follows in the tunnel may be protected; the proxy's credentials are not. With Basic the password is readable, with NTLM it can be guessed offline.
When it is wrong
    Never about the fact. It is the usual way to use an authenticating proxy; how grave it is depends on the network between client and proxy.
Needs
    The client's leg.
Reference
    Proxy Servers and WinRM, sentences 119 and 154; RFC 7617 section 4.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, header, listed, name, packet, packets_of, request, who, winrm_exchanges

RULE = "proxyauth.cleartext-on-connect"
TITLE = "Proxy credentials over plain TCP"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 154"
ADVICE = "Use Kerberos towards the proxy, or a proxy that is itself reached over TLS; do not use an account for the proxy that may do anything else."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        asked = request(exchange)
        if asked is not None and asked.method == "CONNECT" and header(asked, "proxy-authorization") is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    connections = list(dict.fromkeys(exchange.connection for exchange in group))
    spoken = [found for identity in connections for found in evidence.conversations_of.get(identity, ()) if found.audience is Audience.PROXY]
    basic = any(found.mechanism is Mechanism.BASIC for found in spoken)
    user = next((name_ for found in spoken if (name_ := who(found))), None)
    asked = request(first)
    packets = packets_of(group)
    why = (
        f"On {name(evidence.connections[first.connection])} {counted(len(group), 'CONNECT')} carried credentials for the proxy "
        f"({listed(found.mechanism.value for found in spoken)}{f', user {user}' if user else ''}) without TLS: the first is {first.id}, "
        f"{packet(evidence, packets[0]) if packets else ''}, to {asked.target if asked else ''}."
    )
    why += " With Basic the password is readable there." if basic else ""
    return finding(
        evidence,
        rule=RULE,
        severity=Severity.HIGH if basic else SEVERITY,
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
