"""NTLM was negotiated without sealing.

What it sees
    An NTLM handshake that succeeded on a connection without TLS, whose authenticate message does not ask for sealing, and requests with a body on that
    connection.
Why it matters
    Without the flag there is no key to seal with: everything that follows is readable, whatever client and server are configured to want.
When it is wrong
    Over HTTPS the flag does not matter; such connections are not counted.
Needs
    The handshake and what follows.
Reference
    MS-NLMP 2.2.2.5 (NTLMSSP_NEGOTIATE_SEAL); MS-WSMV 2.2.9.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import authenticated, completed, counted, finding, first_packet, name, packet, packets_of, request, who

RULE = "enc.no-seal-negotiated"
TITLE = "NTLM without sealing"
SEVERITY = Severity.HIGH
REFERENCE = "MS-NLMP 2.2.2.5"
ADVICE = "Use a client that asks for message encryption (pywinrm: message_encryption='always'; pypsrp: encryption='always'), or HTTPS."


class Unsealed(Struct, frozen=True, gc=False):
    """The handshake, and the requests with a body that it authenticated."""

    conversation: Conversation
    exchanges: tuple[Exchange, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Unsealed]] = defaultdict(list)
    for conversation in completed(evidence):
        connection = evidence.connections[conversation.connection]
        plain = conversation.mechanism is Mechanism.NTLM and conversation.sealing is False and not conversation.over_tls and connection.protocol != "tls"
        if plain and not any(identity in evidence.far for identity in conversation.exchanges):
            bodies = tuple(exchange for exchange in evidence.exchanges_of[connection.id] if _carries(evidence, conversation, exchange))
            if bodies:
                groups[connection.client.host, connection.server.host, connection.server.port].append(Unsealed(conversation, bodies))
    for group in groups.values():
        yield _finding(evidence, group)


def _carries(evidence: Evidence, conversation: Conversation, exchange: Exchange) -> bool:
    asked = request(exchange)
    own = authenticated(evidence, exchange) is conversation and exchange.id not in conversation.exchanges[:-1]
    return own and asked is not None and bool(asked.body.size)


def _finding(evidence: Evidence, group: list[Unsealed]) -> Finding:
    first = group[0]
    last = evidence.exchanges[first.conversation.exchanges[-1]]
    shake, body = first_packet(request(last)), first_packet(request(first.exchanges[0]))
    bodies = [exchange for unsealed in group for exchange in unsealed.exchanges]
    user = who(first.conversation)
    why = (
        f"The NTLM handshake{f' of {user}' if user else ''} on {name(evidence.connections[first.conversation.connection])} ended without the sealing flag "
        f"({last.id}, "
        f"{packet(evidence, shake[0]) if shake else ''}); {counted(len(bodies), 'request')} with a body followed, the first is {first.exchanges[0].id}, "
        f"{packet(evidence, body[0]) if body else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[unsealed.conversation.connection for unsealed in group],
        exchanges=[*(identity for unsealed in group for identity in unsealed.conversation.exchanges), *(exchange.id for exchange in bodies)],
        packets=[*first_packet(request(last)), *packets_of(bodies)],
        user=user,
    )
