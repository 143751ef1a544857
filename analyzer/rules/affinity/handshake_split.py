"""The messages of one authentication handshake reach the server on different connections.

What it sees
    On the client's connection a handshake goes on (a challenge was answered), but its round trips are joined with different upstream connections: the answer
    to the challenge arrives on a connection on which that challenge was never sent. With the upstream leg alone: an NTLM authenticate message as the first
    thing on a connection whose beginning was captured, right after a challenge to the same peer on another one.
Why it matters
    The server keeps the state of the handshake with the connection. It answers 401 and the user sees "access denied" with a correct password.
When it is wrong
    When the capture began in the middle of the second connection; such connections are left out.
Needs
    Both legs for certainty; the upstream leg alone gives a lower confidence.
Reference
    Proxy Servers and WinRM, sentences 129, 133 and 144.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
from analyzer.rules.reading import counted, finding, first_packet, handshakes, name, packet, packets_of, request, response, role, status, upstream, who

RULE = "affinity.handshake-split"
TITLE = "An authentication handshake is split over several upstream connections"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 144"
HOW = Advice(
    "Bind each upstream connection to one client connection for as long as both live",
    Topic.BIND,
    f"; or use HTTPS through CONNECT or a proxy at TCP level, or {PAST_THE_PROXY}.",
)
ADVICE = HOW.text()
_SOON_NS = 5_000_000_000
_ALONE = 0.7


class Split(Struct, frozen=True, gc=False):
    """A handshake of a client's connection, and the upstream exchanges that its round trips became, in order."""

    conversation: Conversation
    fars: tuple[Exchange, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy; with the upstream leg alone, one for each peer and server."""
    groups: dict[tuple[str, str, int], list[Split]] = defaultdict(list)
    for conversation in handshakes(evidence):
        split = _split(evidence, conversation)
        if split is not None:
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(split)
    for group in groups.values():
        yield _finding(evidence, group)
    if not groups:
        yield from _alone(evidence)


def _split(evidence: Evidence, conversation: Conversation) -> Split | None:
    fars = tuple(found for exchange in conversation.exchanges if (found := upstream(evidence, exchange)) is not None)
    connections = {exchange.connection for exchange in fars}
    if len(connections) < 2 or not all(evidence.connections[identity].to_server.begins for identity in connections):
        return None
    return Split(conversation, fars)


def _finding(evidence: Evidence, group: list[Split]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.conversation.connection]
    legs = list(dict.fromkeys(exchange.connection for exchange in first.fars))
    way = "; ".join(
        f"{evidence.far[far.id].near} went on as {far.id} on {name(evidence.connections[far.connection])} "
        f"({packet(evidence, asked.packets[0]) if (asked := request(far)) is not None and asked.packets else 'packet not captured'}), status {status(far)}"
        for far in first.fars
    )
    refused = sum(split.conversation.outcome is Outcome.REFUSED for split in group)
    user = who(first.conversation)
    why = (
        f"The {first.conversation.mechanism.value} handshake {f'of {user} ' if user else ''}on {name(connection)} was carried by {len(legs)} "
        "upstream connections: "
        f"{way}. {counted(len(group), 'handshake')} of this client went this way; {refused} ended refused."
    )
    members = [exchange for split in group for exchange in (*(evidence.exchanges[identity] for identity in split.conversation.exchanges), *split.fars)]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(evidence.far[far.id].confidence for split in group for far in split.fars),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[*(split.conversation.connection for split in group), *(far.connection for split in group for far in split.fars)],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=user,
    )


def _alone(evidence: Evidence) -> Iterator[Finding]:
    """Without the client's leg: an answer without its challenge, and a challenge without its answer, one after the other between the same two hosts."""
    orphans: dict[tuple[str, str, int], list[tuple[Conversation, Conversation]]] = defaultdict(list)
    pending: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in sorted(handshakes(evidence), key=lambda found: found.first_ns):
        connection = evidence.connections[conversation.connection]
        joined = any(identity in evidence.far for identity in conversation.exchanges)
        if joined or role(evidence, connection.id) in (Role.CLIENT_LEG, Role.DIRECT) or not connection.to_server.begins:
            continue
        peers = (connection.client.host, connection.server.host, connection.server.port)
        kinds = [step.token.step for step in conversation.steps if step.token is not None]
        if kinds[:1] == ["authenticate"] and conversation.server_challenge is None and conversation.outcome is not Outcome.ACCEPTED:
            challenged = [other for other in pending[peers] if 0 <= conversation.first_ns - other.last_ns <= _SOON_NS and other.connection != connection.id]
            if challenged:
                orphans[peers].append((challenged[-1], conversation))
                pending[peers].remove(challenged[-1])
        elif "challenge" in kinds and kinds[-1] == "challenge":
            pending[peers].append(conversation)
    for pairs in orphans.values():
        yield _orphan_finding(evidence, pairs)


def _orphan_finding(evidence: Evidence, pairs: list[tuple[Conversation, Conversation]]) -> Finding:
    challenged, answered = pairs[0]
    last = evidence.exchanges[answered.exchanges[-1]]
    user = who(answered)
    why = (
        f"On {name(evidence.connections[challenged.connection])} a challenge was never answered; {name(evidence.connections[answered.connection])} "
        "began with the "
        f"{answered.mechanism.value} authenticate message {f'of {user} ' if user else ''}without a challenge before it, and was answered {status(last)}. "
        f"{counted(len(pairs), 'such pair')} between these hosts. The client's leg is not in the evidence."
    )
    exchanges = [identity for pair in pairs for conversation in pair for identity in conversation.exchanges]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=_ALONE,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[conversation.connection for pair in pairs for conversation in pair],
        exchanges=exchanges,
        packets=[
            key
            for identity in exchanges
            for half in (request(evidence.exchanges[identity]), response(evidence.exchanges[identity]))
            for key in first_packet(half)
        ],
        user=user,
    )
