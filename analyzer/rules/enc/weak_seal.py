"""NTLM seals with a short key, or without extended session security.

What it sees
    An accepted NTLM handshake whose authenticate message agrees on sealing but lacks NEGOTIATE_128 (then the key has 56 or 40 bits) or
    EXTENDED_SESSIONSECURITY (then both directions share one key stream and the signature is a CRC), on a connection without TLS.
Why it matters
    A 40-bit key is found in minutes, a 56-bit key in a day. Whoever records the connection, a proxy for example, reads it all.
When it is wrong
    Never about the flags. Where the request bodies go in clear or by HTTPS the key protects nothing.
Needs
    The authenticate message.
Reference
    MS-NLMP 3.4.5.3 and 2.2.2.5.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, NtlmToken, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import completed, counted, finding, listed, name, packet, who

RULE = "enc.weak-seal"
TITLE = "Messages are sealed with a weak key"
SEVERITY = Severity.MEDIUM
REFERENCE = "MS-NLMP 3.4.5.3"
ADVICE = (
    'Set "Network security: Minimum session security for NTLM SSP" to require NTLMv2 session security and 128-bit encryption on clients and servers, or use '
    "Kerberos with AES or HTTPS."
)
_SEAL, _ESS, _128, _56 = 0x20, 0x80000, 0x20000000, 0x80000000


class Weak(Struct, frozen=True, gc=False):
    """A handshake, its authenticate message, and what is weak."""

    conversation: Conversation
    step: Step
    what: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Weak]] = defaultdict(list)
    for conversation in completed(evidence):
        connection = evidence.connections[conversation.connection]
        weak = _weak(conversation)
        if weak is not None and connection.protocol != "tls" and not any(identity in evidence.far for identity in conversation.exchanges):
            groups[connection.client.host, connection.server.host, connection.server.port].append(weak)
    for group in groups.values():
        yield _finding(evidence, group)


def _weak(conversation: Conversation) -> Weak | None:
    for step in reversed(conversation.steps):
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and token.message == 3 and step.packets:
            return None if not token.flags & _SEAL or (what := _weakness(token.flags)) is None else Weak(conversation, step, what)
    return None


def _weakness(flags: int) -> str | None:
    if not flags & _ESS:
        return "no extended session security"
    if not flags & _128:
        return "a key of 56 bits" if flags & _56 else "a key of 40 bits"
    return None


def _finding(evidence: Evidence, group: list[Weak]) -> Finding:
    first = group[0]
    packets = [key for weak in group for key in weak.step.packets[:1]]
    user = who(first.conversation)
    why = (
        f"{counted(len(group), 'handshake')}{f' of {user}' if user else ''} on {name(evidence.connections[first.conversation.connection])} agreed on sealing "
        f"with {listed(weak.what for weak in group)}: the first is {first.step.exchange}, {packet(evidence, packets[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[weak.conversation.connection for weak in group],
        exchanges=[weak.step.exchange for weak in group],
        packets=packets,
        user=user,
        attack=("T1040",),
    )
