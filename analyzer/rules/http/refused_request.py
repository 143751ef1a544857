"""The HTTP layer refuses a WinRM request for another reason than those that have a rule of their own.

Detects
    400 without a reason that is known, 500 without a fault of WinRM, or any other error of HTTP that has no rule of
    its own, such as 405, 414, 415, 429.
Impact
    The request did not get to WinRM, or something that is not WinRM answered. The status and the page say what is
    wrong.
False positives
    Tools that try methods or paths on purpose.
Requires
    The response.
References
    RFC 9110 section 15.
"""

from collections.abc import Hashable

from analyzer.codes.table import status as code_of
from analyzer.records.sealing import Protection
from analyzer.rules.http import encrypted_body_refused as encrypted
from analyzer.rules.http import request_header_too_long as too_long
from analyzer.rules.http import unknown_host_name as unknown_host
from analyzer.rules.http._answers import TOLD, Answer, By, answers, headline, not_examined, places, sign, told
from analyzer.rules.reading import header, message
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, place

_STATUSES = tuple(sorted(frozenset(range(400, 600)) - TOLD))
_BAD, _ERROR = 400, 500
_MEDIA = (400, 415)


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, *_STATUSES) if not _elsewhere(evidence, found))


def _elsewhere(evidence: Evidence, found: Answer) -> bool:
    if found.answer.status == _BAD:
        return any(rule.is_it(found) for rule in (too_long, unknown_host, encrypted))
    if found.answer.status != _ERROR:
        return False
    said = message(evidence, found.answer)
    if said is not None and said.protection is Protection.EMPTY:
        return not found.bare
    return said is None or said.protection is not Protection.NONE


def by_status(evidence: Evidence, one: Sign[Answer]) -> Hashable:
    """One finding for each client host, endpoint and status."""
    return place(evidence, one), one.fact.answer.status


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    known = code_of(first.answer.status)
    own = first.page.title or first.page.text if first.page is not None else None
    return headline(f"{first.answer.status}: {own or first.answer.reason or (known.symbol if known else 'refused')}")


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    known = code_of(first.answer.status)
    media = header(first.asked, "content-type") or "none"
    told_media = f" The request's Content-Type is {media}." if first.answer.status in _MEDIA else ""
    means = f" {known.meaning}" if known is not None and first.answer.status != _ERROR else ""
    return f"{told(tell)}{means}{told_media}{not_examined(first)}{places(tell)}"


def advice(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    if first.answer.status == _ERROR:
        return "Read the page and the logs of the product that answered: it is not a fault of WinRM."
    known = code_of(first.answer.status)
    return known.remedy if known is not None else "Read the page: it names the product and the reason. Check host, port and path of the endpoint."


OPINION = Opinion(
    title=title,
    name="The HTTP layer refuses a WinRM request",
    severity=Severity.MEDIUM,
    confidence=0.85,
    owner=lambda tell: Owner.PROXY if tell.first.fact.by is By.PROXY else Owner.SERVER,
    reference="RFC 9110 section 15",
    advice=advice,
    see=see,
    why=why,
    each=by_status,
)
