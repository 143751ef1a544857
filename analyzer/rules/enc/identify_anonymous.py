"""Somebody asks what the server is, without authentication.

What it sees
    An Identify request answered 2xx without credentials: with the field ``WSMANIDENTIFY: unauthenticated``, to the path /wsman-anon/identify, or with a
    readable Identify body, on a connection that nothing had authenticated.
Why it matters
    The answer names product and version. Management tools ask it before they log on; so do scanners.
When it is wrong
    It is allowed by design and harmless by itself.
Needs
    A direct connection or the client's leg.
Reference
    DSP0226 section 11.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import authenticated, counted, finding, header, listed, message, name, packet, packets_of, request, status, winrm_exchanges

RULE = "enc.identify-anonymous"
TITLE = "The server is asked what it is, without authentication"
SEVERITY = Severity.INFO
REFERENCE = "DSP0226 section 11"
ADVICE = "Nothing has to change where the client is known. Otherwise find out who scans, and close the WinRM ports to that network."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host; the upstream leg is left out where the client's is known."""
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        if exchange.id not in evidence.far and _is_anonymous_identify(evidence, exchange):
            groups[evidence.connections[exchange.connection].client.host].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _is_anonymous_identify(evidence: Evidence, exchange: Exchange) -> bool:
    asked, code = request(exchange), status(exchange)
    if asked is None or code is None or not 200 <= code < 300 or header(asked, "authorization") is not None:
        return False
    found = message(evidence, asked)
    identify = header(asked, "wsmanidentify") is not None or "/wsman-anon" in asked.target.lower() or (found is not None and found.operation == "Identify")
    return identify and authenticated(evidence, exchange) is None


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = evidence.connections[group[0].connection]
    servers = [evidence.connections[exchange.connection].server for exchange in group]
    packets = packets_of(group)
    why = (
        f"{first.client.host} asked {listed(f'{server.host}:{server.port}' for server in servers)} for its product {counted(len(group), 'time')} without "
        f"credentials and was answered: the first is {group[0].id} on {name(first)}, {packet(evidence, packets[0])}"
        f"{f', by {program}' if (program := header(request(group[0]), 'user-agent')) else ''}."
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
        exchanges=[exchange.id for exchange in group],
        packets=packets,
        attack=("T1046",) if len(set(servers)) > 1 else (),
    )
