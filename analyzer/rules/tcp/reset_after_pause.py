"""A connection that was silent for a while is reset when the client uses it again.

Detects
    A request after at least 20 seconds without any packet on its connection, and a RST or FIN in the server's name
    within 5 seconds instead of an answer; no connection of the same path outlived a pause as long. Of all such
    connections: the shortest pause that did harm and the longest that did not.
Impact
    Load balancers, firewalls and address translation forget idle connections. The request is lost, and the client
    reports a reset or an aborted connection. Not every client sends it again.
False positives
    A server that was restarted during the pause resets the connection, too. Where a longer pause did no harm,
    tcp.request-cut tells the event instead.
Requires
    Both directions of the connection, from before the pause to the reset.
References
    RFC 9293 section 3.5.2; RFC 1122 section 4.2.3.6; the vendors' documents of idle limits.
"""

from analyzer.records.waiting import Stop
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._waiting import Wait, sign, waiting
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Wait]:
    """Requests after a pause that were answered by a RST or FIN."""
    for wait in waiting(evidence, Stop.RESET, Stop.CLOSED):
        if wait.after_a_pause:
            yield sign(evidence, wait, wait.one.closing.packet if wait.one.closing else None)


def why(tell: Tell[Wait]) -> str:
    first = tell.first.fact.one
    connection = tell.evidence.connections[first.connection]
    text = f"No packet passed on {first.connection} for {words.s(first.idle_ns)}. "
    if first.closing is not None:
        text += (
            f"The next request ({tell.packet(first.packet)}) got a reset instead of an answer ({words.closed(first.closing)}, "
            f"{tell.packet(first.closing.packet)}), so it is lost."
        )
        if words.reset_by_a_device(first.closing):
            text += f" The reset has {words.hops(first.closing, connection)}: a device on the path sent it."
        else:
            text += " Its sender, the server or a device on the path, no longer knew the connection after this silence."
    if tell.count > 1:
        text += f" This happened {words.times(tell.count)}, after pauses of {words.spread(wait.one.idle_ns for wait in tell.facts)}."
    return text + words.bracket(tell.facts)


def title(tell: Tell[Wait]) -> str:
    return words.titled("Idle connection to ", words.endpoint(tell.connection), " is reset when it is used again", "the server")


def advice(tell: Tell[Wait]) -> str:
    return (
        "Let the client send before the limit is reached, or open a new connection after a pause. "
        "Set TCP keep-alive on the client to less than the shortest of these pauses. "
        "Raise the idle timeout of load balancers, firewalls and NAT on the path above the client's longest pause." + words.sources(tell.facts)
    )


OPINION = Opinion(
    name="Idle connection is reset when it is used again",
    title=title,
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.NETWORK,
    reference="RFC 9293 section 3.5.2",
    advice=advice,
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
)
