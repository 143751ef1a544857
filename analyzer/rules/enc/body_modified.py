"""The proxy changes the body of a message.

What it sees
    A request or response on both legs, joined by its token or its MessageID (not by its body, by timing, or by a token that repeats), whose body is wholly
    captured on both and differs, although content type, content coding and status are the same.
Why it matters
    Nobody but client and server may change a message. A sealed one fails its signature and the operation fails; a readable one is executed as changed.
When it is wrong
    A proxy that adds a content coding changes bytes and not contents; with different Content-Encoding nothing is said. A signature
    that is good on the client's leg and bad on the upstream leg means bodies that differ, so it needs no look at signatures.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 154 and 158; MS-WSMV 2.2.9.1; RFC 9110 section 7.7.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.records.sealing import Protection
from analyzer.rules.reading import counted, finding, first_packet, header, identity, message, name, packet, packets_of, request, response

RULE = "enc.body-modified"
TITLE = "The proxy changes messages"
SEVERITY = Severity.CRITICAL
REFERENCE = "Proxy Servers and WinRM, sentence 154"
ADVICE = (
    "Take content filters, rewriting and transcoding off the way of WinRM (squid: adaptation_access deny, mitmproxy: no modify_body), or go around the HTTP "
    "layer with CONNECT and HTTPS. If nobody configured it, treat the proxy as hostile."
)
_CERTAIN = frozenset({"token", "message_id"})
_BODIES = (Protection.SEALED, Protection.CLEAR)


class Change(Struct, frozen=True, gc=False):
    """A message on both legs, and which half it is."""

    near: Exchange
    far: Exchange
    half: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Change]] = defaultdict(list)
    for hop in evidence.hops:
        if hop.near_connection in evidence.winrm and not _CERTAIN.isdisjoint(hop.bases):
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port] += _changes(evidence, hop)
    for group in groups.values():
        if group:
            yield _finding(evidence, group)


def _changes(evidence: Evidence, hop: Hop) -> Iterator[Change]:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    if _differ(evidence, request(near), request(far)):
        yield Change(near, far, "request")
    before, after = response(far), response(near)
    if before is not None and after is not None and before.status == after.status and _differ(evidence, before, after):
        yield Change(near, far, "response")


def _differ(evidence: Evidence, one: Request | Response | None, other: Request | Response | None) -> bool:
    if one is None or other is None or any(header(one, name) != header(other, name) for name in ("content-type", "content-encoding")):
        return False
    bodies = [message(evidence, half) for half in (one, other)]
    if any(found is None or found.protection not in _BODIES for found in bodies):
        return False
    whole = all(half.body.complete and not half.body.missing and isinstance(half.body.digest, bytes) for half in (one, other))
    return whole and one.body.digest != other.body.digest


def _finding(evidence: Evidence, group: list[Change]) -> Finding:
    first = group[0]
    members = [exchange for change in group for exchange in (change.near, change.far)]
    halves = [request(exchange) if first.half == "request" else response(exchange) for exchange in (first.near, first.far)]
    sizes = [0 if half is None else half.body.size for half in halves]
    keys = [key for half in halves for key in first_packet(half)]
    why = (
        f"{counted(len(group), 'message')} of {name(evidence.connections[first.near.connection])} differ between the two legs: the first is the "
        f"{first.half} of {first.near.id} ({sizes[0]:,} bytes, {packet(evidence, keys[0]) if keys else ''}), which is {first.far.id} on "
        f"{name(evidence.connections[first.far.connection])} ({sizes[1]:,} bytes, {packet(evidence, keys[-1]) if keys else ''})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=[*keys, *packets_of(members)],
        user=identity(evidence, first.near.connection),
        attack=("T1565.002", "T1557"),
    )
