"""Sealed messages whose handshake is not in the capture.

What it sees
    Sealed bodies on a connection without any authentication to the server that was accepted in the capture.
Why it matters
    NTLM messages cannot be opened without the handshake, whatever secret is given; Kerberos ones only with the sub-session key itself. Who the client is cannot
    be told either.
When it is wrong
    A client that sends a sealed request on a new connection (Windows does) is refused and authenticates then: not counted.
Needs
    Nothing.
Reference
    MS-WSMV 2.2.9.1; MS-NLMP 3.4.5.
"""

from collections.abc import Iterator

from analyzer.records.auth import Audience, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import Words, note, places, winrm
from analyzer.rules.reading import counted, message, name, packet, request, status

RULE = "capture.no-handshake"
TITLE = "Sealed messages without their handshake"
SEVERITY = Severity.INFO
REFERENCE = "MS-WSMV 2.2.9.1"
ADVICE = "Begin to capture before the client connects, or let it open a new session; then secrets can open what it says."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    for group in places(found for found in winrm(evidence) if _is_headless(evidence, found)).values():
        first = group[0]
        why = (
            f"{counted(len(group), 'connection')} of {first.client.host} to {first.server.host}:{first.server.port} carry sealed messages and no handshake "
            f"that was accepted: the first is {name(first)}, {packet(evidence, first.packets[0])}"
            f"{', which began before the capture' if first.syn is None else ''}."
        )
        yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, group)


def _is_headless(evidence: Evidence, connection: Connection) -> bool:
    conversations = evidence.conversations_of.get(connection.id, ())
    if any(found.outcome is Outcome.ACCEPTED and found.audience is Audience.SERVER for found in conversations):
        return False
    for exchange in evidence.exchanges_of.get(connection.id, ()):
        found = message(evidence, request(exchange))
        served = (code := status(exchange)) is not None and code not in (401, 407)
        if served and found is not None and found.protection is Protection.SEALED:
            return True
    return False
