"""A WinRM request is redirected.

Detects
    301, 302, 303, 307 or 308 with its Location, to a WinRM request.
Impact
    Windows' WinRM client does not follow redirects, unless it was told to and the redirect leads to another WinRM
    endpoint. A redirect to https says that the device wants TLS; one to another host is often a login page.
False positives
    Exchange redirects PowerShell sessions to another server (/powershell); such a redirect is info.
Requires
    The response.
References
    RFC 9110 section 15.4; about_Remote_Troubleshooting (MaximumRedirection, AllowRedirection).
"""

from analyzer.rules.http._answers import PATHS, Answer, answers, headline, not_examined, places, sign, told
from analyzer.rules.reading import header
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_STATUSES = (301, 302, 303, 307, 308)


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, *_STATUSES))


def _location(found: Answer) -> str:
    return header(found.answer, "location") or ""


def _is_planned(found: Answer) -> bool:
    """It leads to another server's PowerShell endpoint."""
    path = "/" + _location(found).partition("://")[2].partition("/")[2]
    return path.lower().startswith("/powershell") and PATHS.match(found.path) is not None


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    return headline(f"{first.answer.status}: WinRM is redirected to {_location(first) or 'nowhere'}")


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    where = _location(first)
    https = " It wants HTTPS." if where.lower().startswith("https:") and not first.asked.target.lower().startswith("https:") else ""
    follows = "Windows' WinRM client does not follow redirects by itself."
    return f"{told(tell)} Its Location is {where or 'missing'}.{https} {follows}{not_examined(first)}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="A WinRM request is redirected",
    severity=lambda tell: Severity.INFO if all(_is_planned(found) for found in tell.facts) else Severity.MEDIUM,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 15.4",
    advice=(
        "Use the address of the redirect as the endpoint, with https and its port where it says so (5986 is "
        "WinRM's own). Where it leads to a "
        "login page, exclude WinRM from that rule. Redirects between PowerShell endpoints need "
        "New-PSSessionOption -MaximumRedirection."
    ),
    see=see,
    why=why,
)
