"""After authentication a client's requests are moved to another upstream connection.

What it sees
    A handshake completes on a client's connection and on upstream connection U1; the next request without a new handshake on the same client's connection
    goes on over U2, although the server has not closed U1.
Why it matters
    U2 is not authenticated: the request is refused or, if somebody else authenticated U2, is served with the wrong identity.
When it is wrong
    When the server closed U1 (an idle timeout), the proxy had no choice; that is not counted.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentence 146.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    authenticated,
    begins_at,
    completed,
    counted,
    finding,
    header,
    listed,
    name,
    packet,
    packets_of,
    request,
    status,
    until_the_next,
    upstream,
    who,
)

RULE = "affinity.client-migrates"
TITLE = "An authenticated client is moved to another upstream connection"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 146"
HOW = Advice(
    "Bind each upstream connection to one client connection for as long as both live",
    Topic.BIND,
)
ADVICE = HOW.text()


class Move(Struct, frozen=True, gc=False):
    """A request after the handshake of ``conversation``, and what it went on as, elsewhere than the handshake."""

    conversation: Conversation
    near: Exchange
    far: Exchange
    home: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Move]] = defaultdict(list)
    for conversation in completed(evidence):
        last = upstream(evidence, conversation.ends or conversation.exchanges[-1])
        if last is None or {far.connection for exchange in conversation.exchanges if (far := upstream(evidence, exchange)) is not None} != {last.connection}:
            continue
        connection = evidence.connections[conversation.connection]
        groups[connection.client.host, connection.server.host, connection.server.port] += _moves(evidence, conversation, last.connection)
    for group in groups.values():
        if group:
            yield _finding(evidence, group)


def _moves(evidence: Evidence, conversation: Conversation, home: str) -> Iterator[Move]:
    for near in until_the_next(evidence, conversation, begins_at(evidence, conversation), Audience.SERVER):
        if near.id in conversation.exchanges or authenticated(evidence, near) is not conversation or header(request(near), "authorization") is not None:
            continue
        far = upstream(evidence, near.id)
        if far is not None and far.connection != home and _same_way(evidence, home, far.connection) and not _closed_by_server(evidence, home, near):
            yield Move(conversation, near, far, home)


def _same_way(evidence: Evidence, home: str, other: str) -> bool:
    """Both upstream connections join the same two hosts. In a chain of proxies a leg further on takes the place of one that was not captured."""
    one, two = evidence.connections[home], evidence.connections[other]
    return (one.client.host, one.server) == (two.client.host, two.server)


def _closed_by_server(evidence: Evidence, connection: str, near: Exchange) -> bool:
    asked = request(near)
    closings = evidence.connections[connection].closings
    return asked is not None and any(closing.side is Side.SERVER and closing.ts_ns <= asked.last_ns for closing in closings[:1])


def _finding(evidence: Evidence, moves: list[Move]) -> Finding:
    first = moves[0]
    user = who(first.conversation)
    asked = request(first.far)
    homes = list(dict.fromkeys(move.conversation.connection for move in moves))
    others = listed(move.far.connection for move in moves if move.conversation is first.conversation)
    own = sum(move.conversation is first.conversation for move in moves)
    why = (
        f"{name(evidence.connections[first.conversation.connection])} was authenticated {f'as {user} ' if user else ''}over "
        f"{name(evidence.connections[first.home])}. "
        f"{counted(own, 'later request')} without a new handshake went over {others} instead, while {first.home} was still open: the first is {first.near.id}, "
        f"which went on as {first.far.id} ({packet(evidence, asked.packets[0]) if asked and asked.packets else 'packet not captured'}) and was answered "
        f"{status(first.far)}."
    )
    if len(homes) > 1:
        why += f" The same happened on {counted(len(homes) - 1, 'other connection')} of this client ({listed(homes[1:])}): {len(moves)} requests in all."
    members = [exchange for move in moves for exchange in (move.near, move.far)]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(evidence.far[move.far.id].confidence for move in moves),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[*(identity for move in moves for identity in (move.conversation.connection, move.home)), *(move.far.connection for move in moves)],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=user,
    )
