"""The server refuses a Kerberos ticket and gives no reason.

Detects
    A logon with a Kerberos ticket that was answered by a bare 401, without a Kerberos error.
Impact
    The server could not use the ticket: it lacks the key of the service (keytab, computer password), its key is another one, or it expects another name. A
    password plays no part, as the domain controller issued the ticket. With a readable body the server may also have refused the missing encryption.
False positives
    A user without the right to use WinRM usually gets a fault after the logon, not a 401; a service that answers 401 in this case looks the same.
Requires
    Request and response of one exchange.
References
    RFC 4559 section 4; RFC 4120 section 3.2.3.
"""

from analyzer.records.story import Logon, Reason
from analyzer.rules.asking import failed, server_words, sign, times
from analyzer.rules.reading import listed
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

TICKET = (
    "Check that the service has the key of this SPN and of no other account (setspn -Q; on Linux: klist -k of its keytab). Check also that the client "
    "asks for the server's real name, and that the client's tickets are fresh (klist purge)."
)
CLEAR = (
    "Let the client encrypt its messages (pywinrm: message_encryption='always'; pypsrp: encryption='always') or use HTTPS. If it is still refused, check "
    "the ticket: key of the SPN at the service (setspn -Q, klist -k), the server's real name."
)


def see(evidence: Evidence) -> Signs[Logon]:
    return map(sign, failed(evidence, Reason.TICKET_REFUSED, Reason.TICKET_OR_CLEAR))


def _clear(tell: Tell[Logon]) -> bool:
    return any(logon.reason is Reason.TICKET_OR_CLEAR for logon in tell.facts)


def title(tell: Tell[Logon]) -> str:
    if _clear(tell):
        return "Server refuses unencrypted requests, or the Kerberos ticket"
    name = listed((logon.spn or "" for logon in tell.facts), 1)
    return f"Server cannot use the ticket for {name}" if name and len(name) < _LONG else "Server refuses a Kerberos ticket without a reason"


_LONG = 40


def why(tell: Tell[Logon]) -> str:
    names = listed(logon.spn for logon in tell.facts if logon.spn)
    text = (
        f"{server_words(tell.connection)} refused the Kerberos ticket{f' for {names}' if names else ''} of {tell.connection.client.host} {times(tell.count)} "
        f"with 401 and without a Kerberos error ({tell.packet(tell.first.packets[-1])})."
    )
    if _clear(tell):
        return (
            f"{text} The request's body was unencrypted SOAP, which a server with AllowUnencrypted=false refuses. So the server refuses clear-text requests, "
            "which is likely, or it cannot use the ticket."
        )
    return f"{text} So it could not use the ticket: its key for this name is missing or another one, or it expects another name. No password plays a part."


OPINION = Opinion(
    title=title,
    name="Server refuses a Kerberos ticket without a reason",
    severity=Severity.MEDIUM,
    confidence=lambda tell: 0.7 if _clear(tell) else 0.85,
    owner=lambda tell: Owner.CLIENT if _clear(tell) else Owner.SERVER,
    reference="RFC 4559 section 4",
    advice=lambda tell: CLEAR if _clear(tell) else TICKET,
    see=see,
    why=why,
    explains=("auth.loop",),
)
