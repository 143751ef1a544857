"""A request without any authentication is served.

What it sees
    A POST with a readable SOAP body other than Identify, on a connection without TLS that is known from its first byte, with no Authorization field on this
    request and no completed authentication before it on the connection, answered 2xx. Behind a proxy the upstream connection must be as bare.
Why it matters
    It is how CVE-2021-38647 (OMIGOD) looks: Open Management Infrastructure took requests without an Authorization field for root's. Whoever reaches the port
    runs commands as root.
When it is wrong
    A server that was set up to serve anonymous requests on purpose, a test double for example. Identify, which is anonymous by design, is not counted, nor are
    sealed requests and requests after a handshake.
Needs
    The connection from its beginning; both legs where there is a proxy (a host from which other clients' requests go on is one). Inside TLS a certificate
    may stand for the header: nothing is said there.
Reference
    CVE-2021-38647; ATT&CK T1190; RFC 9110 section 11.6.2.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from analyzer.records.auth import Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection, Endpoint
from analyzer.rules.reading import (
    counted,
    finding,
    header,
    is_clear,
    listed,
    message,
    name,
    packet,
    packets_of,
    request,
    role,
    status,
    upstream,
    winrm_exchanges,
)

RULE = "attack.omigod"
TITLE = "A request without authentication is served"
SEVERITY = Severity.CRITICAL
REFERENCE = "CVE-2021-38647"
ADVICE = (
    "Update OMI to 1.6.8-1 or newer (and the extensions that bring it), close ports 5985, 5986 and 1270 to everyone but the management network, and treat the "
    "host as compromised if the client is not yours."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    bare = {identity: _bare_to(evidence, connection) for identity, connection in evidence.connections.items() if identity in evidence.winrm}
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    passed_on = {evidence.connections[hop.near_connection].server for hop in evidence.hops}
    for exchange in winrm_exchanges(evidence, Role.DIRECT, Role.CLIENT_LEG):
        connection = evidence.connections[exchange.connection]
        if exchange.position <= bare[connection.id] and _is_served(evidence, exchange) and _is_bare_upstream(evidence, exchange, bare, passed_on):
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _bare_to(evidence: Evidence, connection: Connection) -> int:
    """The position of the last exchange up to which nothing can have authenticated the connection, and all of that was captured; 0 when there is none."""
    stream = connection.to_server
    begins = stream.begins and (connection.syn is not None or connection.tunnel_of is not None)
    accepted = any(found.outcome is Outcome.ACCEPTED for found in evidence.conversations_of.get(connection.id, ()))
    if connection.protocol == "tls" or not begins or accepted:
        return 0
    whole_to = min((gap.stream_at for gap in stream.gaps), default=stream.size)
    last = 0
    for exchange in evidence.exchanges_of.get(connection.id, ()):
        asked = request(exchange)
        if asked is None or asked.end_at > whole_to or header(asked, "authorization") is not None:
            break
        last = exchange.position
    return last


def _is_served(evidence: Evidence, exchange: Exchange) -> bool:
    asked, code = request(exchange), status(exchange)
    found = message(evidence, asked)
    if asked is None or asked.method != "POST" or code is None or not 200 <= code < 300:
        return False
    operation = None if found is None else found.operation
    return isinstance(operation, str) and is_clear(found) and header(asked, "wsmanidentify") is None


def _is_bare_upstream(evidence: Evidence, exchange: Exchange, bare: Mapping[str, int], passed_on: AbstractSet[Endpoint]) -> bool:
    """A connection to where other clients' requests are passed on is a leg of that proxy, although its own upstream leg is not known."""
    if role(evidence, exchange.connection) is Role.DIRECT and evidence.connections[exchange.connection].server not in passed_on:
        return True
    far = upstream(evidence, exchange.id)
    return far is not None and far.position <= bare.get(far.connection, 0)


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = evidence.connections[group[0].connection]
    fars = [far for exchange in group if (far := upstream(evidence, exchange.id)) is not None]
    operations = [found.operation for exchange in group if (found := message(evidence, request(exchange))) and isinstance(found.operation, str)]
    packets = packets_of(group)
    why = (
        f"{first.server.host}:{first.server.port} served {counted(len(group), 'request')} of {first.client.host} ({listed(operations)}) although neither the "
        f"request had an Authorization field nor the connection was authenticated: the first is {group[0].id} on {name(first)}, "
        f"{packet(evidence, packets[0]) if packets else ''}, status {status(group[0])}."
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
        connections=[*(exchange.connection for exchange in group), *(far.connection for far in fars)],
        exchanges=[*(exchange.id for exchange in group), *(far.id for far in fars)],
        packets=packets,
        attack=("T1190", "T1021.006"),
    )
