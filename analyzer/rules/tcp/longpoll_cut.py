"""Requests that wait for output are cut off after a fixed time.

Detects
    At least two authenticated requests of one client to one place that had waited for 20 seconds or more when the other side ended the connection or answered
    504, all after the same time, within 5 %.
Impact
    Receive waits at the server until there is output, up to its OperationTimeout (60 seconds and more). A device that ends the wait earlier loses output, and
    the client reports a broken shell while the command still runs.
False positives
    A server that stops ends what waits as well, but not at one constant time.
Requires
    A direct connection or the client's side of a proxy, to the end of the connections.
References
    MS-WSMV 3.1.4.1.39; RFC 9110 section 15.6.5.
"""

from collections.abc import Iterator, Mapping

from analyzer.records.candidates import connections, of_kinds
from analyzer.records.http import Exchange
from analyzer.records.transport import Closing, Side
from analyzer.rules.asking import asked_at, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import authenticated, counted, grouped, identity, listed, logged_on, name, packets_of, request, response, seconds
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

WAITED = Param("waited", 20, "s", "how long a request must have waited")
TOLERANCE = Param("tolerance", 0.05, "share", "by how much the times may differ from the usual one")
LEAST = Param("least", 2, "requests", "how many requests it takes")
_GATEWAY_TIMEOUT = 504


class Cut(Fact, frozen=True):
    """A request, how long it had waited, and the packet that ended it: of a FIN or RST, or of a 504 where ``closing`` is None."""

    exchange: Exchange
    waited_ns: int
    packet: int
    closing: Closing | None


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Cut]:
    """One sign for each request that waited as long as the others."""
    cuts = [cut for cut in _cuts(evidence) if cut.waited_ns >= values["waited"] * 1e9]
    for group in grouped(cuts, lambda cut: evidence.connections[cut.exchange.connection]).values():
        usual = sorted(cut.waited_ns for cut in group)[len(group) // 2]
        alike = [cut for cut in group if abs(cut.waited_ns - usual) <= values["tolerance"] * usual]
        for cut in alike if len(alike) >= values["least"] else ():
            packets = (cut.packet, *packets_of([cut.exchange]))
            yield Sign(cut, (cut.exchange.id,), packets, user=identity(evidence, cut.exchange.connection))


def _cuts(evidence: Evidence) -> Iterator[Cut]:
    """The last exchanges of connections; the server's side is left out where the client's is known."""
    logged = logged_on(evidence)
    late = of_kinds(evidence, lambda kind: kind.answered is None or kind.answered.status == _GATEWAY_TIMEOUT) if logged else ()
    waiting = {one.connection for one in late} & logged
    for connection in connections(evidence) if waiting else ():
        exchanges = evidence.exchanges_of.get(connection.id, ()) if connection.id in waiting else ()
        if exchanges and exchanges[-1].id not in evidence.far:
            cut = _cut(evidence, exchanges[-1])
            if cut is not None:
                yield cut


def _cut(evidence: Evidence, exchange: Exchange) -> Cut | None:
    asked, answer = request(exchange), response(exchange)
    connection = evidence.connections[exchange.connection]
    if asked is None or not asked.body.size or authenticated(evidence, exchange) is None:
        return None
    if answer is not None:
        timed_out = answer.status == _GATEWAY_TIMEOUT and bool(answer.packets)
        return Cut(exchange, answer.first_ns - asked.last_ns, answer.packets[0], None) if timed_out else None
    closing = next(iter(connection.closings), None)
    if closing is None or closing.side is not Side.SERVER:
        return None
    unseen = any(gap.stream_at + gap.size > _answered_to(evidence, exchange) for gap in connection.to_client.gaps)
    said = closing.stream_at > _answered_to(evidence, exchange)
    return None if unseen or said else Cut(exchange, closing.ts_ns - asked.last_ns, closing.packet, closing)


def _answered_to(evidence: Evidence, exchange: Exchange) -> int:
    """Where the server's stream stood when the request was made."""
    ends = [answer.end_at for other in evidence.exchanges_of[exchange.connection] if (answer := response(other)) is not None]
    return max(ends, default=0)


def why(tell: Tell[Cut]) -> str:
    first = tell.facts[0]
    how = listed("504" if cut.closing is None else words.closed(cut.closing) for cut in tell.facts)
    by = "The proxy answered 504" if first.closing is None else f"{words.ender(tell.evidence, tell.connection, first.closing)} ended the connection"
    return (
        f"{counted(tell.count, 'waiting request')} of {tell.connection.client.host} were cut off ({how}) after "
        f"{listed(seconds(cut.waited_ns) for cut in tell.facts)}. The first is {first.exchange.id} on {name(tell.connection)} "
        f"({asked_at(tell, first.exchange)}). {by} ({tell.packet(first.packet)}). One constant time is the mark of a timeout."
    )


def owner(tell: Tell[Cut]) -> Owner:
    closing = tell.facts[0].closing
    if words.reset_by_a_device(closing):
        return Owner.NETWORK
    return Owner.PROXY if closing is None else Owner(words.owner_word(tell.evidence, tell.connection))


OPINION = Opinion(
    title=lambda tell: f"Waiting requests to {server_words(tell.connection)} are cut off after {seconds(tell.facts[0].waited_ns)}",
    name="Waiting requests are cut off after a fixed time",
    severity=Severity.MEDIUM,
    confidence=0.7,
    owner=owner,
    reference="MS-WSMV 3.1.4.1.39",
    advice=Advice(
        "Raise the response timeout of the device above the client's OperationTimeout",
        Topic.IDLE,
        "Or lower OperationTimeout (New-PSSessionOption -OperationTimeout; pywinrm: operation_timeout_sec).",
    ),
    see=see,
    why=why,
    explains=("tcp.request-cut", "http.encrypted-body-refused"),
    params=(WAITED, TOLERANCE, LEAST),
)
