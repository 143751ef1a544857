"""The request's header is too long for the server, most often because of a large Kerberos ticket.

Detects
    431, or 400 whose page says that the header is too long; or a bare 400 from Windows' web server to a header above
    its default limit of 16,384 bytes.
Impact
    The logon was not examined: the request was refused before. A ticket grows with each group of the user, so that
    some users can log on and others cannot.
False positives
    A bare 400 to a long header may have another reason; then the confidence is lower.
Requires
    The request's header, whole.
References
    Microsoft, "Http.sys registry settings for Windows" (MaxFieldLength, MaxRequestBytes); RFC 6585 section 5.
"""

import re

from analyzer.rules.http._answers import Answer, By, answers, head_bytes, not_examined, places, sign, token_bytes, told
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_PAGE = re.compile(
    r"(?:header|cookie|request\b)[^.]{0,60}\btoo (?:long|large|big)|header[^.]{0,60}exceeds|size of the request headers",
    re.IGNORECASE,
)
_DEFAULT = 16_384
"""MaxFieldLength and MaxRequestBytes of HTTP.sys unless set otherwise."""
_BAD, _TOO_LARGE = 400, 431
_SURE, _UNSURE = 0.95, 0.7


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, _BAD, _TOO_LARGE) if is_it(found))


def is_it(found: Answer) -> bool:
    """The answer complains of the header, or is a bare 400 to a header above the default limit."""
    if found.answer.status == _TOO_LARGE or _PAGE.search(found.words):
        return True
    return found.bare and found.by is By.SERVER and head_bytes(found.asked) > _DEFAULT


def title(tell: Tell[Answer]) -> str:
    return f"{tell.first.fact.answer.status}: a request header of {head_bytes(tell.first.fact.asked):,} bytes is too long"


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    size, token = head_bytes(first.asked), token_bytes(first.asked)
    of = f", of which the token in Authorization is {token:,} bytes" if token else ""
    limit = f" Windows' default limit is {_DEFAULT:,} bytes." if first.by is not By.PROXY and size > _DEFAULT else ""
    return f"{told(tell)} The request's header has {size:,} bytes{of}.{limit}{not_examined(first)}{places(tell)}"


def sure(tell: Tell[Answer]) -> float:
    first = tell.first.fact
    return _SURE if first.answer.status == _TOO_LARGE or first.page is not None else _UNSURE


def advice(tell: Tell[Answer]) -> str:
    groups = "Or make the ticket smaller: put the user into fewer groups, and remove SID history; MaxTokenSize limits it on the client."
    if tell.first.fact.by is By.PROXY:
        return f"Raise the header limit of the device that answered (nginx: large_client_header_buffers; haproxy: tune.bufsize). {groups}"
    return (
        "Raise MaxFieldLength (at most 65534) and MaxRequestBytes under "
        "HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters on the "
        f"server, and restart it. {groups}"
    )


OPINION = Opinion(
    title=title,
    name="The request's header is too long for the server",
    severity=Severity.HIGH,
    confidence=sure,
    owner=Owner.SERVER,
    reference="Microsoft, Http.sys registry settings for Windows",
    advice=advice,
    see=see,
    why=why,
)
