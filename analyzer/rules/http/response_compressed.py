"""A response is compressed on its way, which WinRM clients did not ask for.

Detects
    A response with Content-Encoding (gzip, deflate, br, ...) on the client's side that the server sent without it;
    or, with one side only, such a response to a request that offered no such coding. SLDC, which is WinRM's own, does
    not count.
Impact
    Windows' WinRM client does not decompress HTTP bodies: it finds something that is not an encrypted message, and
    gives up. The encrypted body inside is unchanged.
False positives
    A client that offered the coding (Accept-Encoding) reads it; then the severity is info.
Requires
    The client's side; the server's side to prove who compressed.
References
    RFC 9110 sections 8.4 and 12.5.3; MS-WSMV section 2.2.9.2.
"""

from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.sealing import Message, Protection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    counted,
    first_packet,
    header,
    identity,
    message,
    name,
    request,
    response,
    upstream,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_OWN = "sldc"
_WINRM = (Protection.SEALED, Protection.CLEAR, Protection.TLS)
"""Not a page, which anyone may compress."""
_SURE, _ONE_SIDE = 0.95, 0.7


class Packed(Fact, frozen=True):
    """An exchange whose response is compressed at the client, what the server sent (None: not in the capture), and whether the client had offered that."""

    exchange: Exchange
    asked: Request
    answer: Response
    sent: Response | None
    coding: str
    offered: bool


def see(evidence: Evidence) -> Signs[Packed]:
    """Responses that were compressed on their way."""
    for exchange in with_message(evidence, "codings", lambda one: one.codings and not one.from_client and one.protection in _WINRM, plain=False):
        packed = None if exchange.id in evidence.far else _packed(evidence, exchange)
        if packed is not None:
            halves = (packed.answer, packed.sent, packed.asked)
            packets = tuple(key for half in halves for key in first_packet(half))
            far = upstream(evidence, exchange.id)
            exchanges = (exchange.id, *((far.id,) if far is not None else ()))
            yield Sign(
                packed,
                exchanges,
                packets,
                user=identity(evidence, exchange.connection),
                confidence=_SURE if packed.sent is not None else _ONE_SIDE,
            )


def _packed(evidence: Evidence, exchange: Exchange) -> Packed | None:
    asked, answer = request(exchange), response(exchange)
    codings = _codings(message(evidence, answer))
    if asked is None or answer is None or not codings:
        return None
    far = upstream(evidence, exchange.id)
    sent = None if far is None else response(far)
    offered = any(coding in (header(asked, "accept-encoding") or "").lower() for coding in codings)
    if sent is not None and _codings(message(evidence, sent)):
        return None
    if sent is None and offered:
        return None
    return Packed(exchange, asked, answer, sent, ", ".join(codings), offered)


def _codings(found: Message | None) -> tuple[str, ...]:
    return () if found is None else tuple(coding for coding in found.codings if coding != _OWN)


def title(tell: Tell[Packed]) -> str:
    first = tell.first.fact
    if first.sent is None:
        return f"WinRM responses arrive compressed ({first.coding})"
    return f"Proxy {tell.connection.server.host} compresses WinRM responses ({first.coding})"


def why(tell: Tell[Packed]) -> str:
    first, host = tell.first.fact, tell.connection.server.host
    begin = f"The response in {tell.packet(first.answer.packets[0])} has Content-Encoding: {first.coding}."
    sent = f" The server had sent it without ({tell.packet(first.sent.packets[0])}), so the proxy {host} added it." if first.sent is not None else ""
    offered = " The client had offered this coding." if first.offered else " The client had not offered this coding, and WinRM clients cannot read it."
    device = "" if first.sent is not None else " Windows' WinRM does not compress so: a proxy or web server in between does."
    return f"{begin}{sent}{device}{offered} {counted(tell.count, 'response')} arrived so. [{first.exchange.id} on {name(tell.connection)}]"


def worth(tell: Tell[Packed]) -> Severity:
    """Info where clients had offered the coding."""
    return Severity.INFO if all(packed.offered for packed in tell.facts) else Severity.HIGH


OPINION = Opinion(
    title=title,
    name="WinRM responses are compressed on their way",
    severity=worth,
    worst=Severity.HIGH,
    confidence=_SURE,
    owner=Owner.PROXY,
    reference="RFC 9110 section 8.4",
    advice=Advice("Turn compression off for WinRM's path on the proxy", Topic.COMPRESS),
    see=see,
    why=why,
    explains=("enc.framing-nonconformant", "enc.body-modified"),
)
