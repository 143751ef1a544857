"""The proxy changes Content-Type, and the server refuses the request.

Detects
    A request whose Content-Type on the server's side is not the one that the client sent, and an error in answer.
Impact
    WinRM tells an encrypted body by its Content-Type (multipart/encrypted with its protocol and boundary), and a
    clear one by application/soap+xml. With another type the server answers 400 or 415, or does not understand the
    body.
False positives
    An error that has another cause; the change is a fact in any case.
Requires
    Both sides of the proxy.
References
    MS-WSMV section 2.2.9.1; RFC 9110 section 15.5.16.
"""

from analyzer.records.http import Request
from analyzer.rules.http._changes import Change, changes, failed, proxy_of, signs, where
from analyzer.rules.reading import counted, header
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_SHOWN = 120


def see(evidence: Evidence) -> Signs[Change]:
    """Requests of another type than the client's that failed."""
    return signs(
        evidence,
        (change for change in changes(evidence) if _kind(change.asked) != _kind(change.forwarded) and failed(change.reply)),
    )


def _kind(asked: Request) -> str:
    """The type without differences that mean nothing: case and white space."""
    return "".join((header(asked, "content-type") or "").split()).lower()


def title(tell: Tell[Change]) -> str:
    return f"Proxy {proxy_of(tell)} changes Content-Type; the server answers {tell.first.fact.reply.status}"


def why(tell: Tell[Change]) -> str:
    first = tell.first.fact
    ours, theirs = ((header(asked, "content-type") or "none")[:_SHOWN] for asked in (first.asked, first.forwarded))
    return (
        f"The client sent Content-Type {ours} ({tell.packet(first.asked.packets[0])}). The proxy {proxy_of(tell)} "
        f"forwarded {theirs} "
        f"({tell.packet(first.forwarded.packets[0])}), and the server answered {first.reply.status} "
        f"{first.reply.reason} "
        f"({tell.packet(first.reply.packets[0])}). {counted(tell.count, 'request')} failed so.{where(tell)}"
    )


OPINION = Opinion(
    title=title,
    name="The proxy changes Content-Type, and the server refuses the request",
    severity=Severity.HIGH,
    confidence=0.85,
    owner=Owner.PROXY,
    reference="MS-WSMV section 2.2.9.1",
    advice="Let the proxy forward Content-Type as the client sent it. Look for rules that set or normalize it, and exclude WinRM's path from them.",
    see=see,
    why=why,
    explains=("http.refused-request",),
)
