"""The name in the request's Host field fits no listener of the server.

Detects
    400 with the page "Invalid Hostname" of Windows' web server, or 421 (Misdirected Request).
Impact
    The request was refused before WinRM saw it. An alias (CNAME), a balancer's name, an address, or a name that a
    device wrote into Host is not one that the listener serves.
False positives
    Not known: the page says so itself.
Requires
    The response with its page.
References
    Microsoft, "Installation and configuration for Windows Remote Management" (listener); RFC 9110 section 15.5.20.
"""

import re

from analyzer.rules.http._answers import Answer, By, answers, headline, not_examined, places, sign, told
from analyzer.rules.reading import header, request
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_PAGE = re.compile(r"invalid host ?name|host ?name is invalid", re.IGNORECASE)
_BAD, _MISDIRECTED = 400, 421


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, _BAD, _MISDIRECTED) if is_it(found))


def is_it(found: Answer) -> bool:
    """The answer complains of the name."""
    return found.answer.status == _MISDIRECTED or _PAGE.search(found.words) is not None


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    return headline(f"{first.answer.status}: the server has no listener for {first.host or 'an empty Host field'}")


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    far = None if first.far is None else header(request(first.far), "host")
    wrote = f" The proxy sent {far} to the server instead." if far is not None and far != first.host else ""
    return f"{told(tell)} The request's Host field is {first.host or 'empty'}, which fits no listener.{wrote}{not_examined(first)}{places(tell)}"


def advice(tell: Tell[Answer]) -> str:
    kept = " Let the proxy pass the client's Host field on." if tell.first.fact.far is not None or tell.first.fact.by is By.PROXY else ""
    return (
        "Use the server's own name in the URL, or let its listener serve this name. "
        f"winrm enumerate winrm/config/listener shows Hostname; IIS shows its bindings.{kept}"
    )


OPINION = Opinion(
    title=title,
    name="The server has no listener for the requested host name",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 15.5.20",
    advice=advice,
    see=see,
    why=why,
)
