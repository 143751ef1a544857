"""Sealed messages on one authenticated connection are not numbered one after the other.

What it sees
    Every message sealed with NTLM (extended session security) or with a Kerberos CFX token carries its sequence number in clear. Within one security context
    and direction each number is the one before plus one. Here a number is skipped or repeated on a connection although no byte between the two messages is
    missing and no new handshake lies in between; or the first NTLM message after the handshake is numbered neither 0 nor 1.
Why it matters
    It proves, without any key, that messages of another security context are on this connection (or that messages of this one went elsewhere): the proxy mixes
    clients.
When it is wrong
    A message that the client itself repeats (the same body was sent before) is left out, and so is one that may be a repetition because a request of that
    client before it, of the same length, is not whole in the capture, or the capture does not have the beginning of the connection. Gaps in the capture,
    NTLM without extended session security and CredSSP carry nothing to compare.
Needs
    The upstream leg (or any connection) with its handshake; no key, no other leg.
Reference
    MS-NLMP 3.4.4.2; RFC 4121 section 4.2.6.2; Proxy Servers and WinRM, sentence 155.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import completed, counted, finding, first_packet, message, name, owner, packet, request, response, until_the_next, who

RULE = "affinity.sequence-discontinuity"
TITLE = "Sealed messages of different security contexts on one connection"
SEVERITY = Severity.CRITICAL
REFERENCE = "MS-NLMP 3.4.4.2; RFC 4121 section 4.2.6.2"
HOW = Advice(
    "The proxy sends messages of different clients over one authenticated connection: bind each upstream connection to one client",
    Topic.BIND,
)
ADVICE = HOW.text()
_MECHANISMS = (Mechanism.NTLM, Mechanism.KERBEROS)


class Break(Struct, frozen=True, gc=False):
    """Where the numbering breaks: the message, its number, and the number before it in this direction (None: it is the first)."""

    exchange: Exchange
    half: Request | Response
    number: int
    before: int | None


class Sent(Struct, frozen=True, gc=False):
    """The exchange in which each body was sent first, of all and of each connection; and when each client host first sent a request of a length (None: of any)
    whose body is not known."""

    first: Mapping[bytes, str]
    first_on: Mapping[tuple[str, bytes], str]
    unread: Mapping[tuple[str, int | None], int]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each security context."""
    sent = Sent(_first_seen(evidence), _first_on(evidence), _unread(evidence))
    for conversation in completed(evidence):
        if conversation.mechanism in _MECHANISMS:
            breaks = [found for from_client in (True, False) for found in _breaks(evidence, conversation, sent, from_client=from_client)]
            if breaks:
                yield _finding(evidence, conversation, breaks)


def _first_seen(evidence: Evidence) -> dict[bytes, str]:
    """The exchange in which each body was sent first: a client that lost its connection sends the body again, sealed for the connection that is gone."""
    seen: dict[bytes, tuple[int, str]] = {}
    for exchange in evidence.exchanges.values():
        half = request(exchange)
        if half is None or isinstance(half.body.digest, Absent) or not half.body.size:
            continue
        before = seen.get(half.body.digest)
        if before is None or half.first_ns < before[0]:
            seen[half.body.digest] = (half.first_ns, exchange.id)
    return {digest: identity for digest, (_, identity) in seen.items()}


def _first_on(evidence: Evidence) -> dict[tuple[str, bytes], str]:
    seen: dict[tuple[str, bytes], str] = {}
    for exchange in evidence.exchanges.values():
        half = request(exchange)
        if half is not None and not isinstance(half.body.digest, Absent) and half.body.size:
            seen.setdefault((exchange.connection, half.body.digest), exchange.id)
    return seen


def _unread(evidence: Evidence) -> dict[tuple[str, int | None], int]:
    """Requests of which not every byte of the body was captured, and holes in which a whole request may have been (known by when their connection began)."""
    found: dict[tuple[str, int | None], int] = {}
    for connection in evidence.connections.values():
        asked = [half for exchange in evidence.exchanges_of.get(connection.id, ()) if (half := request(exchange)) is not None]
        begins = [half.at for half in asked]
        unread = [(half.body.declared, half.first_ns) for half in asked if isinstance(half.body.digest, Absent)]
        for gap in connection.to_server.gaps:
            place = bisect_right(begins, gap.stream_at) - 1
            if place < 0 or gap.stream_at + gap.size > asked[place].end_at:
                unread.append((None, connection.first_ns))
        for length, ns in unread:
            key = (connection.client.host, length)
            found[key] = min(ns, found.get(key, ns))
    return found


def _context(evidence: Evidence, conversation: Conversation) -> tuple[Exchange, ...]:
    """The exchanges that this context protects: from the one that ends the handshake to the next attempt on the connection."""
    end = evidence.exchanges[conversation.ends or conversation.exchanges[-1]].position
    return until_the_next(evidence, conversation, end, *Audience)


def _breaks(evidence: Evidence, conversation: Conversation, sent: Sent, *, from_client: bool) -> Iterator[Break]:
    last: int | None = None
    certain = conversation.mechanism is Mechanism.NTLM  # a Kerberos context begins at any number (RFC 4121 section 4.2.6.2)
    first = True
    end_at: int | None = None
    for exchange in _context(evidence, conversation):
        half = request(exchange) if from_client else response(exchange)
        if half is None or half.body.missing or not half.body.complete or (end_at is not None and half.at != end_at):
            last, certain = None, False  # something in between is not in the capture
        end_at = None if half is None else half.end_at
        if half is None or half.body.missing or not half.body.complete:
            continue
        repeated = from_client and _repeated(evidence, exchange, half, sent)
        found = message(evidence, half)
        for part in () if found is None else found.parts:
            if part.sequence is None:
                continue
            wrong = part.sequence != last + 1 if last is not None else certain and first and part.sequence not in (0, 1)
            if wrong and repeated:
                continue
            if wrong:
                yield Break(exchange, half, part.sequence, last)
            last, first = part.sequence, False


def _repeated(evidence: Evidence, exchange: Exchange, half: Request | Response, sent: Sent) -> bool:
    """The body was sent before on this connection or in an exchange that is not this one's own other leg; or it may have been."""
    digest = half.body.digest
    if isinstance(digest, Absent):
        return False
    again = sent.first_on.get((exchange.connection, digest), exchange.id) != exchange.id
    if again or sent.first.get(digest, exchange.id) not in (legs := _legs(evidence, exchange.id)):
        return True
    connections = [evidence.connections[evidence.exchanges[leg].connection] for leg in legs]
    if any(not connection.to_server.begins for connection in connections):
        return True
    hosts = {connection.client.host for connection in connections}
    unread = [sent.unread.get((host, length)) for host in hosts for length in (None, half.body.declared)]
    return any(ns is not None and ns <= half.first_ns for ns in unread)


def _legs(evidence: Evidence, exchange: str) -> set[str]:
    """The exchange on all legs that it was seen on, through a chain of proxies too."""
    legs = {exchange}
    outward, inward = exchange, exchange
    while (hop := evidence.far.get(outward)) is not None and hop.near not in legs:
        outward = hop.near
        legs.add(outward)
    while (hop := evidence.near.get(inward)) is not None and hop.far not in legs:
        inward = hop.far
        legs.add(inward)
    return legs


def _finding(evidence: Evidence, conversation: Conversation, breaks: list[Break]) -> Finding:
    first = breaks[0]
    near = owner(evidence, first.exchange.id)
    key = first_packet(first.half)
    expected = f"after number {first.before}" if first.before is not None else "as the first message after the handshake"
    user = who(conversation)
    why = (
        f"On {name(evidence.connections[conversation.connection])}, authenticated with {conversation.mechanism.value}{f' as {user}' if user else ''}, "
        f"{first.exchange.id} ({packet(evidence, key[0]) if key else 'not captured'}) carries sequence number {first.number} {expected}; nothing is missing in "
        f"between. {counted(len(breaks), 'break')} in this context."
        + (f" On the client's leg this message came from {name(evidence.connections[near.connection])}." if near is not None else "")
    )
    owners = [found.connection for item in breaks if (found := owner(evidence, item.exchange.id)) is not None]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[conversation.connection, *owners],
        exchanges=[item.exchange.id for item in breaks],
        packets=[key for item in breaks for key in first_packet(item.half)],
        user=user,
    )
