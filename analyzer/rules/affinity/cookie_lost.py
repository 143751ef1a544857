"""The proxy loses the cookie that keeps a shell on its server.

Detects
    A ``MS-WSMAN`` cookie that the server set and that did not reach the client, or that the client sent back and that did not reach the server unchanged.
Impact
    In front of several servers the cookie leads each request to the one that has the shell. Without it requests end at servers that do not know the shell.
False positives
    With a single server it changes nothing. Old clients never send cookies back; only what the proxy itself loses is counted.
Requires
    Both sides of the proxy.
References
    MS-WSMV 3.1.4.1.31.4.
"""

import re

from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.rules.asking import answered_at, asked_at, server_words, times
from analyzer.rules.reading import identity, name, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_COOKIE = re.compile(r"(?:^|[;,\s])MS-WSMAN=([^;,\s]*)", re.IGNORECASE)


class Loss(Fact, frozen=True):
    """An exchange on both sides, and whether the client's cookie was lost, or else the server's."""

    near: Exchange
    far: Exchange
    of_client: bool


def see(evidence: Evidence) -> Signs[Loss]:
    """One sign for each exchange that lost its cookie."""
    for hop in evidence.hops:
        loss = _loss(evidence, hop) if hop.near_connection in evidence.winrm else None
        if loss is not None:
            user = identity(evidence, hop.near_connection)
            yield Sign(loss, (hop.near, hop.far), packets_of([loss.near, loss.far]), user=user, confidence=hop.confidence)


def _loss(evidence: Evidence, hop: Hop) -> Loss | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    sent, went = request(near), request(far)
    if sent is not None and went is not None and (cookie := _cookie(sent, "cookie")) is not None and _cookie(went, "cookie") != cookie:
        return Loss(near, far, of_client=True)
    given, reached = response(far), response(near)
    if given is not None and reached is not None and (cookie := _cookie(given, "set-cookie")) is not None and _cookie(reached, "set-cookie") != cookie:
        return Loss(near, far, of_client=False)
    return None


def _cookie(half: Request | Response, field: str) -> str | None:
    values = [match[1] for header in half.headers if header.name.lower() == field and (match := _COOKIE.search(header.value)) is not None]
    return values[0] if values else None


def why(tell: Tell[Loss]) -> str:
    first = tell.facts[0]
    what = (
        f"The client sent the cookie MS-WSMAN ({asked_at(tell, first.near)}), but it did not reach the server"
        if first.of_client
        else f"The server set the cookie MS-WSMAN ({answered_at(tell, first.far)}), but it did not reach the client"
    )
    return (
        f"{what}. This happened {times(tell.count)}. The first is {first.near.id} on {name(tell.connection)}, forwarded as {first.far.id}. "
        "With several servers, requests can then end at one that does not know the shell."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} loses the cookie MS-WSMAN",
    name="Proxy loses the cookie MS-WSMAN of server affinity",
    severity=Severity.LOW,
    confidence=1.0,
    owner=Owner.PROXY,
    reference="MS-WSMV 3.1.4.1.31.4",
    advice=(
        "Let the proxy pass Cookie and Set-Cookie (nginx: no proxy_hide_header Set-Cookie; haproxy: no http-response del-header Set-Cookie; Apache: no "
        "RequestHeader unset Cookie), or bind clients to servers by address."
    ),
    see=see,
    why=why,
)
