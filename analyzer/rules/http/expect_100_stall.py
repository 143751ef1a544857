"""The client waits in vain for leave to send its body.

What it sees
    A request with ``Expect: 100-continue`` whose body began at least one second after its head, with no 100 before it.
Why it matters
    Every such request costs that second. Some devices in between answer neither 100 nor anything else, and some clients give up.
When it is wrong
    A busy server or a slow link delays the 100 as well; where it came before the body nothing is counted.
Needs
    A direct connection or the client's leg.
Reference
    RFC 9110 section 10.1.1.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, header, identity, name, packet, packets_of, request, seconds, winrm_exchanges

RULE = "http.expect-100-stall"
TITLE = "The client waits in vain for 100 Continue"
SEVERITY = Severity.LOW
REFERENCE = "RFC 9110 section 10.1.1"
ADVICE = (
    "Turn the expectation off in the client (curl: -H 'Expect:'; .NET: ServicePointManager.Expect100Continue = false), or let the device in between answer or "
    "pass on 100 (nginx and haproxy answer it by themselves)."
)
_STALL_NS = 1_000_000_000


class Stall(Struct, frozen=True, gc=False):
    """An exchange, how long the client waited, and the packet with which the body began."""

    exchange: Exchange
    waited_ns: int
    packet: int


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Stall]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        stall = None if exchange.id in evidence.far else _stall(evidence, exchange)
        if stall is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(stall)
    for group in groups.values():
        yield _finding(evidence, group)


def _stall(evidence: Evidence, exchange: Exchange) -> Stall | None:
    asked = request(exchange)
    if asked is None or (header(asked, "expect") or "").lower() != "100-continue" or not asked.body.spans or not asked.body.spans[0].size:
        return None
    extents = evidence.connections[exchange.connection].to_server.extents
    place = bisect_right(extents.stream_at, asked.body.spans[0].at) - 1
    if place < 0 or extents.stream_at[place] + extents.size[place] <= asked.body.spans[0].at:
        return None
    began_ns = extents.ts_ns[place]
    allowed = any(interim.ts_ns <= began_ns for interim in exchange.interim)
    return None if allowed or began_ns - asked.first_ns < _STALL_NS else Stall(exchange, began_ns - asked.first_ns, extents.packet[place])


def _finding(evidence: Evidence, group: list[Stall]) -> Finding:
    first = group[0]
    members = [stall.exchange for stall in group]
    packets = packets_of(members)
    why = (
        f"{counted(len(group), 'request')} of {name(evidence.connections[first.exchange.connection])} waited for 100 Continue, got none and sent the body "
        f"after {seconds(first.waited_ns)}: the first is {first.exchange.id}, {packet(evidence, packets[0])}, its body in {packet(evidence, first.packet)}."
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
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=[*(stall.packet for stall in group), *packets],
        user=identity(evidence, first.exchange.connection),
    )
