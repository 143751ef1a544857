"""A response ends before its declared length.

What it sees
    A response whose Content-Length (or last chunk) was not delivered when the other side ended the connection with FIN or RST, with no byte missing from the
    capture. With both legs: the same response was complete on the upstream leg.
Why it matters
    The client cannot read a sealed message that is cut: it reports a broken connection or a decryption error, and the shell is lost.
When it is wrong
    Where the capture has holes, was cut by a snap length or ends early, nothing is said. A client that hangs up by itself is not counted.
Needs
    The leg on which it happens; both legs to tell who cut it.
Reference
    RFC 9112 section 8; Proxy Servers and WinRM, sentence 136.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Framing, Response
from analyzer.records.proxy import Role
from analyzer.records.transport import Closing, Side
from analyzer.rules.reading import counted, finding, first_packet, identity, name, packet, packets_of, request, response, role, upstream, winrm_exchanges

RULE = "tcp.response-truncated"
TITLE = "A response is cut off before its end"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9112 section 8"
ADVICE = "Look for a size or time limit of the device that ended the connection (proxy read timeouts, buffer sizes, inspection of large bodies)."


class Cut(Struct, frozen=True, gc=False):
    """A response that was cut, by what, and whether the upstream leg had it whole (None when that leg is not known)."""

    exchange: Exchange
    answer: Response
    closing: Closing
    whole_upstream: bool | None


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Cut]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        cut = _cut(evidence, exchange)
        if cut is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(cut)
    for group in groups.values():
        yield _finding(evidence, group)


def _cut(evidence: Evidence, exchange: Exchange) -> Cut | None:
    answer = response(exchange)
    if answer is None or not _is_short(answer):
        return None
    closing = _closing(evidence, exchange, answer)
    far = upstream(evidence, exchange.id)
    before = None if far is None else response(far)
    if closing is None or (before is not None and _is_short(before)):
        return None
    return Cut(exchange, answer, closing, None if before is None else before.body.complete)


def _is_short(answer: Response) -> bool:
    body = answer.body
    short = body.framing is Framing.LENGTH and body.declared is not None and body.size < body.declared
    return not body.missing and (short or (body.framing is Framing.CHUNKED and not body.complete))


def _closing(evidence: Evidence, exchange: Exchange, answer: Response) -> Closing | None:
    """The server side's FIN or RST directly behind the bytes that were delivered."""
    connection = evidence.connections[exchange.connection]
    last = connection.to_client.extents
    seen = max((at + size for at, size in zip(last.stream_at, last.size, strict=True)), default=0)
    first = next((closing for closing in connection.closings if closing.ts_ns >= answer.first_ns), None)
    return first if first is not None and first.side is Side.SERVER and first.stream_at <= seen and not connection.to_client.gaps else None


def _finding(evidence: Evidence, group: list[Cut]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.exchange.connection]
    declared = first.answer.body.declared
    side = "a device on the path" if first.closing.fits is False else "the proxy" if role(evidence, connection.id) is Role.CLIENT_LEG else "the server"
    why = (
        f"On {name(connection)} the response of {first.exchange.id} ({packet(evidence, first.answer.packets[0])}) declared "
        f"{f'{declared:,} bytes' if declared is not None else 'a chunked body'} and {first.answer.body.size:,} were delivered before {side} ended "
        f"the connection ({first.closing.kind.value}, {packet(evidence, first.closing.packet)})."
    )
    if first.whole_upstream:
        why += " On the upstream leg the same response is complete: the proxy cut it."
    why += f" {counted(len(group), 'response')} of this client ended so." if len(group) > 1 else ""
    fars = [far for cut in group if (far := upstream(evidence, cut.exchange.id)) is not None]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95 if first.whole_upstream else 0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(cut.exchange.connection for cut in group), *(far.connection for far in fars)],
        exchanges=[*(cut.exchange.id for cut in group), *(far.id for far in fars)],
        packets=[
            *(key for cut in group for key in (*first_packet(request(cut.exchange)), *first_packet(cut.answer), cut.closing.packet)),
            *packets_of(fars),
        ],
        user=identity(evidence, connection.id),
    )
