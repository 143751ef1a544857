"""A client logs on with NTLM without saying who it is.

What it sees
    An NTLM authenticate message without user and without response: an anonymous logon, or a local one, in which client and server are the same host and the
    token only refers to a context in its memory.
Why it matters
    Nobody is authenticated by name. On a WinRM server an accepted anonymous logon means that everybody is let in; it is also how some relaying tools look.
When it is wrong
    A local logon over the loopback interface is normal; between two addresses of one host it looks the same as an anonymous one.
Needs
    The client's authenticate message.
Reference
    MS-NLMP 3.2.5.1.2 and 3.3.2.
"""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address

from analyzer.records.auth import Conversation, NtlmToken, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, name, of_them, packet, sentence, status

RULE = "auth.ntlm-anonymous-or-local"
TITLE = "NTLM logon without a user"
SEVERITY = Severity.MEDIUM
REFERENCE = "MS-NLMP 3.2.5.1.2"
ADVICE = "Find out which program logs on so. If the server accepts it from another host, check who may use WinRM there (winrm get winrm/config/service)."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        first_leg = not any(identity in evidence.far for identity in conversation.exchanges)
        connection = evidence.connections[conversation.connection]
        if conversation.connection in evidence.winrm and first_leg and list(_nobody(conversation)) and not _loopback(connection):
            groups[connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _nobody(conversation: Conversation) -> Iterator[int]:
    """The first packets of authenticate messages that name nobody."""
    for step in conversation.steps:
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and token.message == 3 and not token.user and not token.nt_response_size and (token.lm_response_size or 0) <= 1:
            yield from step.packets[:1]


def _loopback(connection: Connection) -> bool:
    return connection.client.host == connection.server.host or ip_address(connection.server.host).is_loopback


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    first = group[0]
    packets = [key for conversation in group for key in _nobody(conversation)]
    accepted = [conversation for conversation in group if conversation.outcome is Outcome.ACCEPTED]
    last = evidence.exchanges[first.exchanges[-1]]
    why = (
        f"{counted(len(group), 'NTLM authenticate message')} without user and response on {name(evidence.connections[first.connection])}; the first is "
        f"{packet(evidence, packets[0])}, answered {status(last)}. {sentence(of_them(len(accepted), len(group)))} accepted."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if accepted else Severity.LOW,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[conversation.connection for conversation in group],
        exchanges=[identity for conversation in group for identity in conversation.exchanges],
        packets=packets,
    )
