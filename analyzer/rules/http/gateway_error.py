"""The proxy answers for a server that it could not ask, or whose answer it did not pass on.

Detects
    502, 503 or 504 to a WinRM request on the client's side that the server did not give: the request was not forwarded, or was forwarded and not answered so.
    The reasons say whether it reached the server, and whether that answered, late or never, or ended the connection; the advice follows from it. A 503 of
    Windows' own web server is http.service-unavailable; a timeout of the gateway with only the client's side is http.gateway-timeout.
Impact
    The client reports "bad HTTP response", and nothing is wrong with its request or credentials: the way from the proxy to the server is broken.
False positives
    With the client's side alone, a server that is itself out of service behind a proxy that passes its 503 on looks the same.
Requires
    The client's side.
References
    RFC 9110 sections 15.6.3 to 15.6.5.
"""

from analyzer.records.proxy import Role
from analyzer.records.transport import Side
from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, page, places, reached_before, sign
from analyzer.rules.http.gateway_timeout import gave_up
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, header, listed, packet, request, response, role, seconds
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Signs, Tell

WAY = (
    "Check from the proxy's host that name resolution, routing, firewall and the WinRM listener work (winrm enumerate winrm/config/listener), and that the "
    "proxy may use ports 5985 and 5986."
)
BEFORE = (
    "Look into the proxy's log for what changed, and whether WinRM was restarted. "
    "Possible: health checks, servers that were taken out, limits. The server was reached over this connection before."
)
LATE = Advice(
    "Let the proxy wait longer for a response than the slowest request takes",
    Topic.IDLE,
    "A Receive waits at the server up to its OperationTimeout. The server did answer, but only after the proxy had given up.",
)
SILENT = Advice(
    "Let the proxy wait longer for a response than the slowest request takes, and look at the server's load and WinRM's event log",
    Topic.IDLE,
    "A Receive waits at the server up to its OperationTimeout. Name resolution and listener are fine: the server was reached.",
)
ENDED = (
    "Look at WinRM's event log on the server for restarts and limits, and keep the proxy's idle time below the server's. "
    "Windows' HTTP.sys closes after 120 seconds by default. Name resolution and listener are fine: the server was reached."
)
DROPPED = "Look into the proxy's log and error page for what it did not accept of the server's answer, and at that answer in these packets."
_STATUSES = (502, 503, 504)
_UNAVAILABLE = 503


class Way(Fact, frozen=True):
    """What became of a forwarded request, for a sentence, with the advice that follows from it."""

    words: str
    advice: str | Advice


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, *_STATUSES) if _is_own(evidence, found) and not gave_up(found))


def _is_own(evidence: Evidence, found: Answer) -> bool:
    where = role(evidence, found.exchange.connection)
    if found.beyond is not None:
        return True
    if where is Role.UPSTREAM_LEG:
        return False
    return found.by is By.PROXY or found.answer.status != _UNAVAILABLE


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    reached = any(found.beyond is not None for found in tell.facts)
    words = "for a server that it reached" if reached else "in place of the server"
    return headline(f"Proxy {endpoint(tell).host} answers {first.answer.status} {words}")


def why(tell: Tell[Answer]) -> str:
    first, own, proxy = tell.first.fact, tell.connection, endpoint(tell)
    product = f" ({first.product})" if first.product else ""
    statuses = listed(str(found.answer.status) for found in tell.facts)
    key = f" ({tell.packet(first.answer.packets[0])})" if first.answer.packets else ""
    return (
        f"{proxy}{product} answered {counted(tell.count, 'request')} of {own.client.host} "
        f"with {statuses} of its own. "
        f"The first was for {first.asked.target}{key}, {seconds(first.latency_ns)} after the request.{page(first)}{_onward(tell)}{places(tell)}"
    )


def _onward(tell: Tell[Answer]) -> str:
    fars = [found for found in tell.facts if found.beyond is not None]
    if fars:
        verb = "was" if len(fars) == 1 else "were"
        return f" {counted(len(fars), 'request')} {verb} forwarded to the server. {_way(tell.evidence, fars[0]).words}"
    before = reached_before(tell.evidence, tell.first.fact)
    answer = None if before is None else response(before)
    if answer is not None:
        return f" The server had answered on this connection before ({tell.packet(answer.packets[0])})."
    return " None of them is known to have been forwarded to the server."


def _way(evidence: Evidence, found: Answer) -> Way:
    """What became of a request on the server's side."""
    far = found.beyond
    asked, answer = (None, None) if far is None else (request(far), response(far))
    if far is None or asked is None:
        return Way("", WAY)
    if answer is not None and answer.first_ns > found.answer.first_ns:
        late = seconds(answer.first_ns - found.answer.first_ns)
        return Way(f"The server answered {answer.status} {late} after the proxy had given up ({packet(evidence, answer.packets[0])}).", LATE)
    if answer is not None:
        return Way(f"The server answered {answer.status} before the proxy's own answer ({packet(evidence, answer.packets[0])}).", DROPPED)
    closings = evidence.connections[far.connection].closings
    ended = next((one for one in closings if one.ts_ns >= asked.first_ns), None)
    if ended is not None and ended.side is Side.SERVER:
        return Way(f"On {far.connection} the server ended the connection before it answered ({packet(evidence, ended.packet)}).", ENDED)
    return Way(f"The server did not answer {far.id} in {seconds(found.answer.first_ns - asked.last_ns)}.", SILENT)


def advice(tell: Tell[Answer]) -> str | Advice:
    forwarded = next((found for found in tell.facts if found.beyond is not None), None)
    if forwarded is not None:
        return _way(tell.evidence, forwarded).advice
    return BEFORE if reached_before(tell.evidence, tell.first.fact) is not None else WAY


def sure(tell: Tell[Answer]) -> float:
    first = tell.first.fact
    proxied = header(first.answer, "via") or role(tell.evidence, tell.connection.id) is Role.CLIENT_LEG
    return 0.9 if proxied else 0.7


OPINION = Opinion(
    title=title,
    name="The proxy answers in place of the server",
    severity=Severity.HIGH,
    confidence=sure,
    owner=Owner.PROXY,
    reference="RFC 9110 section 15.6.3",
    advice=advice,
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
)
