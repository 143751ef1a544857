"""A request was received and never answered, although the time for an answer was over.

Detects
    A request that the server acknowledged whole, and no byte of an answer: for half as long again as its
    OperationTimeout allows, and 30 seconds more at least. Where the body cannot be read, for 200 seconds and more,
    since 60 seconds are usual and 180 seconds are PowerShell's.
Impact
    The server answers a waiting request when its OperationTimeout is over, with a fault if need be. One that does not
    is stuck, or its answer was lost.
False positives
    A client may ask for a longer time in a body that cannot be read; then this is low. A capture that ends earlier
    proves nothing and is not counted.
Requires
    Both directions of the connection, long enough; for certainty, a key or password that decrypts the request.
References
    DSP0226 section 6.1 (OperationTimeout).
"""

from collections.abc import Mapping

from analyzer.records.transport import Connection
from analyzer.records.waiting import Stop, Unanswered
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._waiting import Wait, sign, waiting
from analyzer.rules.telling import Evidence, Opinion, Owner, Param, Severity, Signs, Tell

_UNKNOWN = Param("unknown_s", 200.0, "seconds", "how long a request whose OperationTimeout is not known has to wait")
_MORE = Param("more_s", 30.0, "seconds", "how long a request has to wait beyond its OperationTimeout, at least")
_FACTOR = 1.5


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Wait]:
    """Requests that wait when the capture ends, or that the client gave up after its OperationTimeout."""
    for wait in waiting(evidence, Stop.PENDING, Stop.GAVE_UP):
        one = wait.one
        allowed = words.timeout_s(evidence, one)
        if one.exchange is None or one.unacked is not None or not _is_acked(evidence.connections[one.connection]):
            continue
        if _is_overdue(one, allowed, values):
            yield sign(evidence, wait, one.closing.packet if one.closing else None)


def _is_acked(connection: Connection) -> bool:
    """With nothing unacknowledged: all was. Inside TLS, acknowledgements do not count plain text."""
    return connection.to_server.acked >= 0 or connection.tls_opened


def _is_overdue(one: Unanswered, allowed_s: float | None, values: Mapping[str, float]) -> bool:
    if allowed_s is None:
        return one.stop is Stop.PENDING and one.waited_ns >= values["unknown_s"] * 1e9
    if one.stop is Stop.GAVE_UP:
        return one.waited_ns > allowed_s * 1e9
    return one.waited_ns >= max(allowed_s * _FACTOR, allowed_s + values["more_s"]) * 1e9


def why(tell: Tell[Wait]) -> str:
    first = tell.first.fact.one
    connection = tell.evidence.connections[first.connection]
    name = words.party(tell.evidence, connection)
    asked = f"{words.what(tell.evidence, first)} on {first.connection} ({tell.packet(first.packet)})"
    text = f"{name[0].upper()}{name[1:]} acknowledged {asked} and never answered it."
    if first.closing is not None:
        text += f" The client ended the connection after {words.s(first.waited_ns)} ({words.closed(first.closing)}, {tell.packet(first.closing.packet)})."
    else:
        text += f" It had waited {words.s(first.waited_ns)} when the capture ended."
    allowed = words.timeout_s(tell.evidence, first)
    if allowed is not None:
        text += f" Its OperationTimeout lets the server wait {allowed:g} s only."
    else:
        text += " Its OperationTimeout cannot be read; 60 s is usual, and 180 s is PowerShell's default."
    return text + (f" This happened {words.times(tell.count)}." if tell.count > 1 else "")


def severity(tell: Tell[Wait]) -> Severity:
    return Severity.LOW if words.timeout_s(tell.evidence, tell.first.fact.one) is None else Severity.MEDIUM


def confidence(tell: Tell[Wait]) -> float:
    return 0.6 if words.timeout_s(tell.evidence, tell.first.fact.one) is None else 0.9


def owner(tell: Tell[Wait]) -> Owner:
    return Owner(words.owner_word(tell.evidence, tell.connection))


def title(tell: Tell[Wait]) -> str:
    return words.titled("", words.endpoint(tell.connection), " received a request and never answered it", "The server")


OPINION = Opinion(
    name="Server received a request and never answered it",
    title=title,
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=confidence,
    owner=owner,
    reference="DSP0226 section 6.1",
    advice=(
        "Look at the server at the time of the request: the WinRM service, the shell's process (wsmprovhost, winrshost) and its plug-ins. "
        "Through a proxy, capture on its server side, too: the request may never have been forwarded."
    ),
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
    params=(_UNKNOWN, _MORE),
)
