"""The connection ends while a request waits for its answer.

Detects
    A request without an answer, and a RST or FIN in the server's name behind it; or a request that crossed the server's
    FIN. How long it had waited, and by the TTL of a reset whether a device on the path sent it. After a pause,
    tcp.reset-after-pause tells it.
Impact
    The client does not know whether the request was carried out. It reports a broken connection, or asks again.
False positives
    A server that stops, or a client program that was killed on the server's side, ends connections as well. A request
    that crosses an idle connection's FIN is ordinary; it is low, since clients must send it again.
Requires
    Both directions of the connection, to its end.
References
    RFC 9110 section 9.2.2; RFC 9112 section 9.3.1.
"""

from analyzer.records.waiting import Stop
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._waiting import Wait, sign, waiting
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Wait]:
    """Requests that a RST or FIN cut off."""
    for wait in waiting(evidence, Stop.RESET, Stop.CLOSED, Stop.AFTER_CLOSE):
        if wait.one.stop is Stop.AFTER_CLOSE or not wait.after_a_pause:
            yield sign(evidence, wait, wait.one.closing.packet if wait.one.closing else None)


def why(tell: Tell[Wait]) -> str:
    first = _worst(tell).one
    connection = tell.evidence.connections[first.connection]
    asked = f"{words.what(tell.evidence, first)} on {first.connection} ({tell.packet(first.packet)})"
    if first.stop is Stop.AFTER_CLOSE:
        text = f"The other side was closing the connection when the client sent {asked}. So it got no answer."
    elif first.closing is not None:
        how = "reset" if first.stop is Stop.RESET else "closed"
        text = (
            f"{words.ender(tell.evidence, connection, first.closing)} {how} the connection ({tell.packet(first.closing.packet)}). "
            f"At that moment {asked} had waited {words.s(first.waited_ns)} for its answer, and got none."
        )
        if words.reset_by_a_device(first.closing):
            text += f" The reset has {words.hops(first.closing, connection)}."
    else:
        text = f"The connection ended, and {asked} got no answer."
    return text + (f" This happened {words.times(tell.count)}." if tell.count > 1 else "")


def _worst(tell: Tell[Wait]) -> Wait:
    return next((wait for wait in tell.facts if wait.one.stop is not Stop.AFTER_CLOSE), tell.first.fact)


def title(tell: Tell[Wait]) -> str:
    return words.titled("Connection to ", words.endpoint(tell.connection), " ended before the answer came", "the server")


def severity(tell: Tell[Wait]) -> Severity:
    return Severity.LOW if _worst(tell).one.stop is Stop.AFTER_CLOSE else Severity.MEDIUM


def owner(tell: Tell[Wait]) -> Owner:
    first = _worst(tell).one
    if first.stop is Stop.AFTER_CLOSE:
        return Owner.CLIENT
    if words.reset_by_a_device(first.closing):
        return Owner.NETWORK
    return Owner(words.owner_word(tell.evidence, tell.connection))


def advice(tell: Tell[Wait]) -> str:
    if _worst(tell).one.stop is Stop.AFTER_CLOSE:
        return "Let the client send the request again on a new connection, and drop pooled connections that the other side has closed."
    return (
        "Look at what happened at that time on the side that ended the connection: service restarts, crashes, and timeouts shorter than the request's wait. "
        "Capture on both sides of each device between to see which of them ends it first."
    )


OPINION = Opinion(
    name="Connection ended before the answer came",
    title=title,
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=owner,
    reference="RFC 9110 section 9.2.2",
    advice=advice,
    see=see,
    why=why,
)
