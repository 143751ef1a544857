"""The server's web server answers in place of WinRM: the service is out of order.

Detects
    503 that the server itself gave (by the other side of the proxy, or by its product), not a proxy. Whether WinRM
    had answered on the same connection before.
Impact
    HTTP.sys keeps the port open while WinRM is stopped, restarting, or unable to take its URL, so that connections
    succeed and every request fails.
False positives
    A restart that was meant so. A device that copies the Server field of Windows looks the same.
Requires
    The response.
References
    RFC 9110 section 15.6.4; Microsoft, error 2150859026 (ERROR_WSMAN_HTTP_SERVICE_UNAVAILABLE_STATUS).
"""

from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, places, reached_before, sign, told
from analyzer.rules.reading import response, seconds
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_UNAVAILABLE = 503


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, _UNAVAILABLE) if found.by is not By.PROXY)


def title(tell: Tell[Answer]) -> str:
    if tell.first.fact.by is By.UNKNOWN:
        return headline(f"503: {endpoint(tell).host} is out of service")
    return headline(f"503: the WinRM service is not available on {endpoint(tell).host}")


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    before = next((done for found in tell.facts if (done := reached_before(tell.evidence, found)) is not None), None)
    worked = ""
    if before is not None and (answer := response(before)) is not None:
        ago = seconds(first.answer.first_ns - answer.last_ns)
        worked = f" WinRM had answered on this connection {ago} before ({tell.packet(answer.packets[0])}), so it stopped or restarted in between."
    unsure = " Whether the server or a device before it answers cannot be told from this answer." if first.by is By.UNKNOWN else ""
    return f"{told(tell)} The port is open, but the service behind it does not take requests.{unsure}{worked}{places(tell)}"


OPINION = Opinion(
    title=title,
    name="The WinRM service is not available",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="RFC 9110 section 15.6.4",
    advice=(
        "Check on the server that WinRM runs (Get-Service WinRM), and why it stopped. The System event log tells; Windows Update is a usual cause. "
        "When it runs and 503 stays, netsh http show urlacl must reserve http://+:5985/wsman/ for WinRM. With IIS the application pool must run."
    ),
    see=see,
    why=why,
)
