"""The proxy ends the connection in the middle of its own authentication for a CONNECT.

What it sees
    CONNECT answered 407 with a token of NTLM, Negotiate or Kerberos, and the proxy's FIN or RST within 5 seconds, before it had received the client's answer.
Why it matters
    The answer to a challenge is only worth something on the connection of the challenge. With these schemes the tunnel can never be opened; Basic would work,
    since it needs no second round.
When it is wrong
    A 407 without a token, the first offer, may be followed by a close. A client that closes by itself, or that asked for a close (Connection: close,
    or HTTP/1.0 without keep-alive), is not counted.
Needs
    The client's leg.
Reference
    RFC 4559 section 6; RFC 9110 section 15.5.8; Proxy Servers and WinRM, sentences 119 and 120.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request
from analyzer.records.transport import Side
from analyzer.rules.reading import (
    Ending,
    after,
    counted,
    ended_after,
    finding,
    first_packet,
    handshakes,
    header,
    name,
    packet,
    request,
    response,
    seconds,
    status,
    who,
)

RULE = "tcp.connect-407-close"
TITLE = "The proxy closes in the middle of its own authentication"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 4559 section 6"
ADVICE = (
    "Let the proxy keep the connection after a 407 that carries a token (squid: auth_param ntlm keep_alive on and client_persistent_connections on), or "
    "authenticate to it with Kerberos in one round, or with Basic inside TLS."
)
_SOON_NS = 5_000_000_000
_DEMAND = 407


class Cut(NamedTuple):
    """A handshake with the proxy, the exchange with the challenge, and how the connection ended."""

    conversation: Conversation
    exchange: Exchange
    ending: Ending


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Cut]] = defaultdict(list)
    for conversation in handshakes(evidence, Audience.PROXY):
        cut = _cut(evidence, conversation)
        if cut is not None:
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(cut)
    for group in groups.values():
        yield _finding(evidence, group)


def _cut(evidence: Evidence, conversation: Conversation) -> Cut | None:
    last = next((step for step in reversed(conversation.steps) if not step.from_client), None)
    if last is None or last.token is None or last.token.step != "challenge":
        return None
    exchange = evidence.exchanges[last.exchange]
    asked = request(exchange)
    if asked is None or asked.method != "CONNECT" or status(exchange) != _DEMAND or _wants_a_close(asked):
        return None
    ending = ended_after(evidence, exchange, Side.SERVER)
    if ending is None or ending.after_ns > _SOON_NS:
        return None
    heard = any((sent := request(other)) is None or ending.closing.acked > sent.at for other in after(evidence, exchange))
    return None if heard else Cut(conversation, exchange, ending)


def _wants_a_close(asked: Request) -> bool:
    """RFC 9112 section 9.3: what the request says about the connection after its response."""
    said = (header(asked, "connection") or header(asked, "proxy-connection") or "").lower()
    return "close" in said or (asked.version == "HTTP/1.0" and "keep-alive" not in said)


def _finding(evidence: Evidence, group: list[Cut]) -> Finding:
    first = group[0]
    answer, asked = response(first.exchange), request(first.exchange)
    told = first_packet(answer)
    why = (
        f"On {name(evidence.connections[first.conversation.connection])} the {first.conversation.mechanism.value} challenge of the proxy for CONNECT "
        f"{asked.target if asked is not None else ''} ({first.exchange.id}, {packet(evidence, told[0]) if told else ''}) was followed by its "
        f"{first.ending.closing.kind.value} ({packet(evidence, first.ending.closing.packet)}) after {seconds(first.ending.after_ns)}, before the client could "
        f"answer. {counted(len(group), 'time')} in this capture."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[cut.conversation.connection for cut in group],
        exchanges=[cut.exchange.id for cut in group],
        packets=[key for cut in group for key in (*first_packet(response(cut.exchange)), cut.ending.closing.packet)],
        user=who(first.conversation),
    )
