"""The proxy sends one client's encrypted message over another client's connection, by its sequence number.

Detects
    Every message encrypted with NTLM (extended session security) or with a Kerberos CFX token has its sequence number in clear. Within one logon and direction
    each number is the one before plus one. Here a number is skipped or repeated although no byte between the two messages is missing and no new handshake lies
    in between; or the first NTLM message after the handshake has neither number 0 nor 1. With both sides of the proxy, the message came from the connection of
    another client than the logon.
Impact
    It proves, without any key, that the proxy mixes clients. The server cannot decrypt the message and refuses it.
False positives
    With one side of the proxy only, nothing shows whose message it is: then it is medium and says so. A client that numbers its own messages in its own way is
    not counted, nor is a connection without a proxy or with mixed handshakes. A message that the client itself repeats is left out, and so is one that may be
    a repetition because an earlier request of that client with the same length is not whole in the capture. Gaps in the capture, NTLM without extended session
    security and CredSSP have nothing to compare.
Requires
    One side of the proxy with the handshake; to prove it, both. No key.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server."
    MS-NLMP 3.4.4.2; RFC 4121 section 4.2.6.2.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.rules.asking import client_behind, is_mixed, named, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import PROXIED, completed, counted, first_packet, identity, message, name, owner, request, response, role, until_the_next, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_MECHANISMS = (Mechanism.NTLM, Mechanism.KERBEROS)
_PROVED, _UNTOLD = 0.95, 0.5


class Break(Fact, frozen=True):
    """Where the numbering breaks: the logon, the message, its number, the number before it in this direction (None: it is the first), and the other client's
    exchange that it belongs to (None: its client is not in the capture)."""

    logon: Conversation
    exchange: Exchange
    half: Request | Response
    number: int
    before: int | None
    foreign: Exchange | None = None


class Sent(Fact, frozen=True):
    """The exchange in which each body was sent first, of all and of each connection; and when each client host first sent a request of a length (None: of any)
    whose body is not known."""

    first: Mapping[bytes, str]
    first_on: Mapping[tuple[str, bytes], str]
    unread: Mapping[tuple[str, int | None], int]


def see(evidence: Evidence) -> Signs[Break]:
    """One sign for each break that shows, or may show, another client's message."""
    if not with_message(evidence, "numbered", _is_numbered, encrypted=True):
        return
    sent = Sent(_first_seen(evidence), _first_on(evidence), _unread(evidence))
    for logon in completed(evidence):
        if logon.mechanism in _MECHANISMS and role(evidence, logon.connection) in PROXIED and not is_mixed(evidence, logon):
            for from_client in (True, False):
                for one in _breaks(evidence, logon, sent, from_client=from_client):
                    yield from _sign(evidence, one)


def _is_numbered(found: Message) -> bool:
    return any(part.sequence is not None for part in found.parts)


def _sign(evidence: Evidence, found: Break) -> Signs[Break]:
    """A break of a client's own messages is its own way to number; one on the client's side of a known exchange shows on the server's side."""
    logon, near, first = found.logon, owner(evidence, found.exchange.id), client_behind(evidence, found.logon)
    exchanges, packets, user = (found.exchange.id,), first_packet(found.half), who(logon)
    if near is not None and first is not None:
        if _are_two(evidence, first, near.connection):
            fact = Break(logon, found.exchange, found.half, found.number, found.before, near)
            yield Sign(fact, exchanges, packets, (logon.connection, near.connection), user, _PROVED)
    elif (
        near is None and found.exchange.id not in evidence.near and (role(evidence, logon.connection) is Role.UPSTREAM_LEG or isinstance(found.half, Response))
    ):
        yield Sign(found, exchanges, packets, (logon.connection,), user, _UNTOLD)


def _are_two(evidence: Evidence, one: str, other: str) -> bool:
    """Connections of two clients: two addresses, or two accounts."""
    if one == other:
        return False
    users = identity(evidence, one), identity(evidence, other)
    return evidence.connections[one].client.host != evidence.connections[other].client.host or (None not in users and users[0] != users[1])


def _first_seen(evidence: Evidence) -> dict[bytes, str]:
    """The exchange in which each body was sent first: a client that lost its connection sends the body again, encrypted for the connection that is gone."""
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


def _protected(evidence: Evidence, logon: Conversation) -> tuple[Exchange, ...]:
    """The exchanges that this logon protects: from the one that ends the handshake to the next attempt on the connection."""
    end = evidence.exchanges[logon.ends or logon.exchanges[-1]].position
    return until_the_next(evidence, logon, end, *Audience)


def _breaks(evidence: Evidence, logon: Conversation, sent: Sent, *, from_client: bool) -> Iterator[Break]:
    last: int | None = None
    certain = logon.mechanism is Mechanism.NTLM  # a Kerberos context begins at any number (RFC 4121 section 4.2.6.2)
    first = True
    end_at: int | None = None
    for exchange in _protected(evidence, logon):
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
                yield Break(logon, exchange, half, part.sequence, last)
            last, first = part.sequence, False


def _repeated(evidence: Evidence, exchange: Exchange, half: Request | Response, sent: Sent) -> bool:
    """The body was sent before on this connection or in an exchange that is not this one on another side; or it may have been."""
    digest = half.body.digest
    if isinstance(digest, Absent):
        return False
    again = sent.first_on.get((exchange.connection, digest), exchange.id) != exchange.id
    if again or sent.first.get(digest, exchange.id) not in (sides := _sides(evidence, exchange.id)):
        return True
    connections = [evidence.connections[evidence.exchanges[side].connection] for side in sides]
    if any(not connection.to_server.begins for connection in connections):
        return True
    hosts = {connection.client.host for connection in connections}
    unread = [sent.unread.get((host, length)) for host in hosts for length in (None, half.body.declared)]
    return any(ns is not None and ns <= half.first_ns for ns in unread)


def _sides(evidence: Evidence, exchange: str) -> set[str]:
    """The exchange on all sides that it was seen on, through a chain of proxies too."""
    sides = {exchange}
    outward, inward = exchange, exchange
    while (hop := evidence.far.get(outward)) is not None and hop.near not in sides:
        outward = hop.near
        sides.add(outward)
    while (hop := evidence.near.get(inward)) is not None and hop.far not in sides:
        inward = hop.far
        sides.add(inward)
    return sides


def _is_proved(tell: Tell[Break]) -> bool:
    return any(fact.foreign is not None for fact in tell.facts)


def title(tell: Tell[Break]) -> str:
    if _is_proved(tell):
        return "Proxy mixes two clients' encrypted messages on one connection"
    return f"Encrypted messages with {server_words(tell.connection)} do not follow each other"


def why(tell: Tell[Break]) -> str:
    sign = next((one for one in tell.signs if one.fact.foreign is not None), tell.first)
    first = sign.fact
    expected = f"follows number {first.before}" if first.before is not None else "is the first after the handshake"
    text = (
        f"{name(tell.connection)} was logged on with {first.logon.mechanism.shown}{named('as', who(first.logon))}. The encrypted message in "
        f"{first.exchange.id} ({tell.packet(sign.packets[0]) if sign.packets else 'no packet'}) has number {first.number} and {expected}. No bytes are "
        f"missing in between. There {'is' if tell.count == 1 else 'are'} {counted(tell.count, 'such break')}. "
    )
    if first.foreign is not None:
        return f"{text}The message came from another client: {name(tell.evidence.connections[first.foreign.connection])}."
    return f"{text}The other side of the proxy is not in the capture, so whose message it is cannot be told."


OPINION = Opinion(
    title=title,
    name="Encrypted messages of two clients on one connection",
    severity=lambda tell: Severity.CRITICAL if _is_proved(tell) else Severity.MEDIUM,
    worst=Severity.CRITICAL,
    confidence=_PROVED,
    owner=Owner.PROXY,
    reference="MS-NLMP 3.4.4.2; RFC 4121 section 4.2.6.2",
    advice=Advice("If this proxy sends messages of different clients over one connection, bind each server connection to one client", Topic.BIND),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.logon.id,
    fails=("affinity",),
)
