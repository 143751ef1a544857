"""Requests that wait for output are cut off after a fixed time.

What it sees
    At least two authenticated requests of one client to one place that had waited for 20 seconds or more when the far side ended the connection or answered
    504, all after the same time, within 5 %.
Why it matters
    Receive waits at the server until there is output, up to its OperationTimeout (60 seconds and more). A device that gives up before loses output, and the
    client reports a broken shell while the command still runs.
When it is wrong
    A server that stops ends what waits as well, but not at one constant time.
Needs
    A direct connection or the client's leg, to the end of the connections.
Reference
    MS-WSMV 3.1.4.1.39; RFC 9110 section 15.6.5.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    authenticated,
    counted,
    finding,
    first_packet,
    identity,
    listed,
    name,
    packet,
    packets_of,
    request,
    response,
    seconds,
)

RULE = "tcp.longpoll-cut"
TITLE = "Waiting requests are cut off"
SEVERITY = Severity.MEDIUM
REFERENCE = "MS-WSMV 3.1.4.1.39"
HOW = Advice(
    "Raise the response timeout of the device above the client's OperationTimeout",
    Topic.IDLE,
    ", or lower OperationTimeout (New-PSSessionOption -OperationTimeout; pywinrm: operation_timeout_sec).",
)
ADVICE = HOW.text()
_WAITED_NS = 20_000_000_000
_TOLERANCE = 0.05
_GATEWAY_TIMEOUT = 504
_LEAST = 2


class Cut(Struct, frozen=True, gc=False):
    """A request, how long it had waited, what happened, and in which packet."""

    exchange: Exchange
    waited_ns: int
    how: str
    packet: int


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Cut]] = defaultdict(list)
    for connection in evidence.connections.values():
        exchanges = evidence.exchanges_of.get(connection.id, ())
        own = connection.id in evidence.winrm and bool(exchanges) and exchanges[-1].id not in evidence.far
        cut = _cut(evidence, exchanges[-1]) if own else None
        if cut is not None:
            groups[connection.client.host, connection.server.host, connection.server.port].append(cut)
    for group in groups.values():
        usual = sorted(cut.waited_ns for cut in group)[len(group) // 2]
        alike = [cut for cut in group if abs(cut.waited_ns - usual) <= _TOLERANCE * usual]
        if len(alike) >= _LEAST:
            yield _finding(evidence, alike)


def _cut(evidence: Evidence, exchange: Exchange) -> Cut | None:
    """The last exchange of a connection, when it had waited."""
    asked, answer = request(exchange), response(exchange)
    connection = evidence.connections[exchange.connection]
    if asked is None or not asked.body.size or authenticated(evidence, exchange) is None:
        return None
    if answer is not None:
        waited_ns = answer.first_ns - asked.last_ns
        timed_out = answer.status == _GATEWAY_TIMEOUT and waited_ns >= _WAITED_NS and bool(answer.packets)
        return Cut(exchange, waited_ns, "504", answer.packets[0]) if timed_out else None
    closing = next(iter(connection.closings), None)
    if closing is None or closing.side is not Side.SERVER or closing.ts_ns - asked.last_ns < _WAITED_NS:
        return None
    unseen = any(gap.stream_at + gap.size > _answered_to(evidence, exchange) for gap in connection.to_client.gaps)
    said = closing.stream_at > _answered_to(evidence, exchange)
    return None if unseen or said else Cut(exchange, closing.ts_ns - asked.last_ns, closing.kind.value, closing.packet)


def _answered_to(evidence: Evidence, exchange: Exchange) -> int:
    """Where the server's stream stood when the request was made."""
    ends = [answer.end_at for other in evidence.exchanges_of[exchange.connection] if (answer := response(other)) is not None]
    return max(ends, default=0)


def _finding(evidence: Evidence, group: list[Cut]) -> Finding:
    first = group[0]
    members = [cut.exchange for cut in group]
    asked = first_packet(request(first.exchange))
    why = (
        f"{counted(len(group), 'waiting request')} of {name(evidence.connections[first.exchange.connection])} and others were cut off "
        f"({listed(cut.how for cut in group)}) after {listed(seconds(cut.waited_ns) for cut in group)}: the first is {first.exchange.id}, "
        f"{packet(evidence, asked[0]) if asked else ''}, cut off in {packet(evidence, first.packet)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.7,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=[*(cut.packet for cut in group), *packets_of(members)],
        user=identity(evidence, first.exchange.connection),
    )
