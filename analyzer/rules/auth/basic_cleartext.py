"""A password travels in clear: Basic authentication without TLS.

What it sees
    An Authorization header with the scheme Basic on a WinRM connection that is not TLS. The password is never shown.
Why it matters
    Basic is base64, not encryption: everybody on the path, a proxy first of all, has the user's password.
When it is wrong
    Never about the fact.
Needs
    The request.
Reference
    RFC 7617 section 4; MS-WSMV 2.2.4.34; Proxy Servers and WinRM, sentence 154.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import PROXIED, counted, finding, first_packet, name, packet, request, role, status, who

RULE = "auth.basic-cleartext"
TITLE = "Password in clear text (Basic without TLS)"
SEVERITY = Severity.CRITICAL
REFERENCE = "RFC 7617 section 4"
ADVICE = (
    "Change the password: it must be taken as known. Turn Basic off (winrm set winrm/config/service/auth '@{Basic=\"false\"}') or allow it over HTTPS only; "
    "let clients use Negotiate or Kerberos."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each user, client host and endpoint."""
    groups: dict[tuple[str | None, str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        basic = conversation.mechanism is Mechanism.BASIC and conversation.audience is Audience.SERVER
        if basic and conversation.connection in evidence.winrm and connection.protocol != "tls" and not conversation.over_tls:
            groups[who(conversation), connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    user = who(group[0])
    exchanges = [identity for conversation in group for identity in conversation.exchanges]
    carriers = [identity for identity in exchanges if request(evidence.exchanges[identity]) is not None]
    first = evidence.exchanges[carriers[0] if carriers else exchanges[0]]
    connection = evidence.connections[first.connection]
    packets = [key for identity in carriers for key in first_packet(request(evidence.exchanges[identity]))]
    where = " on a leg of a proxied path" if role(evidence, connection.id) in PROXIED else ""
    why = (
        f"{counted(len(carriers), 'request')} {'carries' if len(carriers) == 1 else 'carry'} user name and password of {user or 'a user'} readable{where}; "
        f"the first is {first.id} on {name(connection)}, {packet(evidence, packets[0]) if packets else ''}, answered {status(first)}."
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
        exchanges=exchanges,
        packets=packets,
        user=user,
        attack=("T1040",),
    )
