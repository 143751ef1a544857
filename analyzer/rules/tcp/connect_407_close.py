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

from collections.abc import Iterator

from analyzer.records.auth import Audience
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, counted, finding, first_packet, grouped, name, packet, request, response, seconds, status, who
from analyzer.rules.tcp._endings import Cut, cut_handshakes

RULE = "tcp.connect-407-close"
TITLE = "The proxy closes in the middle of its own authentication"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 4559 section 6"
HOW = Advice(
    "Let the proxy keep the connection after a 407 that carries a token",
    Topic.KEEP,
    ", with auth_param ntlm keep_alive on in squid; or authenticate to it with Kerberos in one round, or with Basic inside TLS.",
)
ADVICE = HOW.text()
_DEMAND = 407


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    found = (cut for cut in cut_handshakes(evidence, Audience.PROXY) if _is_one(evidence, cut))
    for group in grouped(found, lambda cut: evidence.connections[cut.conversation.connection]).values():
        yield _finding(evidence, group)


def _is_one(evidence: Evidence, cut: Cut) -> bool:
    """Of a CONNECT, and no later request of the client had been received."""
    asked = request(cut.exchange)
    if asked is None or asked.method != "CONNECT" or status(cut.exchange) != _DEMAND:
        return False
    return not any((sent := request(other)) is None or cut.ending.closing.acked > sent.at for other in after(evidence, cut.exchange))


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
        advice=HOW,
        reference=REFERENCE,
        connections=[cut.conversation.connection for cut in group],
        exchanges=[cut.exchange.id for cut in group],
        packets=[key for cut in group for key in (*first_packet(response(cut.exchange)), cut.ending.closing.packet)],
        user=who(first.conversation),
    )
