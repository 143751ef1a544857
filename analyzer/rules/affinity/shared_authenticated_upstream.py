"""A request of one client is served on a connection that another client authenticated.

What it sees
    On an upstream connection a handshake completes whose exchanges are joined with the connection of client A. Later a request without credentials goes over
    the same upstream connection, joined with the connection of client B: another address, or another identity. No new handshake of B lies in between, and the
    answer is neither 401 nor 407.
Why it matters
    NTLM, Kerberos and CredSSP authenticate the connection. The server cannot tell the clients apart and serves B with A's rights.
When it is wrong
    The same client that comes back (same address, and not visibly another user) is reported as low. When the pairing of the two legs is inferred from timing
    instead of from tokens or bodies, the severity is at most high. A gateway that authenticates with an identity of its own is another matter.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 128, 155 and 156; RFC 4559 section 6.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
from analyzer.rules.reading import (
    authenticated,
    completed,
    counted,
    finding,
    first_packet,
    header,
    identity,
    message,
    name,
    owner,
    packet,
    request,
    response,
    status,
    who,
)

RULE = "affinity.shared-authenticated-upstream"
TITLE = "One client is served on a connection that another client authenticated"
SEVERITY = Severity.CRITICAL
REFERENCE = "Proxy Servers and WinRM, sentence 155"
HOW = Advice(
    "Never share upstream connections that carry NTLM, Kerberos or CredSSP",
    Topic.BIND,
    f", and enforce encryption on the server (AllowUnencrypted=false); or use HTTPS through CONNECT, or {PAST_THE_PROXY}.",
)
ADVICE = HOW.text()
_REFUSED = (401, 407)
_EXACT = 0.95


class Foreign(Struct, frozen=True, gc=False):
    """A request on an upstream connection, whose it is, and by whom the connection was authenticated."""

    exchange: Exchange
    client: Connection
    conversation: Conversation
    authenticator: Connection


def foreign_requests(evidence: Evidence) -> Iterator[Foreign]:
    """Requests without credentials whose client's connection is not the one that authenticated the upstream connection, in order of place."""
    upstreams = {conversation.connection for conversation in completed(evidence) if any(identity in evidence.far for identity in conversation.exchanges)}
    for connection in sorted(upstreams, key=lambda identity: (evidence.connections[identity].first_ns, identity)):
        for exchange in evidence.exchanges_of[connection]:
            conversation = authenticated(evidence, exchange)
            before = owner(evidence, exchange.id)
            if conversation is None or before is None or exchange.id in conversation.exchanges or header(request(exchange), "authorization") is not None:
                continue
            owners = {found.connection for step in conversation.exchanges if (found := owner(evidence, step)) is not None}
            if len(owners) == 1 and before.connection not in owners:
                yield Foreign(exchange, evidence.connections[before.connection], conversation, evidence.connections[owners.pop()])


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each upstream connection and foreign client."""
    groups: dict[tuple[str, str, str], list[Foreign]] = defaultdict(list)
    for foreign in foreign_requests(evidence):
        code = status(foreign.exchange)
        if code is None or code in _REFUSED or code >= 500 or _sealed(evidence, foreign.exchange):
            continue
        groups[foreign.exchange.connection, foreign.client.client.host, foreign.authenticator.id].append(foreign)
    for group in groups.values():
        yield _finding(evidence, group)


def _sealed(evidence: Evidence, exchange: Exchange) -> bool:
    """A sealed body that the server could answer with success was sealed for this connection's context: it is the client's own."""
    found = message(evidence, request(exchange))
    return found is not None and found.protection is Protection.SEALED


def _finding(evidence: Evidence, group: list[Foreign]) -> Finding:
    first = group[0]
    other, owner_name = identity(evidence, first.client.id), who(first.conversation)
    same_host = first.client.client.host == first.authenticator.client.host
    same = same_host and (other is None or owner_name is None or other == owner_name)
    confidence = min(evidence.far[foreign.exchange.id].confidence for foreign in group)
    severity = Severity.LOW if same else SEVERITY if confidence >= _EXACT else Severity.HIGH
    upstream = evidence.connections[first.exchange.connection]
    asked, answer = request(first.exchange), response(first.exchange)
    token_packet = next((step.packets[0] for step in reversed(first.conversation.steps) if step.from_client and step.packets), None)
    why = (
        f"{name(upstream)} was authenticated {f'as {owner_name} ' if owner_name else ''}by {name(first.authenticator)}"
        f"{f', {packet(evidence, token_packet)}' if token_packet is not None else ''}. {counted(len(group), 'request')} without credentials of another client, "
        f"{name(first.client)}{f' ({other})' if other else ''}, {'was' if len(group) == 1 else 'were'} then sent over the same connection and "
        "served: the first is "
        f"{first.exchange.id}, {packet(evidence, asked.packets[0]) if asked and asked.packets else ''}, status {answer.status if answer else ''}."
    )
    if same:
        why += " Both connections come from the same host and show no different user: it may be one client that reconnected."
    nears = [evidence.far[foreign.exchange.id].near for foreign in group]
    return finding(
        evidence,
        rule=RULE,
        severity=severity,
        confidence=confidence,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[first.client.id, upstream.id, first.authenticator.id],
        exchanges=[*nears, *(foreign.exchange.id for foreign in group)],
        packets=[
            *(() if token_packet is None else (token_packet,)),
            *(key for foreign in group for half in (request(foreign.exchange), response(foreign.exchange)) for key in first_packet(half)),
            *(key for near in nears for half in (request(evidence.exchanges[near]), response(evidence.exchanges[near])) for key in first_packet(half)),
        ],
        user=other,
        destination=f"{upstream.server.host}:{upstream.server.port}",
    )
