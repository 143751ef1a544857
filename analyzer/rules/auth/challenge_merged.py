"""The proxy joins several authentication challenges into one line, and the client gives up.

What it sees
    A 401 with two or more WWW-Authenticate lines on the upstream leg that reached the client with fewer, comma-joined ones; after it the client ended the
    connection, or asked again, without ever sending credentials, and no other connection of this client to the same place authenticates.
Why it matters
    The joined line is legal, but many clients compare the whole value with a scheme's name instead of parsing a list. They find no scheme that they know and
    report that the server offers none.
When it is wrong
    A client without credentials, a probe for example, gives up in the same way. A client that reads the joined line and goes on is not counted.
Needs
    Both legs, and the client's leg to its end.
Reference
    RFC 9110 sections 5.3 and 11.6.1; Proxy Servers and WinRM, sentence 133.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Response
from analyzer.records.proxy import Hop
from analyzer.records.transport import Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, counted, finding, header, listed, name, packet, packets_of, request, response

RULE = "auth.challenge-merged"
TITLE = "The proxy joins authentication challenges into one line that the client does not understand"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 9110 section 11.6.1"
HOW = Advice(
    "Let the proxy pass WWW-Authenticate lines as they are",
    Topic.FIELDS,
    ", or offer one scheme only (winrm set winrm/config/service/auth).",
)
ADVICE = HOW.text()
_DEMAND = 401


class Merge(Struct, frozen=True, gc=False):
    """A 401 on both legs, and its lines on each."""

    near: Exchange
    far: Exchange
    hop: Hop
    given: tuple[str, ...]
    left: tuple[str, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Merge]] = defaultdict(list)
    able = {_place(evidence, identity) for identity in evidence.winrm if _sends_credentials(evidence, identity)}
    for hop in evidence.hops:
        merge = _merge(evidence, hop) if hop.near_connection in evidence.winrm else None
        if merge is not None and _place(evidence, hop.near_connection) not in able and _gives_up(evidence, merge.near):
            groups[_place(evidence, hop.near_connection)].append(merge)
    for group in groups.values():
        yield _finding(evidence, group)


def _place(evidence: Evidence, connection: str) -> tuple[str, str, int]:
    found = evidence.connections[connection]
    return found.client.host, found.server.host, found.server.port


def _sends_credentials(evidence: Evidence, connection: str) -> bool:
    return any(header(request(exchange), "authorization") is not None for exchange in evidence.exchanges_of.get(connection, ()))


def _merge(evidence: Evidence, hop: Hop) -> Merge | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    before, reached = response(far), response(near)
    if before is None or reached is None or before.status != _DEMAND or reached.status != _DEMAND:
        return None
    given, left = _lines(before), _lines(reached)
    joined = any("," in line for line in left) and ", ".join(given).lower().replace(" ", "") == ", ".join(left).lower().replace(" ", "")
    return Merge(near, far, hop, given, left) if joined and len(left) < len(given) else None


def _lines(answer: Response) -> tuple[str, ...]:
    return tuple(field.value for field in answer.headers if field.name.lower() == "www-authenticate")


def _gives_up(evidence: Evidence, near: Exchange) -> bool:
    """The client said nothing more, or asked again without credentials; bytes that are not captured could have been anything."""
    connection, asked = evidence.connections[near.connection], request(near)
    if asked is None or any(gap.stream_at + gap.size > asked.end_at for gap in connection.to_server.gaps):
        return False
    if after(evidence, near):
        return True
    return any(closing.side is Side.CLIENT and closing.stream_at <= asked.end_at for closing in connection.closings[:1])


def _finding(evidence: Evidence, group: list[Merge]) -> Finding:
    first = group[0]
    members = [exchange for merge in group for exchange in (merge.near, merge.far)]
    near_packets, far_packets = packets_of([first.near]), packets_of([first.far])
    others = " and others" if len(group) > 1 else ""
    why = (
        f"{counted(len(group), '401 response')} for {name(evidence.connections[first.near.connection])}{others} had {len(first.given)} WWW-Authenticate lines "
        f"on the upstream leg ({listed(first.given)}; {first.far.id}, {packet(evidence, far_packets[-1]) if far_packets else ''}) and reached the client as "
        f'"{listed(first.left)}" ({first.near.id}, {packet(evidence, near_packets[-1]) if near_packets else ""}). The client never sent credentials to this '
        "place in this capture."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max(0.6, min(merge.hop.confidence for merge in group)) if len(group) == 1 else 0.8,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
    )
