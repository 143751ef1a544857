"""The server, or a device in front of it, forbids the request.

Detects
    403 to a WinRM request that was not addressed to a proxy (a proxy's own refusal of CONNECT or of an absolute
    target is http.policy-block), with the page's words and who answered.
Impact
    A rule refused the request before WinRM saw it: address restrictions, a missing client certificate, a web
    application firewall, a reverse proxy's rule.
False positives
    Where only one side of a device was captured, its 403 and the server's look alike; the page tells more.
Requires
    The response.
References
    RFC 9110 section 15.5.4.
"""

from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, not_examined, places, sign, told
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_FORBIDDEN = 403
_MOST = 160


def see(evidence: Evidence) -> Signs[Answer]:
    """Refusals that are not a forward proxy's own."""
    return (sign(evidence, found) for found in answers(evidence, _FORBIDDEN) if not _to_a_proxy(found))


def _to_a_proxy(found: Answer) -> bool:
    addressed = found.asked.method == "CONNECT" or "://" in found.asked.target.partition("?")[0]
    return addressed and not (found.far is not None and found.by is By.SERVER)


def title(tell: Tell[Answer]) -> str:
    return headline(f"403: {_whom(tell)} forbids WinRM requests for {tell.first.fact.path}")


def _whom(tell: Tell[Answer]) -> str:
    return {By.PROXY: "the proxy", By.SERVER: "the server"}.get(tell.first.fact.by, endpoint(tell).host)


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    text = "" if first.page is None or not first.page.text or first.page.text == first.page.title else f' It goes on: "{first.page.text[:_MOST]}".'
    return f"{told(tell)}{text}{not_examined(first)}{places(tell)}"


def advice(tell: Tell[Answer]) -> str:
    if tell.first.fact.by is By.PROXY:
        return "Allow the client, the path and the method POST in the rules of the device that answered (access lists, web application firewall)."
    return (
        "Look for the rule on the server: IPv4Filter and IPv6Filter of winrm/config/service, IP restrictions and "
        "required client certificates of IIS. "
        "Where the page is another product's, look there."
    )


OPINION = Opinion(
    title=title,
    name="WinRM requests are forbidden",
    severity=Severity.MEDIUM,
    confidence=0.85,
    owner=lambda tell: Owner.PROXY if tell.first.fact.by is By.PROXY else Owner.SERVER,
    reference="RFC 9110 section 15.5.4",
    advice=advice,
    see=see,
    why=why,
)
