"""The handshakes of two clients are mixed on one upstream connection.

What it sees
    On an upstream connection a token of client A's handshake is followed by a token of client B's, although A's handshake was not over: it went on after
    that.
Why it matters
    The server keeps one handshake for each connection. B's message answers A's challenge, or throws it away: one of them fails, at random, under load.
When it is wrong
    A client that gave its handshake up leaves the connection free for others; that is not counted.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 127, 129 and 144.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, handshakes, name, owner, packet, packets_of, request, status, upstream, who

RULE = "affinity.handshake-interleaved"
TITLE = "Handshakes of two clients are mixed on one upstream connection"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 129"
HOW = Advice(
    "Bind each upstream connection to one client connection for as long as both live",
    Topic.BIND,
)
ADVICE = HOW.text()


class Mix(Struct, frozen=True, gc=False):
    """A's handshake on its own connection, its exchange upstream, and B's exchange that came in between."""

    conversation: Conversation
    mine: Exchange
    other: Exchange


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each upstream connection."""
    tokens = {identity: found for found in handshakes(evidence) for identity in found.exchanges}
    groups: dict[str, list[Mix]] = defaultdict(list)
    for connection in dict.fromkeys(hop.far_connection for hop in evidence.hops):
        own = [exchange for exchange in evidence.exchanges_of[connection] if exchange.id in evidence.far and evidence.far[exchange.id].near in tokens]
        for mine, other in pairwise(own):
            mix = _mix(evidence, tokens, mine, other)
            if mix is not None:
                groups[connection].append(mix)
    for group in groups.values():
        yield _finding(evidence, group)


def _mix(evidence: Evidence, tokens: dict[str, Conversation], mine: Exchange, other: Exchange) -> Mix | None:
    near, foreign = owner(evidence, mine.id), owner(evidence, other.id)
    asked = request(other)
    if near is None or foreign is None or asked is None or near.connection == foreign.connection:
        return None
    conversation = tokens[near.id]
    later = [evidence.exchanges[identity] for identity in conversation.exchanges if evidence.exchanges[identity].position > near.position]
    went_on = any((far := upstream(evidence, exchange.id)) is not None and (sent := request(far)) and sent.first_ns > asked.first_ns for exchange in later)
    return Mix(conversation, mine, other) if went_on else None


def _finding(evidence: Evidence, group: list[Mix]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.mine.connection]
    near, foreign = owner(evidence, first.mine.id), owner(evidence, first.other.id)
    mine_key, other_key = packets_of([first.mine]), packets_of([first.other])
    user = who(first.conversation)
    why = (
        f"On {name(connection)} the {first.conversation.mechanism.value} handshake of {near.connection if near else ''}{f' ({user})' if user else ''} had "
        "begun with "
        f"{first.mine.id} ({packet(evidence, mine_key[0]) if mine_key else ''}); before it went on, {first.other.id} brought a token of "
        f"{foreign.connection if foreign else ''} ({packet(evidence, other_key[0]) if other_key else ''}, status {status(first.other)}). "
        f"{counted(len(group), 'such mix', 'such mixes')} on this connection."
    )
    members = [exchange for mix in group for exchange in (mix.mine, mix.other)]
    nears = [found for exchange in members if (found := owner(evidence, exchange.id)) is not None]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(evidence.far[exchange.id].confidence for exchange in members),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[connection.id, *(found.connection for found in nears)],
        exchanges=[*(exchange.id for exchange in members), *(found.id for found in nears)],
        packets=packets_of(members),
        user=user,
    )
