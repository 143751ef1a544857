"""The server no longer knows an authenticated connection.

What it sees
    A sealed request without new credentials, on a connection on which a handshake had completed, is answered 401 less than 15 seconds after the last sign of
    life of that connection. With both legs: it went over the same upstream connection as the handshake.
Why it matters
    The connection was not lost and nobody was idle, yet the server asks for authentication again: its state is gone. The client's commands fail at random.
When it is wrong
    A restart of the service, or of the server. Where the proxy sent the request over another upstream connection the cause is affinity.client-migrates, which
    is not counted; with the client's leg of a proxied path alone that cannot be seen, and the confidence is lower.
Needs
    A direct connection, or both legs.
Reference
    Proxy Servers and WinRM, sentences 144 and 146.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules.reading import (
    authenticated,
    before,
    counted,
    finding,
    first_packet,
    header,
    message,
    name,
    packet,
    packets_of,
    request,
    response,
    role,
    seconds,
    status,
    upstream,
    who,
    winrm_exchanges,
)

RULE = "auth.context-lost"
TITLE = "The server no longer knows an authenticated connection"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 144"
ADVICE = (
    "Look for restarts of the service WinRM at that time, and for a device between proxy and server that spreads requests of one connection over several "
    "servers."
)
_DEMAND = 401
_IDLE_NS = 15_000_000_000
_SURE, _UNSURE = 0.8, 0.5


class Lost(Struct, frozen=True, gc=False):
    """The request, what had authenticated it, and how long the connection had been silent."""

    exchange: Exchange
    conversation: Conversation
    idle_ns: int


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Lost]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        lost = None if exchange.id in evidence.far else _lost(evidence, exchange)
        if lost is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(lost)
    for group in groups.values():
        yield _finding(evidence, group)


def _lost(evidence: Evidence, exchange: Exchange) -> Lost | None:
    asked = request(exchange)
    found = message(evidence, asked)
    if asked is None or status(exchange) != _DEMAND or found is None or found.protection is not Protection.SEALED or header(asked, "authorization") is not None:
        return None
    conversation = authenticated(evidence, exchange)
    previous = before(evidence, exchange)
    last = None if previous is None else response(previous)
    if conversation is None or last is None or asked.first_ns - last.last_ns >= _IDLE_NS:
        return None
    homes = {far.connection for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None}
    here = upstream(evidence, exchange.id)
    if homes and (here is None or {here.connection} != homes):
        return None
    return Lost(exchange, conversation, asked.first_ns - last.last_ns)


def _finding(evidence: Evidence, group: list[Lost]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.exchange.connection]
    blind = role(evidence, connection.id) is Role.CLIENT_LEG and first.exchange.id not in evidence.near
    fars = [far for lost in group if (far := upstream(evidence, lost.exchange.id)) is not None]
    done = first_packet(response(evidence.exchanges[first.conversation.ends or first.conversation.exchanges[-1]]))
    key = first_packet(response(first.exchange))
    user = who(first.conversation)
    why = (
        f"On {name(connection)} the {first.conversation.mechanism.value} handshake{f' of {user}' if user else ''} had completed "
        f"({packet(evidence, done[0]) if done else ''}); {counted(len(group), 'sealed request')} later got 401, the first is {first.exchange.id} "
        f"({packet(evidence, key[0]) if key else ''}), {seconds(first.idle_ns)} after the last response."
    )
    why += " The upstream leg is not in the evidence: a proxy that moved the client to another connection looks the same." if blind else ""
    return finding(
        evidence,
        rule=RULE,
        severity=Severity.MEDIUM if blind else SEVERITY,
        confidence=_UNSURE if blind else _SURE,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(lost.exchange.connection for lost in group), *(far.connection for far in fars)],
        exchanges=[*(lost.exchange.id for lost in group), *(far.id for far in fars)],
        packets=packets_of(lost.exchange for lost in group),
        user=user,
    )
