"""A device on the path resets connections in the name of one host, or of both.

Detects
    A RST whose time to live fits no other packet of the host in whose name it was sent, or after which that host went
    on with the connection; or one in the name of each side within 5 ms. After a pause that explains it,
    tcp.reset-after-pause tells the event instead.
Impact
    Intrusion prevention, firewalls and load balancers end connections so. Neither host did it, and its logs show only
    that the other one closed: the search has to go on at the devices between.
False positives
    Few systems send resets with another initial TTL than other packets. Routes of different length change the TTL by
    one, which is not counted. A security product on a host may look like a device on the path. A reset that ends an
    idle connection with nothing under way is low.
Requires
    A capture that has packets of both hosts besides the reset. The IP identification proves nothing: Linux sends resets
    with 0.
References
    RFC 9293 section 3.10.7; RFC 791 section 3.2 (time to live).
"""

from analyzer.records.http import Exchange, Response
from analyzer.records.transport import Closing, Connection, End
from analyzer.records.waiting import Stop, Unanswered
from analyzer.rules.reading import completed, identity
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_SOON_NS = 1_000_000_000
_BOTH_NS = 100_000_000
_AT_ONCE_NS = 5_000_000
"""Two resets in both names within this time: a host that is reset does not answer with a reset."""
_LEAST = 2


class Reset(Fact, frozen=True):
    """The device's reset, the one to the other side at the same moment, the last exchange, what waited for an answer,
    and the time since the last answer."""

    connection: Connection
    closing: Closing
    other: Closing | None
    last: Exchange | None
    one: Unanswered | None
    after_ns: int | None
    logon: bool


def see(evidence: Evidence) -> Signs[Reset]:
    explained = {wait.one.connection for wait in words.waiting(evidence, Stop.RESET) if wait.after_a_pause}
    waiting = {one.connection: one for one in evidence.unanswered}
    for connection in evidence.connections.values():
        own = connection.id in evidence.winrm and connection.twin_of is None and connection.tunnel_of is None and connection.id not in explained
        closing = _closing(connection) if own else None
        if closing is not None:
            yield _sign(evidence, _reset(evidence, connection, closing, waiting.get(connection.id)))


def _closing(connection: Connection) -> Closing | None:
    """The device's reset, when nobody had ended the connection before: after a FIN it does no harm."""
    first = next(iter(connection.closings), None)
    if first is None or first.kind is not End.RESET:
        return None
    together = [one for one in connection.closings if one.kind is End.RESET and one.ts_ns - first.ts_ns <= _BOTH_NS]
    known = next((one for one in together if words.reset_by_a_device(one)), None)
    at_once = any(one.side is not first.side and one.ts_ns - first.ts_ns <= _AT_ONCE_NS for one in together)
    return known or (first if at_once else None)


def _reset(evidence: Evidence, connection: Connection, closing: Closing, one: Unanswered | None) -> Reset:
    exchanges = evidence.exchanges_of.get(connection.id, ())
    answered = [exchange for exchange in exchanges if isinstance(exchange.response, Response) and exchange.response.last_ns <= closing.ts_ns]
    last = answered[-1] if answered else None
    after = closing.ts_ns - last.response.last_ns if last is not None and isinstance(last.response, Response) else None
    logon = last is not None and any(found.ends == last.id for found in completed(evidence, connection.id))
    other = next(
        (two for two in connection.closings if two.side is not closing.side and abs(two.ts_ns - closing.ts_ns) <= _BOTH_NS),
        None,
    )
    return Reset(connection, closing, other if other is not None and other.kind is End.RESET else None, last, one, after, logon)


def _sign(evidence: Evidence, reset: Reset) -> Sign[Reset]:
    keys = [
        reset.closing.packet,
        *([reset.other.packet] if reset.other else []),
        *([reset.closing.went_on_packet] if reset.closing.went_on_packet else []),
    ]
    exchanges = [reset.last.id] if reset.last else []
    if reset.last is not None and isinstance(reset.last.response, Response):
        keys += reset.last.response.packets[:1]
    if reset.one is not None and reset.one.exchange is not None:
        exchanges.append(reset.one.exchange)
    return Sign(reset, tuple(exchanges), tuple(keys), (reset.connection.id,), identity(evidence, reset.connection.id))


def why(tell: Tell[Reset]) -> str:
    first = tell.first.fact
    closing, other = first.closing, first.other
    text = f"{first.connection.id} was reset in the name of the {closing.side.value} ({tell.packet(closing.packet)})"
    text += f" and of the {other.side.value} ({tell.packet(other.packet)}). At the same moment both sides got a RST. " if other is not None else ". "
    text += _proof(tell, first)
    if first.one is not None:
        text += f" At that moment {words.what(tell.evidence, first.one)} ({tell.packet(first.one.packet)}) waited for its answer."
    elif first.after_ns is not None and first.last is not None and isinstance(first.last.response, Response):
        answer = first.last.response
        kind = "the logon" if first.logon else "the last answer"
        text += f" It came {words.s(first.after_ns)} after {kind} (status {answer.status}, {tell.packet(answer.packets[0])})."
    return text + (f" This happened {words.times(tell.count)}." if tell.count > 1 else "")


def _proof(tell: Tell[Reset], first: Reset) -> str:
    closing = first.closing
    if closing.fits is False:
        count = "The resets have" if first.other is not None and first.other.ttl == closing.ttl else "The reset has"
        return f"{count} {words.hops(closing, first.connection)}. That fits neither host, so a device between them sent it."
    if closing.went_on <= 1:
        return "A host that is reset does not answer with a reset, so a device on the path sent both."
    went = f", first in {tell.packet(closing.went_on_packet)}" if closing.went_on_packet is not None else ""
    return f"The {closing.side.value} itself went on: it sent {closing.went_on:,} more packets{went}. So a device on the path sent the reset."


def severity(tell: Tell[Reset]) -> Severity:
    busy = sum(reset.one is not None or (reset.after_ns is not None and reset.after_ns <= _SOON_NS) for reset in tell.facts)
    if not busy and all(reset.after_ns is not None for reset in tell.facts):
        return Severity.LOW
    return Severity.HIGH if busy >= _LEAST else Severity.MEDIUM


def confidence(tell: Tell[Reset]) -> float:
    return 0.9 if any(words.reset_by_a_device(reset.closing) for reset in tell.facts) else 0.75


OPINION = Opinion(
    title="A device between client and server resets the connection",
    severity=severity,
    worst=Severity.HIGH,
    confidence=confidence,
    owner=Owner.NETWORK,
    reference="RFC 9293 section 3.10.7",
    advice=(
        "Look for the device that sends the reset, not at the server. "
        "The difference between its TTL and 64, 128 or 255 is its distance in hops from the capture point. "
        "Search the logs of intrusion prevention, firewalls and load balancers on the path for these addresses, ports and times. "
        "Captures on both sides of a device show whether it is the one."
    ),
    see=see,
    why=why,
    explains=(
        "tcp.rst-after-2xx",
        "tcp.request-lost-after-auth",
        "tcp.request-cut",
        "tcp.close-between-challenge-and-response",
        "tcp.idle-timeout",
    ),
)
