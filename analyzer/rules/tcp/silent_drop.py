"""A request is sent again and again and never acknowledged: the path, or the server, is gone without a word.

Detects
    A request of which a segment was sent at least three times and never acknowledged, while smaller segments did not
    get through either. With the time of silence before it, what the server still sent, and whether a new connection to
    the same place worked.
Impact
    Load balancers, firewalls and address translation that forget an idle connection often drop its packets without a
    reset. The client waits until its own timeout, and reports a hang or a timeout.
False positives
    A capture that lacks the server's direction looks alike, but then the client does not send again. A server that lost
    its network looks the same from here; a new connection that works tells it apart.
Requires
    Both directions of the connection, to the end of the repetitions.
References
    RFC 9293 section 3.8.1; RFC 6298; the vendors' documents of idle limits.
"""

from analyzer.records.waiting import Stop, Unanswered
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._waiting import Wait, sign, waiting
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Wait]:
    for wait in waiting(evidence, Stop.DROPPED):
        gone, closing = wait.one.unacked, wait.one.closing
        yield sign(evidence, wait, *(gone.packets[1:] if gone else ()), closing.packet if closing else None)


def why(tell: Tell[Wait]) -> str:
    wait = tell.first.fact
    first = wait.one
    text = f"No packet passed on {first.connection} for {words.s(first.idle_ns)}. " if _paused(first) else ""
    text += _repeated(tell, first) + _heard(tell, wait)
    if first.closing is not None:
        text += f" After {words.s(first.waited_ns)} the client ended the connection ({words.closed(first.closing)}, {tell.packet(first.closing.packet)})."
    if first.icmp is not None:
        text += f" {first.icmp.router} reported {words.icmp_words(first.icmp)} ({tell.packet(first.icmp.packet)})."
    if wait.again is not None:
        text += f" A new connection to the same place was answered ({wait.again.id}), so the server was up."
    if tell.count > 1:
        text += f" This happened {words.times(tell.count)}."
    return text + (words.bracket(tell.facts) if _all_paused(tell) else "")


def _repeated(tell: Tell[Wait], first: Unanswered) -> str:
    gone = first.unacked
    if gone is None:
        return ""
    sent = f"{gone.segment:,} bytes of {words.what(tell.evidence, first)} (first in {tell.packet(first.packet)})"
    return f"The client sent {sent} {words.times(gone.tries)} within {words.s(gone.last_ns - gone.first_ns)}. They were never acknowledged."


def _heard(tell: Tell[Wait], wait: Wait) -> str:
    gone = wait.one.unacked
    if gone is not None and gone.heard_packet is not None:
        return f" The server still sent packets, the last one in {tell.packet(gone.heard_packet)}, so only this direction is broken."
    if not _paused(wait.one):
        return " Nothing came back any more."
    forgot = "the path forgot the connection during the silence"
    return f" Nothing came back any more: {forgot if wait.again is not None else f'{forgot}, or the server is gone'}."


def _paused(one: Unanswered) -> bool:
    return one.idle_ns >= words.IDLE_NS


def _all_paused(tell: Tell[Wait]) -> bool:
    return all(_paused(wait.one) and wait.idle_limit for wait in tell.facts)


def title(tell: Tell[Wait]) -> str:
    if _paused(tell.first.fact.one):
        return words.titled("Packets to ", words.endpoint(tell.connection), " are lost after a pause", "the server")
    return words.titled("Packets to ", words.endpoint(tell.connection), " are never acknowledged", "the server")


def advice(tell: Tell[Wait]) -> str:
    if not _paused(tell.first.fact.one):
        return "Capture on the server, too: where the packets arrive, the server or its firewall drops them. Else look at the devices between."
    return (
        "Let the client send before the limit is reached, or open a new connection after a pause. "
        "Set TCP keep-alive on the client to less than the shortest of these pauses. "
        "Raise the idle timeout of load balancers, firewalls and NAT on the path, or let them send a reset." + words.sources(tell.facts)
    )


OPINION = Opinion(
    name="Packets are lost without a word",
    title=title,
    severity=Severity.MEDIUM,
    confidence=0.85,
    owner=Owner.NETWORK,
    reference="RFC 9293 section 3.8.1",
    advice=advice,
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
)
