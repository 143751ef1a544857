"""The key distribution center (KDC) gives a WinRM client no ticket.

Detects
    A Kerberos error (KRB-ERROR) of the KDC to a client of WinRM, with its code. The client had asked for the service name of its WinRM request, or it asked
    between the server's 401 and its own next request. Errors that belong to normal work (25, 52) and those that the KDC's next answers repaired do not count.
Impact
    Without a ticket there is no Kerberos. The client gives up, or it goes on with NTLM, which does not prove the server's name and may be forbidden. The code
    says which of name, account, password, clock and encryption type is wrong.
False positives
    A ticket that was asked for at the same moment by another program of the same client, where only the time tells what it was for. The confidence is low then.
Requires
    The client's traffic with its KDC (port 88, UDP or TCP) next to its WinRM traffic, in one capture or in several.
References
    RFC 4120 sections 5.9.1 and 7.5.9.
"""

from analyzer.codes.table import kerberos
from analyzer.records.auth import Mechanism
from analyzer.records.kerberos import TicketRefusal
from analyzer.records.story import Logon, Result
from analyzer.records.transport import End
from analyzer.rules.asking import account, asked_name, party_at, server_words, times
from analyzer.rules.reading import listed, packets_of, response
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_CLIENT_UNKNOWN, _SERVER_UNKNOWN, _ETYPE, _REVOKED, _EXPIRED, _PREAUTH, _SVC, _SKEW, _GENERIC, _REALM = 6, 7, 14, 18, 23, 24, 29, 37, 60, 68
_LONG = 69
_TITLES = {
    _CLIENT_UNKNOWN: "KDC does not know the account {account}",
    _SERVER_UNKNOWN: "KDC does not know the SPN {service}",
    _ETYPE: "KDC has no shared encryption type for {service}",
    _REVOKED: "Account {account} is disabled, expired or locked",
    _EXPIRED: "The password of {account} has expired",
    _PREAUTH: "KDC refuses the password of {account}",
    _SVC: "KDC cannot reach a service that it needs for {service}",
    _SKEW: "Clock of {client} differs too much from the KDC's",
    _GENERIC: "KDC refuses a ticket for {service}",
    _REALM: "{client} asks a KDC of the wrong realm",
}
_OWNERS = {_CLIENT_UNKNOWN: Owner.CLIENT, _REVOKED: Owner.CLIENT, _EXPIRED: Owner.CLIENT, _PREAUTH: Owner.CLIENT, _SKEW: Owner.CLIENT, _REALM: Owner.CLIENT}
_ADVICE = {
    _CLIENT_UNKNOWN: "Check the user name and the realm that the client gives (user@REALM, domain in capital letters on Linux).",
    _ETYPE: (
        "Let the service's account allow AES (msDS-SupportedEncryptionTypes) and set its password again if it is older than that. Check the client's permitted "
        "encryption types and RC4 policies."
    ),
    _REVOKED: "Enable or unlock the account, or correct its expiry date. The domain controller's security log has the reason (events 4768 and 4771).",
    _EXPIRED: "Change the password, and then what is stored at the client (credential manager, inventory, vault).",
    _PREAUTH: "Check the password or the keytab that the client uses. The domain controller's security log has event 4771.",
    _SVC: "Check the domain controllers: their services, their event logs and the network between them.",
    _SKEW: "Set the clocks right (w32tm /resync on Windows, chronyc makestep on Linux) and check the time source of client and domain controller.",
    _GENERIC: "Read the domain controller's event log at this time: the error says nothing more.",
    _REALM: "Check the client's realm and KDC (krb5.conf, DNS suffix) and the trusts between the domains.",
}


def see(evidence: Evidence) -> Signs[TicketRefusal]:
    for refusal in evidence.story.ticket_refusals:
        exchange = evidence.exchanges[refusal.exchange]
        packets = (*refusal.error.packets[:1], *packets_of([exchange]))
        yield Sign(refusal, (refusal.exchange,), packets, user=refusal.account, confidence=_sure(refusal))


def _sure(refusal: TicketRefusal) -> float:
    return 0.95 if refusal.by_name else 0.6


def each(evidence: Evidence, sign: Sign[TicketRefusal]) -> tuple[object, ...]:
    """One finding for each client, server endpoint, code, service and account."""
    refusal = sign.fact
    own = evidence.connections[evidence.exchanges[refusal.exchange].connection]
    return own.client.host, own.server, refusal.code, (refusal.service or "").lower(), refusal.account


def _next(tell: Tell[TicketRefusal]) -> Logon | None:
    """The client's logon after the last error, or after an earlier one."""
    spoken = next((refusal.followed_by for refusal in reversed(tell.facts) if refusal.followed_by is not None), None)
    return None if spoken is None else tell.evidence.story.logon_of.get(spoken)


def _words(tell: Tell[TicketRefusal]) -> dict[str, str]:
    refusal = tell.first.fact
    client = tell.connection.client.host
    return {"service": refusal.service or "a service", "account": refusal.account or f"a user of {client}", "client": client}


def title(tell: Tell[TicketRefusal]) -> str:
    refusal = tell.first.fact
    text = _TITLES.get(refusal.code, f"KDC gives no ticket for {{service}}: {_symbol(refusal.code)}").format(**_words(tell))
    return text if len(text) <= _LONG else f"KDC gives {tell.connection.client.host} no ticket: {_symbol(refusal.code)}"[:_LONG]


def _symbol(code: int) -> str:
    known = kerberos(code)
    return f"error {code}" if known is None else known.symbol


def why(tell: Tell[TicketRefusal]) -> str:
    refusal = tell.first.fact
    known = kerberos(refusal.code)
    meaning = "" if known is None else f" ({known.symbol})"
    kdcs = listed(one.error.kdc_host for one in tell.facts)
    packets = listed((tell.packet(one.error.packets[0]) for one in tell.facts if one.error.packets), 4)
    asked = f" for {refusal.service}" if refusal.service else ""
    text = (
        f"{_before(tell)} asked the KDC {kdcs} for a ticket{asked}{f' as {listed(tell.users)}' if tell.users else ''}. "
        f"The KDC answered {times(tell.count)} with Kerberos error {refusal.code}{meaning}: {packets}."
    )
    return f"{text}{'' if known is None else f' {known.meaning}'}{_relation(tell)} {_after(tell)}"


def _before(tell: Tell[TicketRefusal]) -> str:
    refusal = tell.first.fact
    answer = response(tell.evidence.exchanges[refusal.exchange])
    client = tell.connection.client.host
    if not refusal.after_demand or answer is None:
        return f"{client}, a WinRM client of {server_words(tell.connection)},"
    return f"After the 401 of {server_words(tell.connection)} ({tell.packet(answer.packets[0])}) {client}"


def _relation(tell: Tell[TicketRefusal]) -> str:
    """Where only the time tells what the ticket was for, and where the name is another one than the request's."""
    refusal = tell.first.fact
    if refusal.by_name:
        return ""
    name = asked_name(tell.evidence, refusal.exchange)
    service = refusal.service or ""
    other = f" The request's Host field names {name}." if name and service and not service.lower().startswith("krbtgt") else ""
    return f"{other} The time alone ties this to the WinRM request."


def _after(tell: Tell[TicketRefusal]) -> str:
    logon = _next(tell)
    if logon is not None:
        how, who = logon.mechanism.shown, account(logon)
        result = {
            Result.ACCEPTED: "and was accepted",
            Result.REFUSED: "and was refused",
            Result.NOT_EXAMINED: "and the logon was not examined",
            Result.UNFINISHED: "and the logon did not finish",
        }[logon.outcome]
        return f"The client then logged on with {how}{f' as {who}' if who else ''} {result} ({tell.packet(logon.packets[-1])})."
    closed = next((refusal.closed for refusal in reversed(tell.facts) if refusal.closed is not None), None)
    if closed is not None:
        how = "reset" if closed.kind is End.RESET else "closed"
        return f"The client {how} the connection without a logon ({tell.packet(closed.packet)})."
    return "No logon of this client at this server follows in the capture."


def severity(tell: Tell[TicketRefusal]) -> Severity:
    logon = _next(tell)
    if logon is None:
        return Severity.MEDIUM if any(refusal.closed is not None for refusal in tell.facts) else Severity.LOW
    if logon.outcome is Result.REFUSED:
        return Severity.MEDIUM
    return Severity.INFO if logon.outcome is Result.ACCEPTED and logon.mechanism is Mechanism.KERBEROS else Severity.LOW


def advice(tell: Tell[TicketRefusal]) -> str:
    refusal = tell.first.fact
    if refusal.code == _SERVER_UNKNOWN:
        return _spn(tell)
    known = kerberos(refusal.code)
    return _ADVICE.get(refusal.code) or ("Read the domain controller's event log at this time." if known is None else known.remedy)


def _spn(tell: Tell[TicketRefusal]) -> str:
    service = tell.first.fact.service or "HTTP/server"
    party = party_at(tell.evidence, tell.connection.id, server_end=True)
    asked = asked_name(tell.evidence, tell.first.fact.exchange)
    own = [name.text for name in (party.names if party is not None else ()) if name.source == "NTLM" and name.text != asked]
    calls = f" (it calls itself {own[0]})" if own else ""
    return (
        f"Use the server's registered name{calls}, or register this one for the account that runs WinRM. Show who has it: setspn -Q {service}. Add it: "
        f"setspn -S {service} ACCOUNT. For a name or address without an SPN use HTTPS, or NTLM with the server in the client's TrustedHosts."
    )


def owner(tell: Tell[TicketRefusal]) -> Owner:
    return _OWNERS.get(tell.first.fact.code, Owner.SERVER if tell.first.fact.by_name else Owner.CLIENT)


OPINION = Opinion(
    title=title,
    name="The KDC gives the client no ticket",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=lambda tell: max(_sure(refusal) for refusal in tell.facts),
    owner=owner,
    reference="RFC 4120 section 7.5.9",
    advice=advice,
    see=see,
    why=why,
    each=each,
)
