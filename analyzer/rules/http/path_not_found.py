"""Nothing is registered on the server for the path that was asked for.

Detects
    404 (or 410) to a WinRM request, with the path, and whether it is one of WinRM's own.
Impact
    The host answers, but no one listens at this path: the URL is wrong, WinRM has no listener on this port, its URL
    reservation is broken, or another web server or a proxy without a route for the path answers.
False positives
    Some tools try several paths on purpose.
Requires
    The response.
References
    RFC 9110 section 15.5.5; Microsoft, error 2150859027 (ERROR_WSMAN_HTTP_NOT_FOUND_STATUS).
"""

from collections.abc import Hashable

from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, not_examined, places, sign, told
from analyzer.rules.reading import forwards_events
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, place

_NOT_FOUND = (404, 410)


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, *_NOT_FOUND))


def by_path(evidence: Evidence, one: Sign[Answer]) -> Hashable:
    """One finding for each client host, endpoint and path."""
    return place(evidence, one), one.fact.path


def title(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    return headline(f"{first.answer.status}: nothing serves {first.path} on {endpoint(tell).host}")


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    return f"{told(tell)} The path is {first.path}{_meant(first)}.{not_examined(first)}{places(tell)}"


def _meant(found: Answer) -> str:
    if forwards_events(found.asked):
        return ", where sources of event forwarding reach their collector"
    return ", WinRM's own path" if found.is_own_path else ", which is not a path of WinRM (/wsman)"


def advice(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    if not first.is_own_path:
        return f"Check the endpoint's URL: its path is {first.path}, and WinRM listens at /wsman unless the listener's URLPrefix says otherwise."
    if first.by is By.PROXY:
        return f"Add a route for {first.path} on the proxy, and check its rules for host and port."
    steps = "netsh http show servicestate must show the URL; netsh http show urlacl must reserve it for WinRM"
    return (
        f"Check on the server: winrm enumerate winrm/config/listener must show a listener for this port. {steps}"
        f"{' and Wecsvc (after Windows split the services)' if forwards_events(first.asked) else ''}. Restart "
        "WinRM after a change."
    )


OPINION = Opinion(
    title=title,
    name="Nothing is registered for the requested path",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="RFC 9110 section 15.5.5",
    advice=advice,
    see=see,
    why=why,
    each=by_path,
)
