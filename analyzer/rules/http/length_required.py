"""The server refuses a request without a length.

Detects
    411 (Length Required) to a WinRM request.
Impact
    Windows' web server wants Content-Length (also of 0) or chunked. Logons begin with empty requests, so that not
    even a logon works.
False positives
    Where both sides of a proxy are known and the proxy took the length away, http.content-length-dropped says so
    instead.
Requires
    The response.
References
    RFC 9110 section 15.5.12.
"""

from analyzer.rules.http._answers import Answer, By, answers, not_examined, places, sign, told
from analyzer.rules.reading import header
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_LENGTH_REQUIRED = 411


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, _LENGTH_REQUIRED))


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    length = header(first.asked, "content-length")
    has = f"has Content-Length: {length}, so something between here and the server took it away" if length is not None else "has no Content-Length"
    return f"{told(tell)} The request in this capture {has}.{not_examined(first)}{places(tell)}"


def advice(tell: Tell[Answer]) -> str:
    if header(tell.first.fact.asked, "content-length") is None and tell.first.fact.by is not By.PROXY:
        return "Let the client send Content-Length with every request, also Content-Length: 0 with an empty one."
    return "Find the device that removes Content-Length by a capture on both of its sides; let it pass the field on, also for empty bodies."


OPINION = Opinion(
    title="411: the server refuses requests without Content-Length",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 15.5.12",
    advice=advice,
    see=see,
    why=why,
)
