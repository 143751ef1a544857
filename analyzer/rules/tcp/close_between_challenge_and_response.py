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

from collections.abc import Iterator

from analyzer.records.auth import Audience
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
from analyzer.rules.reading import after, finding, grouped, name, packet, request, response, role, says_close, seconds, status, who
from analyzer.rules.tcp._endings import Cut, again, cut_handshakes, proof

RULE = "tcp.close-between-challenge-and-response"
TITLE = "Connection closed between the challenge and its answer"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 136"
HOW = Advice(
    "The proxy must keep the connection over a 401 (or 407) that carries a token, with HTTP/1.1 on both sides",
    Topic.KEEP,
    f", or use CONNECT with HTTPS, or {PAST_THE_PROXY}.",
)
ADVICE = HOW.text()


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    found = (cut for cut in cut_handshakes(evidence, *Audience) if _is_one(evidence, cut))
    for group in grouped(found, lambda cut: evidence.connections[cut.conversation.connection]).values():
        yield _finding(evidence, group)


def _is_one(evidence: Evidence, cut: Cut) -> bool:
    """Not on the upstream leg, not of a CONNECT (which is another rule's), and the client's next request, if any, had not been received."""
    asked = request(cut.exchange)
    if role(evidence, cut.conversation.connection) is Role.UPSTREAM_LEG or asked is None or asked.method == "CONNECT":
        return False
    closing = cut.ending.closing
    following = [request(other) for other in after(evidence, cut.exchange)]
    return all(sent is not None and not (sent.first_ns <= closing.ts_ns and closing.acked > sent.at) for sent in following)


def _finding(evidence: Evidence, group: list[Cut]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.conversation.connection]
    answer = response(first.exchange)
    side = "the proxy" if role(evidence, connection.id) is Role.CLIENT_LEG else "the server"
    why = (
        f"On {name(connection)} the {first.conversation.mechanism.value} challenge of {first.exchange.id} (status {status(first.exchange)}, "
        f"{packet(evidence, answer.packets[0]) if answer and answer.packets else ''}) was followed {seconds(first.ending.after_ns)} later by a "
        f"{first.ending.closing.kind.value} of {side} ({packet(evidence, first.ending.closing.packet)}), "
        f"{'as announced with Connection: close' if says_close(answer) else 'unannounced'}, before the client could answer it."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why + again(group),
        advice=HOW,
        reference=REFERENCE,
        connections=[cut.conversation.connection for cut in group],
        exchanges=[cut.exchange.id for cut in group],
        packets=[key for cut in group for key in proof(cut.exchange, cut.ending)],
        user=who(first.conversation),
    )
