"""The client waits for 100 Continue, gets none, and sends its body late.

Detects
    A request with ``Expect: 100-continue`` whose body began at least one second after its head, with no 100 before it.
Impact
    Every such request costs that second. Some devices in between answer neither 100 nor anything else, and some clients stop waiting.
False positives
    A busy server or a slow link delays the 100 as well; where it came before the body nothing is counted.
Requires
    A direct connection or the client's side of a proxy.
References
    RFC 9110 section 10.1.1.
"""

from bisect import bisect_right
from collections.abc import Mapping

from analyzer.records.candidates import asked_with
from analyzer.records.http import Exchange
from analyzer.rules.asking import asked_at, is_proxied
from analyzer.rules.reading import counted, header, identity, name, packets_of, request, seconds
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

WAIT = Param("wait", 1.0, "s", "how long the body must come after the head")


class Stall(Fact, frozen=True):
    """An exchange, how long the client waited, and the packet with which the body began."""

    exchange: Exchange
    waited_ns: int
    packet: int


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Stall]:
    """One sign for each request; the server's side is left out where the client's is known."""
    for exchange in asked_with(evidence, "expect"):
        stall = None if exchange.id in evidence.far else _stall(evidence, exchange)
        if stall is not None and stall.waited_ns >= values["wait"] * 1e9:
            packets = (stall.packet, *packets_of([exchange]))
            yield Sign(stall, (exchange.id,), packets, user=identity(evidence, exchange.connection))


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
    return None if allowed else Stall(exchange, began_ns - asked.first_ns, extents.packet[place])


def why(tell: Tell[Stall]) -> str:
    first = tell.facts[0]
    return (
        f"{counted(tell.count, 'request')} on {name(tell.connection)} waited for 100 Continue and got none before the body. The first is {first.exchange.id} "
        f"({asked_at(tell, first.exchange)}). Its body began after {seconds(first.waited_ns)} ({tell.packet(first.packet)})."
    )


OPINION = Opinion(
    title=lambda tell: f"Client {tell.connection.client.host} waits for 100 Continue and gets none",
    name="Client waits for 100 Continue and gets none",
    severity=Severity.LOW,
    confidence=0.9,
    owner=lambda tell: Owner.PROXY if is_proxied(tell.evidence, tell.connection.id) else Owner.CLIENT,
    reference="RFC 9110 section 10.1.1",
    advice=(
        "Turn the expectation off in the client (curl: -H 'Expect:'; .NET: ServicePointManager.Expect100Continue = false), or let the device in between answer "
        "or pass on 100 (nginx and haproxy answer it by themselves)."
    ),
    see=see,
    why=why,
    params=(WAIT,),
)
