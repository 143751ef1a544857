"""The proxy opens a new connection to the server for every request.

What it sees
    At least three upstream connections of one proxy to one server that serve clients' connections with more than one exchange, and at least 80 % of them carry
    one exchange only.
Why it matters
    NTLM, Kerberos with several round trips and CredSSP authenticate the connection, so they cannot work at all; what works is authenticated anew each time.
When it is wrong
    A proxy that speaks HTTP/1.0 upstream closes by nature; that is http.1.0-downgrade and not counted here.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 145 to 147.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection, Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, identity, name, owner, packet, packets_of, request, role

RULE = "affinity.no-upstream-keepalive"
TITLE = "The proxy opens a new connection to the server for every request"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 146"
HOW = Advice(
    "Let the proxy keep the upstream connection for as long as the client's lives",
    Topic.KEEP,
)
ADVICE = HOW.text()
_LEAST = 3
_RATIO = 0.8
_OLD = "HTTP/1.0"


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each proxy and server."""
    groups: dict[tuple[str, str, int], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        if connection.id in evidence.winrm and role(evidence, connection.id) is Role.UPSTREAM_LEG and _serves_a_lasting_client(evidence, connection):
            groups[connection.client.host, connection.server.host, connection.server.port].append(connection)
    for group in groups.values():
        single = [connection for connection in group if len(evidence.exchanges_of[connection.id]) == 1]
        if len(single) >= _LEAST and len(single) >= _RATIO * len(group):
            yield _finding(evidence, group, single)


def _serves_a_lasting_client(evidence: Evidence, connection: Connection) -> bool:
    exchanges = evidence.exchanges_of[connection.id]
    owners = [found for exchange in exchanges if (found := owner(evidence, exchange.id)) is not None]
    modern = all((asked := request(exchange)) is not None and asked.version != _OLD for exchange in exchanges)
    return modern and any(len(evidence.exchanges_of[found.connection]) > 1 for found in owners)


def _finding(evidence: Evidence, group: list[Connection], single: list[Connection]) -> Finding:
    fars: list[Exchange] = [exchange for connection in single for exchange in evidence.exchanges_of[connection.id]]
    nears = [found for far in fars if (found := owner(evidence, far.id)) is not None]
    clients = list(dict.fromkeys(near.connection for near in nears))
    ended = sum(connection.ended_by is Side.CLIENT for connection in single)
    packets = packets_of(fars)
    why = (
        f"{len(single)} of {counted(len(group), 'upstream connection')} carried one exchange each, while {counted(len(clients), 'connection')} of clients had "
        f"{counted(sum(len(evidence.exchanges_of[client]) for client in clients), 'exchange')}. The first is {name(single[0])}, "
        f"{packet(evidence, packets[0]) if packets else ''}; the proxy ended {ended} of them first."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[*(connection.id for connection in single), *clients],
        exchanges=[*(far.id for far in fars), *(near.id for near in nears)],
        packets=packets,
        user=next((user for client in clients if (user := identity(evidence, client))), None),
    )
