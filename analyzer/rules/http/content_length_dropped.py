"""The proxy removes Content-Length, and the server refuses the request.

Detects
    A request with Content-Length on the client's side that the proxy forwarded with neither Content-Length nor
    chunked encoding, and an error in answer.
Impact
    Windows' web server answers 411 to a request without a length. Logons begin with empty requests (Content-Length:
    0), which some proxies forward without the field, so that no client behind the proxy can log on.
False positives
    Not known: both requests are in the capture.
Requires
    Both sides of the proxy.
References
    RFC 9110 section 8.6 (a user agent should send Content-Length of 0 with a POST without content).
"""

from analyzer.records.http import Request
from analyzer.rules.http._changes import Change, changes, failed, proxy_of, signs, where
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, header
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

HOW = Advice("Let the proxy forward Content-Length as the client sent it, also with empty bodies", Topic.LENGTH)


def see(evidence: Evidence) -> Signs[Change]:
    """Requests that lost their length and failed."""
    return signs(
        evidence,
        (change for change in changes(evidence) if _lost(change.asked, change.forwarded) and failed(change.reply)),
    )


def _lost(asked: Request, forwarded: Request) -> bool:
    has = header(asked, "content-length") is not None
    return has and header(forwarded, "content-length") is None and header(forwarded, "transfer-encoding") is None


def title(tell: Tell[Change]) -> str:
    return f"Proxy {proxy_of(tell)} drops Content-Length, and the server answers {tell.first.fact.reply.status}"


def why(tell: Tell[Change]) -> str:
    first = tell.first.fact
    length = header(first.asked, "content-length")
    return (
        f"The client sent Content-Length: {length} ({tell.packet(first.asked.packets[0])}). The proxy "
        f"{proxy_of(tell)} forwarded the request without it "
        f"({tell.packet(first.forwarded.packets[0])}), and the server answered {first.reply.status} "
        f"{first.reply.reason} "
        f"({tell.packet(first.reply.packets[0])}). {counted(tell.count, 'request')} failed so.{where(tell)}"
    )


OPINION = Opinion(
    title=title,
    name="The proxy drops Content-Length, and the server refuses the request",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.PROXY,
    reference="RFC 9110 section 8.6",
    advice=HOW,
    see=see,
    why=why,
    explains=("http.length-required", "http.refused-request", "auth.loop", "auth.credentials-refused"),
)
