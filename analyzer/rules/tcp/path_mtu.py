"""Large segments do not get through while small ones do: the path MTU.

What it sees
    A segment that was sent at least three times and never acknowledged, larger than every segment of that direction that was, while the other host still
    answers. Or an ICMP error that says that packets are too big, and a request that was never answered after it. With the sizes that passed and did not.
Why it matters
    Logons and short commands work, and uploads, large scripts or long output hang: a tunnel, VPN or firewall on the path takes only smaller packets, and its
    ICMP answer is lost or dropped.
When it is wrong
    A device that drops one message for its content looks the same; then other messages of that size do pass. Segments as a network card takes them for
    splitting (offload) are larger than any packet; only what is sent again is compared.
Needs
    A capture on the side that sends the large segments.
Reference
    RFC 2923 section 2.1; RFC 1191; RFC 8201.
"""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.records.transport import Connection, Unacked
from analyzer.records.waiting import Stop
from analyzer.rules.reading import identity
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Opinion, Owner, Sign, Tell

_TRIES = 3


class Lost(Struct, frozen=True, gc=False):
    """A direction whose large segments are lost; ``exchange`` is the request that it hit, ``icmp`` the router's word, where they are known."""

    connection: Connection
    from_client: bool
    gone: Unacked
    exchange: str | None
    icmp: IcmpError | None


def see(evidence: Evidence) -> Iterator[Sign[Lost]]:
    """Requests first, then responses that the client never acknowledged."""
    for wait in words.waiting(evidence, Stop.TOO_BIG):
        one = wait.one
        if one.unacked is not None:
            yield _sign(evidence, Lost(evidence.connections[one.connection], True, one.unacked, one.exchange, one.icmp), one.packet)  # noqa: FBT003
    for connection in evidence.connections.values():
        gone = connection.to_client.unacked
        if connection.id in evidence.winrm and connection.twin_of is None and gone is not None and _too_big(gone):
            yield _sign(evidence, Lost(connection, False, gone, None, _icmp(evidence, connection)))  # noqa: FBT003


def _too_big(gone: Unacked) -> bool:
    return gone.tries >= _TRIES and 0 < gone.passed < gone.segment and gone.heard > 0


def _icmp(evidence: Evidence, connection: Connection) -> IcmpError | None:
    server = (connection.server.host, connection.server.port)
    return next((one for one in evidence.icmp.get(connection.id, ()) if one.kind is IcmpKind.TOO_BIG and one.source == server), None)


def _sign(evidence: Evidence, lost: Lost, *keys: int) -> Sign[Lost]:
    packets = (*keys, *lost.gone.packets, *((lost.icmp.packet,) if lost.icmp else ()))
    return Sign(lost, (lost.exchange,) if lost.exchange else (), packets, (lost.connection.id,), identity(evidence, lost.connection.id))


def why(tell: Tell[Lost]) -> str:
    """What was lost, what passed, and what a router said of it."""
    first = tell.first.fact
    gone, connection = first.gone, first.connection
    sender = words.party(tell.evidence, connection, client=first.from_client)
    receiver = words.party(tell.evidence, connection, client=not first.from_client)
    text = (
        f"{sender[0].upper()}{sender[1:]} sent a segment of {gone.segment:,} bytes {words.times(gone.tries)} on {connection.id} "
        f"(first in {tell.packet(gone.packets[0])}). It was never acknowledged."
    )
    if gone.passed:
        text += f" Segments of up to {gone.passed:,} bytes were acknowledged."
    if gone.heard_packet is not None:
        text += f" {receiver[0].upper()}{receiver[1:]} was alive: it still sent packets ({tell.packet(gone.heard_packet)})."
    if first.icmp is not None:
        text += f" {first.icmp.router} reported {words.icmp_words(first.icmp)} ({tell.packet(first.icmp.packet)})."
        text += f" The next hop takes {first.icmp.mtu:,} bytes." if first.icmp.mtu else ""
    else:
        text += " So the path takes smaller packets only: its MTU is below that of the sender's network."
    return text + (f" This happened on {tell.count:,} connections." if tell.count > 1 else "")


def title(tell: Tell[Lost]) -> str:
    """Names the host that the segments do not reach."""
    first = tell.first.fact
    host = first.connection.server.host if first.from_client else first.connection.client.host
    return words.titled("Large packets to ", host, " do not get through (path MTU)", "the other host")


def confidence(tell: Tell[Lost]) -> float:
    """A router's own word is nearly proof."""
    return 0.95 if any(lost.icmp for lost in tell.facts) else 0.85


OPINION = Opinion(
    name="Large packets do not get through (path MTU)",
    title=title,
    severity=Severity.MEDIUM,
    confidence=confidence,
    owner=Owner.NETWORK,
    reference="RFC 2923 section 2.1",
    advice=(
        "Make senders use smaller segments, or let ICMP tell them to. Clamp the TCP MSS on the router, VPN or firewall at the narrow place. "
        "Set the MTU of the tunnel's interfaces, or of the hosts, to what the path takes. "
        "Allow ICMP type 3 code 4 (ICMPv6 type 2) through firewalls."
    ),
    see=see,
    why=why,
)
