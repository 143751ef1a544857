"""A gateway gave up waiting for the server's response.

Detects
    504 (or a proxy's 502 or 503) that came only after a wait, on the client's side; what the request was, how long
    the client lets the server work on it (OperationTimeout), and whether the server had been reached on the same
    connection before.
Impact
    A Receive waits at the server until there is output, and is answered by its OperationTimeout at the latest. A
    gateway whose own timeout is not above that ends the session in the middle of a long command. Neither network nor
    server need be at fault.
False positives
    A server that hangs, or that the gateway cannot reach, looks the same for the first request of a connection; then
    this is said. Where both sides of the gateway were captured, http.gateway-error says more.
Requires
    The client's side; a key to tell a Receive from other requests.
References
    RFC 9110 section 15.6.5; DSP0226 section 6.1 (OperationTimeout).
"""

from collections.abc import Mapping

from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, page, places, reached_before, sign
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, response, seconds
from analyzer.rules.telling import Evidence, Opinion, Owner, Param, Severity, Signs, Tell

_STATUSES = (502, 503, 504)
_TIMEOUT = 504
_WAITING = "Receive"
_ROUND_NS = 250_000_000
PATIENCE_S = 5.0
HOW = Advice(
    "Set the gateway's timeout for responses and idle connections above the OperationTimeout of its clients",
    Topic.IDLE,
    "Unless set otherwise that is 60 s for PowerShell and 20 s for many others. Or let clients ask for a shorter OperationTimeout.",
)
UNKNOWN = (
    "Check whether the gateway reaches the server at all (its health checks, its log), then how long the server "
    "takes. A capture on the server's side of the "
    "gateway decides it."
)


def see(evidence: Evidence, given: Mapping[str, float]) -> Signs[Answer]:
    """Answers of a gateway after a wait."""
    return (sign(evidence, found) for found in answers(evidence, *_STATUSES) if gave_up(found, given["patience_s"]))


def gave_up(found: Answer, patience_s: float = PATIENCE_S) -> bool:
    """A gateway's answer after so long, for which nothing is known of the other side."""
    gateway = found.answer.status == _TIMEOUT or found.by is By.PROXY
    return gateway and found.beyond is None and found.asked.method != "CONNECT" and found.latency_ns >= patience_s * 1e9


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    after = _time(first.latency_ns)
    if first.operation == _WAITING:
        return headline(f"Gateway gave up on a waiting Receive after {after} ({first.answer.status})")
    return headline(f"Gateway gave up waiting for a response after {after} ({first.answer.status})")


def _time(ns: int) -> str:
    """Whole seconds where it is so close to them that a clock was set to them."""
    whole = round(ns / 1e9)
    return f"{whole} s" if abs(ns - whole * 1_000_000_000) < _ROUND_NS else seconds(ns)


def why(tell: Tell[Answer]) -> str:
    first, own = tell.first.fact, tell.connection
    gateway = endpoint(tell)
    product = f" ({first.product})" if first.product else ""
    verb = "was" if tell.count == 1 else "were"
    return (
        f"{counted(tell.count, 'request')} of {own.client.host} {verb} answered {first.answer.status} by the gateway "
        f"{gateway}{product}. "
        f"The first answer came {seconds(first.latency_ns)} after its request "
        f"({tell.packet(first.answer.packets[0])}).{_clock(first)}{_kind(first)}"
        f"{_reached(tell)}{page(first)}{places(tell)}"
    )


def _clock(found: Answer) -> str:
    whole = _time(found.latency_ns)
    return f" So round a time ({whole}) points to a configured timeout." if whole != seconds(found.latency_ns) else ""


def _kind(found: Answer) -> str:
    limit = None if found.sent is None else found.sent.operation_timeout_s
    asked = f", by its OperationTimeout of {limit:g} s at the latest" if limit is not None else ""
    if found.operation == _WAITING:
        return f" The request was a Receive, which waits at the server for output{asked}."
    if found.operation is not None:
        return f" The request was a {found.operation}{f' with an OperationTimeout of {limit:g} s' if limit is not None else ''}."
    return " What the request was cannot be read. A Receive waits for output like this."


def _reached(tell: Tell[Answer]) -> str:
    before = reached_before(tell.evidence, tell.first.fact)
    answer = None if before is None else response(before)
    if answer is None:
        return " Whether the server was reached cannot be told from this side."
    return f" The server had answered on this connection before ({tell.packet(answer.packets[0])}), so the way to it was open."


def advice(tell: Tell[Answer]) -> str | Advice:
    first = tell.first.fact
    return HOW if first.operation == _WAITING or reached_before(tell.evidence, first) is not None else UNKNOWN


OPINION = Opinion(
    title=title,
    name="A gateway gave up waiting for the server's response",
    severity=Severity.HIGH,
    confidence=0.85,
    owner=Owner.PROXY,
    reference="RFC 9110 section 15.6.5",
    advice=advice,
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
    params=(Param("patience_s", PATIENCE_S, "seconds", "an answer that came sooner is no timeout"),),
)
