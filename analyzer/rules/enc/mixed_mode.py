"""Sealed and clear-text messages on the same connection.

What it sees
    On one connection without TLS a sealed request, and a request with a readable SOAP envelope that was answered 2xx.
Why it matters
    Both sides can seal, and yet some requests travel readable and changeable. The server accepts them, so that anybody who can put a request on this
    connection is served.
When it is wrong
    A client that tried in clear, was refused and sealed from then on is not counted.
Needs
    One leg.
Reference
    MS-WSMV 2.2.9.1; Proxy Servers and WinRM, sentences 151 and 152.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.reading import counted, finding, identity, is_clear, message, name, packet, packets_of, request, status

RULE = "enc.mixed-mode"
TITLE = "Sealed and clear-text messages on one connection"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 2.2.9.1"
ADVICE = "Set AllowUnencrypted to false on server and client, and find out which program sends the readable requests."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[tuple[list[Exchange], list[Exchange]]]] = defaultdict(list)
    for connection in evidence.connections.values():
        if connection.id not in evidence.winrm or connection.protocol != "http":
            continue
        own = [exchange for exchange in evidence.exchanges_of[connection.id] if exchange.id not in evidence.far]
        clear = [exchange for exchange in own if is_clear(message(evidence, request(exchange))) and (code := status(exchange)) and 200 <= code < 300]
        sealed = [exchange for exchange in own if (found := message(evidence, request(exchange))) and found.protection is Protection.SEALED]
        if clear and sealed:
            groups[connection.client.host, connection.server.host, connection.server.port].append((clear, sealed))
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[tuple[list[Exchange], list[Exchange]]]) -> Finding:
    clear = [exchange for found, _ in group for exchange in found]
    sealed = [exchange for _, found in group for exchange in found]
    clear_key, sealed_key = packets_of(clear[:1]), packets_of(sealed[:1])
    connection = evidence.connections[clear[0].connection]
    why = (
        f"{counted(len(clear), 'readable request')} and {counted(len(sealed), 'sealed one')} on {counted(len(group), 'connection')} of "
        f"{connection.client.host}: on "
        f"{name(connection)} {clear[0].id} is readable ({packet(evidence, clear_key[0])}, status {status(clear[0])}) and {sealed[0].id} is sealed "
        f"({packet(evidence, sealed_key[0])})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in clear],
        exchanges=[*(exchange.id for exchange in clear), sealed[0].id],
        packets=[*packets_of(clear), *packets_of(sealed[:1])],
        user=identity(evidence, connection.id),
    )
