"""The handshakes of two clients are mixed on one server connection.

Detects
    On a server connection a token of client A's handshake is followed by a token of client B's, although A's handshake was not over: it continued after that.
Impact
    The server keeps one handshake for each connection. B's message answers A's challenge, or discards it: one of them fails, at random, under load.
False positives
    A client that abandoned its handshake leaves the connection free for others. That is not counted.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "HTTP-based proxy servers might not support the ability to
    maintain the associated client-based and server-based connections." "Also, the lack of connection affinity might
    cause the authentication to fail against the server." "If the connection-based affinity is not maintained,
    authentication against the destination server can fail with an access denied error."
"""

from collections.abc import Mapping
from itertools import pairwise

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange
from analyzer.rules import microsoft
from analyzer.rules.asking import asked_at, joined, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import handshakes, name, owner, packets_of, request, status, upstream, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Mix(Fact, frozen=True):
    """A's handshake on its own connection, its exchange on the server connection, B's exchange that came next there, and B's own exchange."""

    handshake: Conversation
    mine: Exchange
    other: Exchange
    foreign: Exchange


def see(evidence: Evidence) -> Signs[Mix]:
    """One sign for each token that came into another client's handshake."""
    tokens = {identity: found for found in handshakes(evidence) for identity in found.exchanges} if evidence.hops else {}
    for connection in dict.fromkeys(hop.far_connection for hop in evidence.hops):
        own = [one for one in evidence.exchanges_of[connection] if one.id in evidence.far and evidence.far[one.id].near in tokens]
        for mine, other in pairwise(own):
            yield from _signs(evidence, tokens, mine, other)


def _signs(evidence: Evidence, tokens: Mapping[str, Conversation], mine: Exchange, other: Exchange) -> Signs[Mix]:
    near, foreign, asked = owner(evidence, mine.id), owner(evidence, other.id), request(other)
    if near is None or foreign is None or asked is None or near.connection == foreign.connection:
        return
    handshake = tokens[near.id]
    later = [one for identity in handshake.exchanges if (one := evidence.exchanges[identity]).position > near.position]
    onward = [sent for one in later if (far := upstream(evidence, one.id)) is not None and (sent := request(far)) is not None]
    if any(sent.first_ns > asked.first_ns for sent in onward):
        exchanges = (mine.id, other.id, near.id, foreign.id)
        connections = (mine.connection, near.connection, foreign.connection)
        yield Sign(Mix(handshake, mine, other, foreign), exchanges, packets_of([mine, other]), connections, user=who(handshake))


def why(tell: Tell[Mix]) -> str:
    first = tell.facts[0]
    return (
        f"Client connection {first.handshake.connection}{_named(first)} began its {first.handshake.mechanism.shown} handshake on server connection "
        f"{name(tell.connection)} ({asked_at(tell, first.mine)}). Before it continued, the proxy sent a token of client connection {first.foreign.connection} "
        f"there ({asked_at(tell, first.other)}). The server answered {status(first.other)} ({first.other.id}). It keeps one handshake for each connection, so "
        f"they destroy each other. This happened {times(tell.count)}."
    )


def _named(mix: Mix) -> str:
    r"""`` (LAB\alice)``, where a name is known."""
    user = who(mix.handshake)
    return f" ({user})" if user else ""


OPINION = Opinion(
    title=lambda tell: f"Proxy {tell.connection.client.host} mixes two clients' handshakes",
    name="Proxy mixes two clients' handshakes on one server connection",
    severity=Severity.HIGH,
    confidence=lambda tell: joined(tell.evidence, *(one.id for mix in tell.facts for one in (mix.mine, mix.other))),
    owner=Owner.PROXY,
    reference=microsoft.NO_AFFINITY_FAILS,
    advice=Advice("Bind each server connection to one client connection for as long as both live", Topic.BIND),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.mine.connection,
    explains=("http.encrypted-body-refused",),
    fails=("connection_authentication",),
)
