"""The proxy changes the body of a message.

Detects
    A request or response on both sides of the proxy, joined by its token or its MessageID (not by its body, by time, or by a token that repeats), whose body is
    wholly captured on both and differs, although content type, content coding and status are the same.
Impact
    Only client and server may change a message. An encrypted one fails its signature and the operation fails; a readable one is executed as changed.
False positives
    A proxy that adds a content coding changes bytes and not contents; with different Content-Encoding nothing is said. A signature that is good on the client's
    side and bad on the server's side means bodies that differ, so it needs no look at signatures.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials." "Using encryption would mitigate these potential security
    issues."
    MS-WSMV 2.2.9.1; RFC 9110 section 7.7.
"""

from collections.abc import Iterator

from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.records.sealing import Protection
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at, asked_at, server_words
from analyzer.rules.reading import counted, header, identity, message, name, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_CERTAIN = frozenset({"token", "message_id"})
_BODIES = (Protection.SEALED, Protection.CLEAR)


class Change(Fact, frozen=True):
    """An exchange on both sides, and whether its request differs, or else its response."""

    near: Exchange
    far: Exchange
    of_request: bool


def see(evidence: Evidence) -> Signs[Change]:
    """One sign for each message that differs."""
    for hop in evidence.hops:
        if hop.near_connection in evidence.winrm and not _CERTAIN.isdisjoint(hop.bases):
            for change in _changes(evidence, hop):
                packets = packets_of([change.near, change.far])
                yield Sign(change, (hop.near, hop.far), packets, user=identity(evidence, hop.near_connection))


def _changes(evidence: Evidence, hop: Hop) -> Iterator[Change]:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    if _differ(evidence, request(near), request(far)):
        yield Change(near, far, of_request=True)
    before, after = response(far), response(near)
    if before is not None and after is not None and before.status == after.status and _differ(evidence, before, after):
        yield Change(near, far, of_request=False)


def _differ(evidence: Evidence, one: Request | Response | None, other: Request | Response | None) -> bool:
    if one is None or other is None or any(header(one, name) != header(other, name) for name in ("content-type", "content-encoding")):
        return False
    bodies = [message(evidence, half) for half in (one, other)]
    if any(found is None or found.protection not in _BODIES for found in bodies):
        return False
    whole = all(half.body.complete and not half.body.missing and isinstance(half.body.digest, bytes) for half in (one, other))
    return whole and one.body.digest != other.body.digest


def why(tell: Tell[Change]) -> str:
    first = tell.facts[0]
    halves = [request(one) if first.of_request else response(one) for one in (first.near, first.far)]
    sizes = [0 if half is None else half.body.size for half in halves]
    where = asked_at if first.of_request else answered_at
    differ = "message differs" if tell.count == 1 else "messages differ"
    return (
        f"{tell.count:,} {differ} between the two sides of the proxy. The first is the {'request' if first.of_request else 'response'} of {first.near.id} on "
        f"{name(tell.connection)}. It has {counted(sizes[0], 'byte')} on the client side ({where(tell, first.near)}) and {counted(sizes[1], 'byte')} on the "
        f"server side ({where(tell, first.far)}, {first.far.id}). Only client and server may change a message."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} changes WinRM messages",
    name="Proxy changes WinRM messages",
    severity=Severity.CRITICAL,
    confidence=0.9,
    owner=Owner.PROXY,
    reference=microsoft.PROXY_SEES_ALL,
    advice=(
        "Take content filters, rewriting and transcoding off the way of WinRM (squid: adaptation_access deny, mitmproxy: no modify_body), or go around the "
        "HTTP layer with CONNECT and HTTPS. If it was configured by no one, treat the proxy as hostile."
    ),
    see=see,
    why=why,
    attack=("T1565.002", "T1557"),
)
