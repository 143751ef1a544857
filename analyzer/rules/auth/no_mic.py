"""An NTLM authenticate message without a MIC although the challenge asks for one.

What it sees
    A challenge with a time stamp (MsvAvTimestamp), which makes the message integrity code (MIC) mandatory, answered by an NTLMv2 response without the flag that
    says that a MIC is there. High when the client calls itself Windows' own, which always sends one; low for other clients.
Why it matters
    The MIC protects the three messages. Without it whoever is in between can clear flags such as signing, and relay the logon (CVE-2019-1040).
When it is wrong
    Many clients that are not Windows' never send a MIC (curl, Go's masterzen/winrm, older rubyntlm): that is a weakness, no attack. Tools that pose as the
    Windows client by its User-Agent count as high too.
Needs
    Challenge and answer on one connection.
Reference
    MS-NLMP 3.1.5.1.2 and 2.2.2.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, Mechanism, NtlmToken, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, header, name, packet, request, who

RULE = "auth.no-mic"
TITLE = "NTLM without message integrity code"
SEVERITY = Severity.HIGH
REFERENCE = "MS-NLMP 3.1.5.1.2"
ADVICE = (
    "Find out which program this is. Use one that sends a MIC (Windows, pypsrp, pywinrm with pyspnego), require extended protection on the server "
    "(CbtHardeningLevel Strict with HTTPS), or use Kerberos."
)
_WINDOWS = "microsoft winrm client"


class Answer(Struct, frozen=True, gc=False):
    """A conversation and the client's last message in it."""

    conversation: Conversation
    step: Step


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint and program; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int, str], list[Answer]] = defaultdict(list)
    for conversation in evidence.conversations:
        second_leg = any(identity in evidence.far for identity in conversation.exchanges)
        answer = _unprotected(conversation) if conversation.connection in evidence.winrm and not second_leg else None
        if answer is not None:
            connection = evidence.connections[conversation.connection]
            program = header(request(evidence.exchanges[answer.exchange]), "user-agent") or "a program without a name"
            groups[connection.client.host, connection.server.host, connection.server.port, program].append(Answer(conversation, answer))
    for (*_, program), group in groups.items():
        yield _finding(evidence, program, group)


def _unprotected(conversation: Conversation) -> Step | None:
    """The authenticate message that should hold a MIC and does not."""
    asked = False
    for step in conversation.steps:
        token = None if step.token is None else step.token.ntlm
        if not isinstance(token, NtlmToken) or conversation.mechanism is not Mechanism.NTLM:
            continue
        if token.server_time is not None:
            asked = token.server_time
        if asked and token.version == "ntlmv2" and token.mic is False and step.packets:
            return step
    return None


def _finding(evidence: Evidence, program: str, group: list[Answer]) -> Finding:
    first = group[0]
    windows = program.lower().startswith(_WINDOWS)
    packets = [key for answer in group for key in answer.step.packets[:1]]
    why = (
        f"{counted(len(group), 'NTLM authenticate message')} of {program} on {name(evidence.connections[first.conversation.connection])} "
        f"{'has' if len(group) == 1 else 'have'} no MIC though the challenge had a time stamp; the first is in {packet(evidence, packets[0])}."
    )
    why += " Windows' own client always sends one: the message was changed on the way, or another program uses its name." if windows else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if windows else Severity.LOW,
        confidence=0.7 if windows else 0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[answer.conversation.connection for answer in group],
        exchanges=[answer.step.exchange for answer in group],
        packets=packets,
        user=who(first.conversation),
        attack=("T1557",) if windows else (),
    )
