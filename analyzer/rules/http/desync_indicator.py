"""A message's length is stated in two ways that contradict each other.

What it sees
    A request or response with both Content-Length and Transfer-Encoding, or with several Content-Lengths that differ.
Why it matters
    Two programs on the way may end the message at different places. What follows is then taken for another client's request: on an authenticated connection
    that is somebody else's logon (request smuggling).
When it is wrong
    Some programs send both fields by mistake and always mean chunked. It is a fact about the message, not yet an attack.
    Bytes after a message that begin no other are an issue (http.extra-data) and no finding, since packets that were lost look the same; another client's
    request on an authenticated connection is affinity.shared-authenticated-upstream.
Needs
    The header block.
Reference
    RFC 9112 sections 6.1, 6.3 and 11.2; Proxy Servers and WinRM, sentence 155.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.rules.reading import counted, finding, identity, listed, name, packet, packets_of, request, response, winrm_exchanges

RULE = "http.desync-indicator"
TITLE = "Contradicting message lengths"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9112 section 6.3"
ADVICE = (
    "Find out which program sends both fields and correct it. Let the proxy refuse such messages (nginx 1.21.1 and newer do) and "
    "never share authenticated upstream connections."
)


class Conflict(Struct, frozen=True, gc=False):
    """The exchange, the half, and the fields as they were sent."""

    exchange: Exchange
    half: Request | Response
    fields: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg counts for itself, since there it arrives."""
    groups: dict[tuple[str, str, int], list[Conflict]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        for half in (request(exchange), response(exchange)):
            fields = None if half is None or not half.packets else _conflict(half)
            if half is not None and fields is not None:
                connection = evidence.connections[exchange.connection]
                groups[connection.client.host, connection.server.host, connection.server.port].append(Conflict(exchange, half, fields))
    for group in groups.values():
        yield _finding(evidence, group)


def _conflict(half: Request | Response) -> str | None:
    lengths = [field for field in half.headers if field.name.lower() == "content-length"]
    codings = [field for field in half.headers if field.name.lower() == "transfer-encoding"]
    values = {part.strip() for field in lengths for part in field.value.split(",")}
    if (lengths and codings) or len(values) > 1:
        return listed(f"{field.name}: {field.value}" for field in (*lengths, *codings))
    return None


def _finding(evidence: Evidence, group: list[Conflict]) -> Finding:
    first = group[0]
    members = list({conflict.exchange.id: conflict.exchange for conflict in group}.values())
    half = "request" if isinstance(first.half, Request) else "response"
    why = (
        f"{counted(len(group), 'message')} on {name(evidence.connections[first.exchange.connection])} state their length in contradicting ways: the first is "
        f"the {half} of {first.exchange.id}, {packet(evidence, first.half.packets[0])}: {first.fields}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=[*(conflict.half.packets[0] for conflict in group), *packets_of(members)],
        user=identity(evidence, first.exchange.connection),
    )
