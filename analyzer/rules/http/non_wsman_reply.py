"""A WinRM request is answered with something that is no WinRM message.

Detects
    A POST to a WinRM endpoint answered with a body that is neither SOAP nor encrypted (an HTML page, JSON, plain text), with a status of success. Errors of
    the HTTP layer, redirects and demands for authentication have rules of their own.
Impact
    The client reports "the content type is absent or invalid" and cannot say more. The page's text usually tells who made it: a proxy, a portal, another web
    server.
False positives
    A test page that a server is meant to give at this path.
Requires
    Request and response of one exchange.
References
    MS-WSMV 2.2.1; DSP0226 section 13.
"""

from functools import partial

from analyzer.records.candidates import answered_in
from analyzer.records.http import Request, Response
from analyzer.records.sealing import Protection
from analyzer.rules.http._answers import PATHS, Answer, answers, headline, places, sign, told
from analyzer.rules.reading import counted, header, listed, message
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_STATUSES = (*range(200, 300), 304)


def see(evidence: Evidence) -> Signs[Answer]:
    """Answers with a body that WinRM does not send."""
    found = answers(evidence, *_STATUSES, meant=partial(_strange, evidence)) if answered_in(evidence, Protection.NONE) else ()
    return (sign(evidence, one) for one in found if PATHS.match(one.path) is not None)


def _strange(evidence: Evidence, asked: Request, answer: Response) -> bool:
    if asked.method != "POST" or not answer.body.size:
        return False
    said = message(evidence, answer)
    return said is not None and said.protection is Protection.NONE


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    words = None if first.page is None else first.page.title or first.page.text
    return headline(f"WinRM is answered with a page: {words}" if words else "WinRM is answered with something else")


def why(tell: Tell[Answer]) -> str:
    kinds = listed(header(found.answer, "content-type") or "no content type" for found in tell.facts)
    fars = [found for found in tell.facts if found.far is not None]
    onward = f" {counted(len(fars), 'request')} had been forwarded to the server." if fars else ""
    return f"{told(tell)} The body is {kinds}, and not a WinRM message.{onward}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="A WinRM request is answered with something else",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="MS-WSMV 2.2.1",
    advice="Look at who answered: the page names the product and the reason. Check host, port and path of the endpoint.",
    see=see,
    why=why,
)
