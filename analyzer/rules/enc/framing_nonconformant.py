"""Sealed bodies are framed in another way than the specification says.

What it sees
    Multipart bodies of sealed messages that the reader had to complain about although they were wholly captured: a part without delimiter, a head that is not
    understood, a token header that does not fit. What could be read of them was read.
Why it matters
    Strict receivers refuse such messages, and tools may show wrong bytes. The same mark in one client's messages only names the program that made them.
When it is wrong
    Exchange, Windows Event Forwarding and WinRb all write it a little differently, in ways that are read here without complaint.
Needs
    The whole body.
Reference
    MS-WSMV 2.2.9.1.1.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.rules.reading import counted, finding, first_packet, header, identity, listed, name, packet, packets_of, request, response

RULE = "enc.framing-nonconformant"
TITLE = "Sealed bodies with unusual framing"
SEVERITY = Severity.INFO
REFERENCE = "MS-WSMV 2.2.9.1.1.2"
ADVICE = "Report it to the maker of the program that sends these bodies; where messages are refused, compare them byte by byte with MS-WSMV 2.2.9.1.1.2."
_CODE = "sealing.malformed"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    places: dict[tuple[str, str, int], list[tuple[Issue, Exchange]]] = defaultdict(list)
    for issue in evidence.issues:
        exchange = evidence.exchanges.get((issue.record or "").rpartition(".")[0])
        if issue.code == _CODE and exchange is not None and exchange.id not in evidence.far and exchange.connection in evidence.winrm:
            connection = evidence.connections[exchange.connection]
            places[connection.client.host, connection.server.host, connection.server.port].append((issue, exchange))
    for group in places.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[tuple[Issue, Exchange]]) -> Finding:
    issue, exchange = group[0]
    half = request(exchange) if (issue.record or "").endswith(".q") else response(exchange)
    packets = packets_of(found for _, found in group)
    key = (*first_packet(half), *packets)[0]
    program = header(request(exchange), "user-agent")
    why = (
        f"{counted(len(group), 'sealed body', 'sealed bodies')} of {name(evidence.connections[exchange.connection])}{f', {program},' if program else ''} "
        f"{'does' if len(group) == 1 else 'do'} not follow the specification: {listed(found.detail for found, _ in group)}. The first is {issue.record}, "
        f"{packet(evidence, key)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[found.connection for _, found in group],
        exchanges=[found.id for _, found in group],
        packets=packets,
        user=identity(evidence, exchange.connection),
    )
