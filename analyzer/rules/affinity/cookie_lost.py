"""The proxy loses the cookie that keeps a shell on its server.

What it sees
    A ``MS-WSMAN`` cookie that the server set and that did not reach the client, or that the client sent back and that did not reach the server unchanged.
Why it matters
    In front of several servers the cookie leads each request to the one that has the shell. Without it requests end at servers that do not know the shell.
When it is wrong
    With a single server it changes nothing. Old clients never send cookies back; only what the proxy itself loses is counted.
Needs
    Both legs.
Reference
    MS-WSMV 3.1.4.1.31.4.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.rules.reading import counted, finding, first_packet, identity, name, packet, packets_of, request, response

RULE = "affinity.cookie-lost"
TITLE = "The proxy loses the cookie of server affinity"
SEVERITY = Severity.LOW
REFERENCE = "MS-WSMV 3.1.4.1.31.4"
ADVICE = (
    "Let the proxy pass Cookie and Set-Cookie (nginx: no proxy_hide_header Set-Cookie; haproxy: no http-response del-header Set-Cookie; Apache: no "
    "RequestHeader unset Cookie), or bind clients to servers by address."
)
_COOKIE = re.compile(r"(?:^|[;,\s])MS-WSMAN=([^;,\s]*)", re.IGNORECASE)


class Loss(Struct, frozen=True, gc=False):
    """An exchange on both legs and what was lost."""

    near: Exchange
    far: Exchange
    what: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Loss]] = defaultdict(list)
    for hop in evidence.hops:
        loss = _loss(evidence, hop) if hop.near_connection in evidence.winrm else None
        if loss is not None:
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(loss)
    for group in groups.values():
        yield _finding(evidence, group)


def _loss(evidence: Evidence, hop: Hop) -> Loss | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    sent, went = request(near), request(far)
    if sent is not None and went is not None and (cookie := _cookie(sent, "cookie")) is not None and _cookie(went, "cookie") != cookie:
        return Loss(near, far, "the client's cookie did not reach the server")
    given, reached = response(far), response(near)
    if given is not None and reached is not None and (cookie := _cookie(given, "set-cookie")) is not None and _cookie(reached, "set-cookie") != cookie:
        return Loss(near, far, "the server's cookie did not reach the client")
    return None


def _cookie(half: Request | Response, field: str) -> str | None:
    values = [match[1] for header in half.headers if header.name.lower() == field and (match := _COOKIE.search(header.value)) is not None]
    return values[0] if values else None


def _finding(evidence: Evidence, group: list[Loss]) -> Finding:
    first = group[0]
    members = [exchange for loss in group for exchange in (loss.near, loss.far)]
    key = first_packet(request(first.near))
    why = (
        f"{counted(len(group), 'time')} the cookie MS-WSMAN was lost at the proxy: in {first.near.id} on {name(evidence.connections[first.near.connection])}, "
        f"{packet(evidence, key[0]) if key else ''}, {first.what} ({first.far.id})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max(evidence.far[loss.far.id].confidence for loss in group),
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.near.connection),
    )
