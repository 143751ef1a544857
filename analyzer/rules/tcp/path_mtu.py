"""Large segments do not get through while small ones do: the path MTU.

Detects
    A segment that was sent at least three times and never acknowledged, larger than every segment of that direction
    that was, while the other host still answers. Or without a word from it, when the segment has 1,000 bytes and more
    and no pause came before. At the receiver: bytes that never came, more than any segment that did, while what was
    sent behind them came. Or an ICMP error that says that packets are too big, and a request that was never answered
    after it. With the sizes that passed and did not.
Impact
    Logons and short commands work, and uploads, large scripts or long output hang: a tunnel, VPN or firewall on the
    path takes only smaller packets, and its ICMP answer is lost or dropped.
False positives
    A device that drops one message for its content looks the same; then other messages of that size do pass. Segments
    as a network card takes them for splitting (offload) are larger than any packet; only what is sent again is
    compared.
Requires
    A capture on the side that sends the large segments; on the other side the sizes are only inferred.
References
    RFC 2923 section 2.1; RFC 1191; RFC 8201.
"""

from collections.abc import Iterator

from analyzer.records.candidates import connections
from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.records.transport import Closing, Connection, Side, Unacked
from analyzer.records.waiting import Stop
from analyzer.rules.reading import identity
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Tell

_TRIES = 3
_REPAIR_NS = 3_000_000_000
"""In this time a sender has repeated what was lost by chance."""


class Lost(Fact, frozen=True):
    """A direction whose large segments are lost; ``exchange`` is the request that it hit, ``icmp`` the router's word,
    where they are known."""

    connection: Connection
    gone: Unacked
    exchange: str | None
    icmp: IcmpError | None
    from_client: bool


class Hole(Fact, frozen=True):
    """Bytes of the server that never reached the client, seen at the client's side: how many, the largest segment
    that came, the packets around, the end."""

    connection: Connection
    size: int
    passed: int
    around: tuple[int, int]
    closing: Closing


def see(evidence: Evidence) -> Iterator[Sign[Lost] | Sign[Hole]]:
    """Requests first, then responses that the client never acknowledged."""
    for wait in words.waiting(evidence, Stop.TOO_BIG):
        one = wait.one
        if one.unacked is not None:
            connection = evidence.connections[one.connection]
            lost = Lost(connection, one.unacked, one.exchange, one.icmp, from_client=True)
            yield _sign(evidence, lost, one.packet)
    for connection in connections(evidence):
        if connection.twin_of is not None:
            continue
        gone = connection.to_client.unacked
        if gone is None and not connection.to_client.gaps:
            continue
        if gone is not None and _too_big(connection, gone):
            lost = Lost(connection, gone, None, _icmp(evidence, connection), from_client=False)
            yield _sign(evidence, lost)
        elif (hole := _hole(connection)) is not None:
            yield Sign(hole, (), (*hole.around, hole.closing.packet), (connection.id,), identity(evidence, connection.id))


def _hole(connection: Connection) -> Hole | None:
    """What the server sent before the last bytes seen never arrived, by the acknowledgement with which the client
    ended the connection."""
    stream = connection.to_client
    closing = next((one for one in connection.closings if one.side is Side.CLIENT), None)
    gap = next((one for one in stream.gaps if one.stream_at == stream.acked), None)
    if gap is None or closing is None or closing.acked != gap.stream_at or not stream.begins or connection.tls_opened:
        return None
    extents = stream.extents
    before = [i for i, at in enumerate(extents.stream_at) if at < gap.stream_at]
    behind = [i for i, at in enumerate(extents.stream_at) if at > gap.stream_at]
    passed = max((extents.size[i] for i in range(len(extents.size))), default=0)
    if not behind or not before or gap.size <= passed or closing.ts_ns - extents.ts_ns[behind[0]] < _REPAIR_NS:
        return None
    return Hole(connection, gap.size, passed, (extents.packet[before[-1]], extents.packet[behind[0]]), closing)


def _too_big(connection: Connection, gone: Unacked) -> bool:
    lives = gone.heard > 0 or any(one.side is Side.CLIENT and one.ts_ns > gone.first_ns for one in connection.closings)
    return gone.tries >= _TRIES and 0 < gone.passed < gone.segment and lives


def _icmp(evidence: Evidence, connection: Connection) -> IcmpError | None:
    server = (connection.server.host, connection.server.port)
    return next(
        (one for one in evidence.icmp.get(connection.id, ()) if one.kind is IcmpKind.TOO_BIG and one.source == server),
        None,
    )


def _sign(evidence: Evidence, lost: Lost, *keys: int) -> Sign[Lost]:
    packets = (*keys, *lost.gone.packets, *((lost.icmp.packet,) if lost.icmp else ()))
    return Sign(
        lost,
        (lost.exchange,) if lost.exchange else (),
        packets,
        (lost.connection.id,),
        identity(evidence, lost.connection.id),
    )


def why(tell: Tell[Lost | Hole]) -> str:
    first = tell.first.fact
    if isinstance(first, Hole):
        return _why_hole(tell, first)
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
    elif first.icmp is None and first.from_client:
        text += f" {receiver[0].upper()}{receiver[1:]} sent nothing more."
    if first.icmp is not None:
        text += f" {first.icmp.router} reported {words.icmp_words(first.icmp)} ({tell.packet(first.icmp.packet)})."
        text += f" The next hop takes {first.icmp.mtu:,} bytes." if first.icmp.mtu else ""
    else:
        or_gone = "" if gone.heard or not first.from_client else ", or that host was lost at this moment"
        text += f" So the path seems to take smaller packets only (path MTU){or_gone}."
    return text + (f" This happened on {tell.count:,} connections." if tell.count > 1 else "")


def _why_hole(tell: Tell[Lost | Hole], first: Hole) -> str:
    sender = words.party(tell.evidence, first.connection)
    return (
        f"{first.size:,} bytes that {sender} sent on {first.connection.id} never came, while smaller segments did: "
        f"up to {first.passed:,} bytes before ({tell.packet(first.around[0])}), and the next one behind ({tell.packet(first.around[1])}). "
        f"The client never acknowledged them, and ended the connection ({words.closed(first.closing)}, {tell.packet(first.closing.packet)}). "
        "A sender repeats what is lost by chance, so large packets seem not to get through: the MTU of the path is too small for them."
    )


def title(tell: Tell[Lost | Hole]) -> str:
    first = tell.first.fact
    to_server = isinstance(first, Lost) and first.from_client
    host = first.connection.server.host if to_server else first.connection.client.host
    return words.titled("Large packets to ", host, " do not get through (path MTU)", "the other host")


def confidence(tell: Tell[Lost | Hole]) -> float:
    sent = [fact for fact in tell.facts if isinstance(fact, Lost)]
    if not sent:
        return 0.7
    if any(lost.icmp for lost in sent):
        return 0.95
    return 0.85 if any(lost.gone.heard for lost in sent) else 0.7


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
