"""A client answers an NTLM challenge with NTLMv1.

What it sees
    An NTLM authenticate message with a response of 24 bytes (NTLMv1, with or without extended session security) instead of NTLMv2's longer one.
Why it matters
    An NTLMv1 response is broken with DES: whoever records it, a proxy first of all, can have the account's password hash within hours and log on with it
    anywhere.
When it is wrong
    Never about the fact; whether the server accepted it is said.
Needs
    The client's authenticate message.
Reference
    MS-NLMP 3.3.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, name, of_them, packet, sentence, who

RULE = "auth.ntlmv1"
TITLE = "NTLMv1 response"
SEVERITY = Severity.HIGH
REFERENCE = "MS-NLMP 3.3.1"
ADVICE = (
    'Set "Network security: LAN Manager authentication level" to NTLMv2 only on clients and servers (LmCompatibilityLevel 5), change the account\'s password, '
    "and prefer Kerberos."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each user, client host and endpoint."""
    groups: dict[tuple[str | None, str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        second_leg = any(identity in evidence.far for identity in conversation.exchanges)
        old = conversation.mechanism is Mechanism.NTLM and (conversation.ntlm_version or "").startswith("ntlmv1")
        if conversation.connection in evidence.winrm and old and not second_leg:
            connection = evidence.connections[conversation.connection]
            groups[who(conversation), connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    first = group[0]
    packets = [key for conversation in group for key in _answers(conversation)]
    accepted = sum(conversation.outcome is Outcome.ACCEPTED for conversation in group)
    user = who(first)
    why = (
        f"{user or 'A client'} answered {counted(len(group), 'challenge')} with {first.ntlm_version} on {name(evidence.connections[first.connection])}; "
        f"the first is in {packet(evidence, packets[0]) if packets else 'a packet that is not known'}. "
        f"{sentence(of_them(accepted, len(group)))} accepted."
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
        connections=[conversation.connection for conversation in group],
        exchanges=[identity for conversation in group for identity in conversation.exchanges],
        packets=packets,
        user=user,
        attack=("T1557", "T1040"),
    )


def _answers(conversation: Conversation) -> Iterator[int]:
    """The first packet of each authenticate message."""
    for step in conversation.steps:
        if step.from_client and step.packets and step.token is not None and step.token.step == "authenticate":
            yield step.packets[0]
