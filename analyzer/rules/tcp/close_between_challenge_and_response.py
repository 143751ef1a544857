"""The connection ends in the middle of a handshake, after the challenge and before the client's answer.

What it sees
    A 401 or 407 that carries a token of NTLM, Negotiate or CredSSP, followed within 5 seconds by a FIN or RST of the proxy (or of the server, where there is no
    proxy), before the other side had received any of the client's next request.
Why it matters
    The answer to a challenge is only worth something on the connection of the challenge. It can never be given, and each new connection begins with a new
    challenge: authentication cannot succeed at all.
When it is wrong
    A 401 without a token, the first offer, may be followed by a close. A client that closes by itself has given up, and one whose request asked for a close
    (Connection: close, or HTTP/1.0) got what it wanted: neither is counted.
Needs
    The client's leg or a direct connection.
Reference
    Proxy Servers and WinRM, sentences 134 to 136; RFC 4559 section 6.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request
from analyzer.records.proxy import Role
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
    role,
    seconds,
    status,
    who,
)

RULE = "tcp.close-between-challenge-and-response"
TITLE = "Connection closed between the challenge and its answer"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 136"
ADVICE = (
    "The proxy must keep the connection over a 401 (or 407) that carries a token: let it speak HTTP/1.1 with persistent connections on both sides, or use "
    "another proxy (tinyproxy closes after each response), or CONNECT with HTTPS."
)
_SOON_NS = 5_000_000_000


class Cut(NamedTuple):
    """A handshake, the exchange whose challenge was its last word, and how the connection ended."""

    conversation: Conversation
    exchange: Exchange
    ending: Ending


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Cut]] = defaultdict(list)
    for audience in Audience:
        for conversation in handshakes(evidence, audience):
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
    if role(evidence, conversation.connection) is Role.UPSTREAM_LEG or asked is None or asked.method == "CONNECT" or _wants_a_close(asked):
        return None
    ending = ended_after(evidence, exchange, Side.SERVER)
    if ending is None or ending.after_ns > _SOON_NS:
        return None
    for other in after(evidence, exchange):
        sent = request(other)
        if sent is None or (sent.first_ns <= ending.closing.ts_ns and ending.closing.acked > sent.at):
            return None
    return Cut(conversation, exchange, ending)


def _wants_a_close(asked: Request) -> bool:
    """RFC 9112 section 9.3: what the request says about the connection after its response."""
    said = (header(asked, "connection") or header(asked, "proxy-connection") or "").lower()
    return "close" in said or (asked.version == "HTTP/1.0" and "keep-alive" not in said)


def _finding(evidence: Evidence, group: list[Cut]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.conversation.connection]
    answer = response(first.exchange)
    announced = "close" in (header(answer, "connection") or header(answer, "proxy-connection") or "").lower()
    side = "the proxy" if role(evidence, connection.id) is Role.CLIENT_LEG else "the server"
    why = (
        f"On {name(connection)} the {first.conversation.mechanism.value} challenge of {first.exchange.id} (status {status(first.exchange)}, "
        f"{packet(evidence, answer.packets[0]) if answer and answer.packets else ''}) was followed {seconds(first.ending.after_ns)} later by a "
        f"{first.ending.closing.kind.value} of {side} ({packet(evidence, first.ending.closing.packet)}), "
        f"{'as announced with Connection: close' if announced else 'unannounced'}, before the client could answer it."
    )
    why += f" The same happened {counted(len(group), 'time')} in this capture." if len(group) > 1 else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[cut.conversation.connection for cut in group],
        exchanges=[cut.exchange.id for cut in group],
        packets=[key for cut in group for key in (*first_packet(request(cut.exchange)), *first_packet(response(cut.exchange)), cut.ending.closing.packet)],
        user=who(first.conversation),
    )
