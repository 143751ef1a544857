"""Nobody listens at the WinRM port, or nobody answers there.

What it sees
    A connection attempt to a WinRM port that was answered by a RST, or by nothing: at least two SYN without any packet of the server, not at the end of the
    capture; while no connection between the same hosts to the same port succeeded within 30 seconds.
Why it matters
    The service does not run, listens on another port, or a firewall is in the way. Through a proxy the client only sees a 502, 503 or 504.
When it is wrong
    When the capture shows the client's direction only, every attempt would look unanswered; attempts that went on to send data are not counted. A port scan
    looks the same as a client that cannot reach many servers. Where an ICMP error answered, tcp.icmp-error tells it.
Needs
    The leg to the server, both directions.
Reference
    RFC 9293 section 3.5.2; MS-WSMV 2.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.capture import IcmpKind
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Connection, End, Side
from analyzer.rules.reading import counted, finding, listed, name, packet, packets_of, response, status

RULE = "tcp.service-unreachable"
TITLE = "The WinRM service cannot be reached"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 9293 section 3.5.2"
ADVICE = (
    "On the server: check that the service runs and has a listener (winrm quickconfig; winrm enumerate winrm/config/listener), and the firewall rule for ports "
    "5985 and 5986; on the way: firewalls between the two hosts."
)
_GATEWAY = (502, 503, 504)
_AROUND_NS = 30_000_000_000
_SETTLED_NS = 3_000_000_000
_LEAST_TRIES = 2


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host."""
    groups: dict[str, list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        if connection.id in evidence.winrm and _failed(evidence, connection) and not _worked_around_it(evidence, connection):
            groups[connection.client.host].append(connection)
    for group in groups.values():
        yield _finding(evidence, group)


def _failed(evidence: Evidence, connection: Connection) -> bool:
    if any(error.kind is not IcmpKind.TOO_BIG for error in evidence.icmp.get(connection.id, ())):
        return False  # tcp.icmp-error tells who refused it
    if connection.established or connection.syn is None or connection.to_server.size or connection.to_client.size:
        return False
    if _refused(connection):
        return True
    ends = evidence.captures[connection.capture].last_ns or connection.last_ns
    return connection.end is End.OPEN and len(connection.packets) >= _LEAST_TRIES and ends - connection.first_ns >= _SETTLED_NS


def _refused(connection: Connection) -> bool:
    return connection.end is End.RESET and connection.ended_by is Side.SERVER


def _worked_around_it(evidence: Evidence, connection: Connection) -> bool:
    return any(
        other.client.host == connection.client.host and other.server == connection.server and abs(other.first_ns - connection.first_ns) <= _AROUND_NS
        for other in evidence.connections.values()
        if other.established and other.tunnel_of is None
    )


def _finding(evidence: Evidence, group: list[Connection]) -> Finding:
    first = group[0]
    refused = sum(_refused(connection) for connection in group)
    nears = list({exchange.id: exchange for connection in group for exchange in _gateway_errors(evidence, connection)}.values())
    closing = first.closings[0].packet if first.closings else first.packets[-1]
    why = (
        f"{counted(len(group), 'connection attempt')} of {first.client.host} to {listed(f'{one.server.host}:{one.server.port}' for one in group)} failed: "
        f"{refused} refused by RST, {len(group) - refused} unanswered. The first is {name(first)}, {packet(evidence, first.packets[0])} "
        f"to {packet(evidence, closing)}."
    )
    if nears:
        told = response(nears[0])
        why += (
            f" Meanwhile the proxy answered {counted(len(nears), 'request')} with {listed(str(status(near)) for near in nears)}: {nears[0].id}"
            f"{f', {packet(evidence, told.packets[0])}' if told and told.packets else ''}."
        )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9 if refused else 0.7,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(connection.id for connection in group), *(near.connection for near in nears)],
        exchanges=[near.id for near in nears],
        packets=[*(key for connection in group for key in (connection.packets[0], connection.packets[-1])), *packets_of(nears)],
    )


def _gateway_errors(evidence: Evidence, connection: Connection) -> Iterator[Exchange]:
    """Requests that a proxy answered by itself and that were under way when this attempt was made, by one clock."""
    for exchange in evidence.exchanges.values():
        answer = response(exchange)
        own = answer is not None and answer.status in _GATEWAY and exchange.capture == connection.capture and exchange.connection in evidence.winrm
        if own and answer is not None and evidence.connections[exchange.connection].first_ns <= connection.first_ns <= answer.last_ns:
            yield exchange
