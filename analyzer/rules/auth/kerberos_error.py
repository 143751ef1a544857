"""The server answers a Kerberos ticket with an error.

Detects
    A logon with a Kerberos ticket that was answered by a KRB-ERROR in an authentication header, with its code.
Impact
    The code says what the 401 does not: clocks too far apart, a ticket for another key, a replay, an expired ticket.
False positives
    Error 41 and 31 can follow from damage by a device in between. A clock error (37) or an expired ticket (32) is often repaired by the client at once, which
    then succeeds: that is a note only. Errors of the key distribution center are told by auth.kdc-error.
Requires
    The header with the token.
References
    RFC 4120 sections 5.9.1 and 7.5.9.
"""

from bisect import bisect_right
from collections import defaultdict

from analyzer.codes.table import kerberos
from analyzer.records.auth import Mechanism
from analyzer.records.story import Logon, Reason, Result
from analyzer.rules.asking import account, is_proxied, server_words, sign
from analyzer.rules.reading import counted, listed, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_INTEGRITY, _EXPIRED, _EARLY, _REPEAT, _NOT_US, _SKEW, _MODIFIED, _VERSION, _NO_KEY = 31, 32, 33, 34, 35, 37, 41, 44, 45
_HEADLINES = {
    _INTEGRITY: "Server cannot decrypt the ticket",
    _EXPIRED: "Kerberos ticket has expired",
    _EARLY: "Kerberos ticket is not yet valid",
    _REPEAT: "Server saw the same ticket message before",
    _NOT_US: "Kerberos ticket is for another server",
    _SKEW: "Clocks differ too much for Kerberos",
    _MODIFIED: "Kerberos ticket was made for another key",
    _VERSION: "Server lacks the ticket's key version",
    _NO_KEY: "Server has no key for the ticket",
}
_OF_THE_CLIENT = (_EXPIRED, _EARLY, _SKEW)
_OF_KEYS = (_INTEGRITY, _NOT_US, _MODIFIED, _NO_KEY)
_REPAIRED = (_EXPIRED, _EARLY, _REPEAT, _SKEW, _VERSION)
"""What a client repairs by itself, with another time or a new ticket."""
_SOON_NS = 60_000_000_000
_BALANCER = (
    "Give all servers behind the balancer one account that has the SPN of the balancer's name (setspn -Q shows who has it). "
    "Or let clients use the server's own name."
)


class Failure(Fact, frozen=True):
    """A logon that was answered with an error, and the same client's next logon at the same endpoint, soon afterwards."""

    logon: Logon
    followed: Logon | None


def see(evidence: Evidence) -> Signs[Failure]:
    at: dict[object, list[Logon]] = defaultdict(list)
    failed = [logon for logon in evidence.story.logons if logon.reason is Reason.KERBEROS_ERROR]
    for logon in evidence.story.logons if failed else ():
        at[_place(evidence, logon)].append(logon)
    for logons in at.values():
        logons.sort(key=lambda logon: logon.first_ns)
    for logon in failed:
        shown = sign(logon)
        failure = Failure(logon, _followed(at[_place(evidence, logon)], logon))
        yield Sign(failure, shown.exchanges, shown.packets, shown.connections, user=shown.user)


def _place(evidence: Evidence, logon: Logon) -> tuple[object, ...]:
    own = evidence.connections[logon.client_connection]
    return own.client.host, own.server, logon.audience


def _followed(logons: list[Logon], logon: Logon) -> Logon | None:
    place = bisect_right(logons, logon.first_ns, key=lambda one: one.first_ns)
    after = logons[place] if place < len(logons) else None
    return after if after is not None and after.first_ns - logon.last_ns <= _SOON_NS else None


def each(evidence: Evidence, sign: Sign[Failure]) -> tuple[object, ...]:
    """One finding for each client, endpoint and code."""
    return *_place(evidence, sign.fact.logon), sign.fact.logon.code


def _code(tell: Tell[Failure]) -> int:
    return tell.first.fact.logon.code or 0


def _symbol(code: int) -> str:
    known = kerberos(code)
    return "see RFC 4120" if known is None else known.symbol


def _is_balanced(tell: Tell[Failure]) -> bool:
    """The ticket is for a name that the client asked a proxy for as if that were the server."""
    logon = tell.first.fact.logon
    asked = request(tell.evidence.exchanges[logon.exchanges[0]])
    return _code(tell) in _OF_KEYS and is_proxied(tell.evidence, logon.client_connection) and asked is not None and asked.target.startswith("/")


def title(tell: Tell[Failure]) -> str:
    code = _code(tell)
    words = "Ticket for the balancer's name refused" if _is_balanced(tell) else _HEADLINES.get(code, "Server refuses the Kerberos ticket")
    return f"{words}: {_symbol(code)} ({code})"


def why(tell: Tell[Failure]) -> str:
    code, last = _code(tell), tell.signs[-1].fact
    known = kerberos(code)
    names = listed(failure.logon.spn for failure in tell.facts if failure.logon.spn)
    answered = tell.packet(tell.first.fact.logon.packets[-1])
    text = (
        f"{server_words(tell.connection)} answered with Kerberos error {code} ({_symbol(code)}): {answered}, to the ticket of {tell.connection.client.host}"
        f"{f' for {names}' if names else ''}{f' ({listed(tell.users)})' if tell.users else ''}. {'' if known is None else f'{known.meaning} '}"
        f"This happened {counted(tell.count, 'time')} in this capture."
    )
    if _is_balanced(tell):
        text += f" {server_words(tell.connection)} is a proxy, and the ticket is for the name that the client asked it for."
    return text + _next(tell, last.followed)


def _next(tell: Tell[Failure], followed: Logon | None) -> str:
    if followed is None or followed.outcome is not Result.ACCEPTED:
        return ""
    who = account(followed)
    how = f"{followed.mechanism.shown}{f' as {who}' if who else ''}"
    return f" The client then logged on with {how} and was accepted ({tell.packet(followed.packets[-1])})."


def severity(tell: Tell[Failure]) -> Severity:
    after = [failure.followed for failure in tell.facts]
    if not all(logon is not None and logon.outcome is Result.ACCEPTED for logon in after):
        return Severity.MEDIUM
    kerberos_again = all(logon is not None and logon.mechanism is Mechanism.KERBEROS for logon in after)
    return Severity.INFO if kerberos_again and _code(tell) in _REPAIRED else Severity.LOW


def advice(tell: Tell[Failure]) -> str:
    if _is_balanced(tell):
        return _BALANCER
    known = kerberos(_code(tell))
    return "Read the server's event log at this time." if known is None else known.remedy


def owner(tell: Tell[Failure]) -> Owner:
    code = _code(tell)
    return Owner.CLIENT if code in _OF_THE_CLIENT else Owner.NETWORK if code == _REPEAT else Owner.SERVER


OPINION = Opinion(
    title=title,
    name="The server refuses a Kerberos ticket with an error",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=owner,
    reference="RFC 4120 section 7.5.9",
    advice=advice,
    see=see,
    why=why,
    each=each,
    explains=("auth.loop",),
)
