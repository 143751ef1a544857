"""The server answers a Kerberos ticket with an error.

What it sees
    A KRB-ERROR token in an authentication header on a WinRM connection, with its code.
Why it matters
    The code says what the 401 does not: clocks too far apart, a ticket for another key, a replay, an expired ticket.
When it is wrong
    Error 41 and 31 can follow from damage by a device in between. A clock error (37) is often repaired by the client at once, which then succeeds.
    An error of the key distribution center itself is not looked at: without its traffic beside the client's, which capture points at a proxy or a server rarely
    have, it cannot be told which request it was for.
Needs
    The header with the token. Errors of the key distribution center are not seen here.
Reference
    RFC 4120 sections 5.9.1 and 7.5.9.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, KerberosToken, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, name, packet, who

RULE = "auth.kerberos-error"
TITLE = "The server refuses a Kerberos ticket"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 4120 section 7.5.9"
ADVICE = (
    "By code: 37 set the clocks right (w32tm /resync); 41 or 31 check that the SPN stands on the service's account and on no other (setspn -Q), and "
    "purge tickets (klist purge); 34 look for a device that repeats requests; 32 get a new ticket; 44 and 60 see the server's event log."
)
_NAMES = {
    31: "KRB_AP_ERR_BAD_INTEGRITY",
    32: "KRB_AP_ERR_TKT_EXPIRED",
    33: "KRB_AP_ERR_TKT_NYV",
    34: "KRB_AP_ERR_REPEAT",
    35: "KRB_AP_ERR_NOT_US",
    36: "KRB_AP_ERR_BADMATCH",
    37: "KRB_AP_ERR_SKEW",
    38: "KRB_AP_ERR_BADADDR",
    41: "KRB_AP_ERR_MODIFIED",
    44: "KRB_AP_ERR_BADKEYVER",
    45: "KRB_AP_ERR_NOKEY",
    60: "KRB_ERR_GENERIC",
}


class Failure(Struct, frozen=True, gc=False):
    """A conversation and the step with the error."""

    conversation: Conversation
    step: Step


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint and code; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int, int | None], list[Failure]] = defaultdict(list)
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        if connection.id not in evidence.winrm or any(identity in evidence.far for identity in conversation.exchanges):
            continue
        for step in conversation.steps:
            token = None if step.token is None else step.token.kerberos
            if isinstance(token, KerberosToken) and token.message == "KRB-ERROR" and step.packets:
                groups[connection.client.host, connection.server.host, connection.server.port, token.error_code].append(Failure(conversation, step))
    for (*_, code), group in groups.items():
        yield _finding(evidence, code, group)


def _finding(evidence: Evidence, code: int | None, group: list[Failure]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.conversation.connection]
    sender = "the client" if first.step.from_client else f"{connection.server.host}:{connection.server.port}"
    meaning = "" if code is None else f" ({_NAMES.get(code, 'see RFC 4120')})"
    why = (
        f"On {name(connection)} {sender} answered with Kerberos error {code if code is not None else 'of an unreadable code'}{meaning}: {first.step.exchange}, "
        f"{packet(evidence, first.step.packets[0])}{f', for {first.conversation.spn}' if first.conversation.spn else ''}. "
        f"{counted(len(group), 'time')} in this capture."
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
        connections=[failure.conversation.connection for failure in group],
        exchanges=[failure.step.exchange for failure in group],
        packets=[key for failure in group for key in failure.step.packets[:1]],
        user=who(first.conversation),
    )
