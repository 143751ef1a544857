"""The server stops reading in the middle of a request: it advertises a window of 0.

Detects
    A server (or the proxy in its place) that tells its client to send nothing for 10 seconds and more, to the end of
    the connection or until it reads again.
Impact
    The program behind the connection does not take what arrived: it hangs, waits for a lock or for memory. The client's
    upload or command stands still, and its own timeout ends it.
False positives
    A server that is slow for a moment opens its window again; shorter times are not counted. A window of 0 is the
    receiver's own word: no device is needed for it, except one that ends TCP itself.
Requires
    Packets of the server's direction.
References
    RFC 9293 section 3.8.6.1.
"""

from collections.abc import Mapping

from analyzer.records.transport import Connection, Side, ZeroWindow
from analyzer.records.waiting import Stop, Unanswered
from analyzer.rules.reading import identity
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

_CLOSED = Param("closed_s", 10.0, "seconds", "how long the window was 0, at least")


class Closed(Fact, frozen=True):
    """A window that stayed closed for ``ns``, and the request that it kept from its answer, where it did."""

    connection: Connection
    window: ZeroWindow
    ns: int
    one: Unanswered | None


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Closed]:
    """The server's closed windows, in order of place."""
    waiting = {wait.one.connection: wait.one for wait in words.waiting(evidence, Stop.WINDOW)}
    for connection in evidence.connections.values():
        own = connection.zero_windows if connection.id in evidence.winrm and connection.twin_of is None and connection.tunnel_of is None else ()
        for window in own:
            one = waiting.get(connection.id)
            ns = (window.until_ns or _ends_ns(connection, one)) - window.since_ns
            if window.side is Side.SERVER and ns >= values["closed_s"] * 1e9:
                yield _sign(evidence, Closed(connection, window, ns, one if one is not None and one.window == window else None))


def _ends_ns(connection: Connection, one: Unanswered | None) -> int:
    return connection.last_ns if one is None else one.sent_ns + one.waited_ns


def _sign(evidence: Evidence, closed: Closed) -> Sign[Closed]:
    window, one = closed.window, closed.one
    keys = (
        window.packet,
        window.last_packet,
        *((one.packet, *((one.closing.packet,) if one.closing else ())) if one else ()),
    )
    exchanges = (one.exchange,) if one is not None and one.exchange is not None else ()
    return Sign(closed, exchanges, keys, (closed.connection.id,), identity(evidence, closed.connection.id))


def why(tell: Tell[Closed]) -> str:
    first = _worst(tell)
    window, connection = first.window, first.connection
    name = words.party(tell.evidence, connection)
    text = f"{name[0].upper()}{name[1:]} stopped reading on {connection.id}: it advertised window 0 from {tell.packet(window.packet)} on. "
    if window.until_ns is not None:
        return text + f"It opened the window again after {words.s(first.ns)}, and the client had to wait." + _repeats(tell)
    if window.last_ns > window.since_ns:
        text += f"It repeated this until {tell.packet(window.last_packet)}, {words.s(window.last_ns - window.since_ns)} later. "
    if first.one is None:
        return text + f"The window stayed closed for {words.s(first.ns)}, to the end of the connection." + _repeats(tell)
    asked = words.what(tell.evidence, first.one)
    text += f"{asked[0].upper()}{asked[1:]} ({tell.packet(first.one.packet)}) was on its way, and got no answer."
    if first.one.closing is not None:
        text += f" The client ended the connection after {words.s(first.ns)} ({words.closed(first.one.closing)}, {tell.packet(first.one.closing.packet)})."
    return text + _repeats(tell)


def _repeats(tell: Tell[Closed]) -> str:
    return f" This happened {words.times(tell.count)}." if tell.count > 1 else ""


def _worst(tell: Tell[Closed]) -> Closed:
    return next((closed for closed in tell.facts if closed.one is not None), tell.first.fact)


def severity(tell: Tell[Closed]) -> Severity:
    return Severity.LOW if _worst(tell).window.until_ns is not None else Severity.MEDIUM


def title(tell: Tell[Closed]) -> str:
    return words.titled("", words.endpoint(tell.connection), " stopped reading in the middle of a request", "The server")


def owner(tell: Tell[Closed]) -> Owner:
    return Owner(words.owner_word(tell.evidence, tell.connection))


OPINION = Opinion(
    name="Server stopped reading in the middle of a request",
    title=title,
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.95,
    owner=owner,
    reference="RFC 9293 section 3.8.6.1",
    advice=(
        "Look at the host that does not read, at the time of these packets. Check its memory and processor, and what the shell or plug-in is waiting for. "
        "Where it is a script that takes input, check whether it still reads. Restart of the WinRM service ends a shell that hangs."
    ),
    see=see,
    why=why,
    params=(_CLOSED,),
    explains=("tcp.request-cut", "tcp.client-gave-up"),
)
