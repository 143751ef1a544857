"""A response ends before its declared length.

Detects
    A response whose Content-Length (or last chunk) was not delivered when the other side ended the connection with FIN or RST, with no byte missing from the
    capture. With both sides of a proxy: the same response was complete on the server's side.
Impact
    The client cannot decrypt a message that is cut: it reports a broken connection or a decryption error, and the shell is lost.
False positives
    Where the capture has holes, was cut by a snap length or ends early, nothing is said. A client that closes by itself is not counted.
Requires
    The side on which it happens; both sides to tell who cut it.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the WinRM server returns a response to the client that
    is not a 401 response, the proxy should not close the connection."
    RFC 9112 section 8.
"""

from analyzer.records.http import Exchange, Framing, Response
from analyzer.records.transport import Closing, Side
from analyzer.rules.asking import answered_at, times
from analyzer.rules.reading import first_packet, identity, name, packets_of, request, response, upstream, winrm_exchanges
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Cut(Fact, frozen=True):
    """A response that was cut, by what, and whether the server's side had it whole (None when that side is not known)."""

    exchange: Exchange
    answer: Response
    closing: Closing
    was_whole: bool | None


def see(evidence: Evidence) -> Signs[Cut]:
    for exchange in winrm_exchanges(evidence):
        answer = response(exchange)
        if answer is None or not _is_short(answer):
            continue
        far = upstream(evidence, exchange.id)
        before = None if far is None else response(far)
        if before is not None and _is_short(before):
            continue
        closing = _closing(evidence, exchange, answer)
        if closing is not None:
            cut = Cut(exchange, answer, closing, None if before is None else before.body.complete)
            onward = () if far is None else (far,)
            packets = (*first_packet(request(exchange)), *first_packet(answer), closing.packet, *packets_of(onward))
            yield Sign(cut, (exchange.id, *(one.id for one in onward)), packets, user=identity(evidence, exchange.connection))


def _is_short(answer: Response) -> bool:
    body = answer.body
    if body.complete and (body.declared is None or body.size >= body.declared):  # as nearly all are
        return False
    short = body.framing is Framing.LENGTH and body.declared is not None and body.size < body.declared
    return not body.missing and (short or (body.framing is Framing.CHUNKED and not body.complete))


def _closing(evidence: Evidence, exchange: Exchange, answer: Response) -> Closing | None:
    """The server side's FIN or RST directly behind the bytes that were delivered."""
    connection = evidence.connections[exchange.connection]
    last = connection.to_client.extents
    seen = max((at + size for at, size in zip(last.stream_at, last.size, strict=True)), default=0)
    first = next((closing for closing in connection.closings if closing.ts_ns >= answer.first_ns), None)
    return first if first is not None and first.side is Side.SERVER and first.stream_at <= seen and not connection.to_client.gaps else None


def _by_proxy(tell: Tell[Cut]) -> bool:
    return tell.facts[0].was_whole is True


def owner(tell: Tell[Cut]) -> Owner:
    if words.reset_by_a_device(tell.facts[0].closing):
        return Owner.NETWORK
    return Owner.PROXY if _by_proxy(tell) else Owner(words.owner_word(tell.evidence, tell.connection))


def why(tell: Tell[Cut]) -> str:
    first = tell.facts[0]
    declared = first.answer.body.declared
    text = (
        f"The response of {first.exchange.id} on {name(tell.connection)} declared {f'{declared:,} bytes' if declared is not None else 'a chunked body'} "
        f"({answered_at(tell, first.exchange)}). Only {first.answer.body.size:,} were delivered. {words.ender(tell.evidence, tell.connection, first.closing)} "
        f"then ended the connection ({words.closed(first.closing)}, {tell.packet(first.closing.packet)})."
    )
    if _by_proxy(tell):
        text += " On the server side the same response is complete, so the proxy cut it."
    return text + (f" This happened {times(tell.count)}." if tell.count > 1 else "")


OPINION = Opinion(
    title=lambda tell: words.titled("Response of ", words.party(tell.evidence, tell.connection), " is cut off before its end", "the server"),
    name="Response is cut off before its end",
    severity=Severity.HIGH,
    confidence=lambda tell: 0.95 if _by_proxy(tell) else 0.9,
    owner=owner,
    reference="RFC 9112 section 8",
    advice="Look for a size or time limit of the device that ended the connection. Usual: proxy read timeouts, buffer sizes, inspection of large bodies.",
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
)
