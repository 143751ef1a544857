"""Encrypted messages whose logon is not in the capture.

Detects
    Encrypted bodies on a connection without any authentication to the server that was accepted in the capture.
Impact
    NTLM messages cannot be decrypted without the handshake, whatever password is given; Kerberos ones only with the
    sub-session key itself. Who the client is cannot be told either.
False positives
    A client that sends an encrypted request on a new connection (Windows does) is refused and authenticates then: not
    counted.
Requires
    Nothing.
References
    MS-WSMV 2.2.9.1; MS-NLMP 3.4.5.
"""

from analyzer.records.auth import Audience, Outcome
from analyzer.records.candidates import asked_in
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import ends, first_of, server, sign, winrm
from analyzer.rules.reading import counted, message, request, status
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Connection]:
    sealed = {exchange.connection for exchange in asked_in(evidence, Protection.SEALED)}
    return (sign(evidence, found, found) for found in (winrm(evidence) if sealed else ()) if found.id in sealed and _is_headless(evidence, found))


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


def why(tell: Tell[Connection]) -> str:
    first = tell.first.fact
    return (
        f"{counted(tell.count, 'connection')} of {ends(tell)} {'carries' if tell.count == 1 else 'carry'} encrypted messages, "
        f"but no logon that was accepted. The first begins with {first_of(tell)}{' and began before the capture' if first.syn is None else ''}. "
        "Without the logon no password decrypts them."
    )


OPINION = Opinion(
    title=lambda tell: f"Encrypted messages to {server(tell)} without their logon",
    name="Encrypted messages without their logon",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="MS-WSMV 2.2.9.1",
    advice="Begin to capture before the client connects, or let it open a new session. Then a password or key can decrypt what it says.",
    see=see,
    why=why,
)
