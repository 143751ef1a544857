"""A sealed request is answered in clear text.

What it sees
    A sealed request, and a 2xx response to it with a readable SOAP envelope, on a connection without TLS.
Why it matters
    The service must seal its answer to a sealed request. Here either the answer does not come from the service, or it gives away in clear what was asked for
    under seal.
When it is wrong
    A proxy's own page is no SOAP and belongs to http.non-wsman-reply.
Needs
    Request and response of one exchange.
Reference
    MS-WSMV 2.2.9.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.reading import counted, finding, identity, is_clear, message, name, packet, packets_of, request, response, status, winrm_exchanges

RULE = "enc.plain-reply-to-sealed"
TITLE = "A sealed request is answered in clear text"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 2.2.9.1"
ADVICE = "Compare with a capture taken at the server: find out who wrote the answer. Do not trust the content of such answers."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        connection = evidence.connections[exchange.connection]
        asked, answered, code = message(evidence, request(exchange)), message(evidence, response(exchange)), status(exchange)
        sealed = asked is not None and asked.protection is Protection.SEALED and connection.protocol != "tls"
        if sealed and is_clear(answered) and code is not None and 200 <= code < 300 and exchange.id not in evidence.far:
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    packets = packets_of(group)
    found = message(evidence, response(first))
    what = found.operation if found is not None and isinstance(found.operation, str) else "an envelope"
    why = (
        f"{counted(len(group), 'sealed request')} got a readable answer: the first is {first.id} on {name(evidence.connections[first.connection])} "
        f"({packet(evidence, packets[0])}), answered {status(first)} with {what} ({packet(evidence, packets_of([first])[-1])})."
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
        connections=[exchange.connection for exchange in group],
        exchanges=[exchange.id for exchange in group],
        packets=packets,
        user=identity(evidence, first.connection),
    )
