"""Plain HTTP inside a CONNECT tunnel.

What it sees
    A CONNECT through a proxy that was answered 2xx, and WinRM over HTTP without TLS in what follows.
Why it matters
    A tunnel keeps the client's connection and the server's together, so authentication works; but it protects nothing: the proxy and everybody on the path read
    what is not sealed, first of all Basic credentials and clear-text SOAP.
When it is wrong
    Sealed messages stay sealed in a tunnel; then only the authentication and the sizes are readable.
Needs
    The client's leg.
Reference
    Proxy Servers and WinRM, sentences 118 and 152.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, identity, message, name, packet, packets_of, request, response

RULE = "proxy.plain-http-in-connect"
TITLE = "Plain HTTP inside a CONNECT tunnel"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 118"
ADVICE = "Use HTTPS through the tunnel: port 5986 with a certificate on the server."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        if connection.tunnel_of is not None and connection.protocol == "http" and connection.id in evidence.winrm and evidence.exchanges_of[connection.id]:
            groups[connection.client.host, connection.server.host, connection.server.port].append(connection)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Connection]) -> Finding:
    first = group[0]
    outers = [outer for connection in group if (outer := connection.tunnel_of) is not None]
    asked = request(evidence.exchanges_of[outers[0]][-1])
    inside = [exchange for connection in group for exchange in evidence.exchanges_of[connection.id]]
    found = [message(evidence, half) for exchange in inside for half in (request(exchange), response(exchange))]
    clear = sum(one is not None and one.protection is Protection.CLEAR for one in found)
    sealed = sum(one is not None and one.protection is Protection.SEALED for one in found)
    packets = packets_of(inside)
    why = (
        f"CONNECT {asked.target if asked else ''} on {name(evidence.connections[outers[0]])} opened a tunnel, and "
        f"{counted(len(inside), 'HTTP exchange')} without TLS went through ({clear} messages readable, {sealed} sealed): the first is {inside[0].id}, "
        f"{packet(evidence, packets[0]) if packets else ''}."
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
        connections=[*outers, *(connection.id for connection in group)],
        exchanges=[*(evidence.exchanges_of[outer][-1].id for outer in outers), *(exchange.id for exchange in inside)],
        packets=[*packets_of(evidence.exchanges_of[outer][-1] for outer in outers), *packets],
        user=identity(evidence, first.id),
    )
