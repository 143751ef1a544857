"""One program tries many users and is refused.

Detects
    Logons of one client program (address, User-Agent, kind of logon) for at least five different users, that went
    their whole way, at least 80 % of them refused with 401. Counted are refusals for which the bytes name no other
    reason: no missing scheme, no split handshake, no password that is known to be right.
Impact
    It is how password spraying looks: few passwords for many accounts, so that no account is locked.
False positives
    A jump host, a monitoring system or a terminal server with many users, when the server refuses all of them for one
    and the same reason (for example after it lost its domain). Where a proxy or gateway answers and its server side
    is not in the capture, a gateway that breaks logons looks the same; it is medium then.
Requires
    A direct connection or the client's side of the proxy. Users of Kerberos do not travel in clear and are not
    counted.
References
    ATT&CK T1110.003; RFC 9110 section 15.5.2.
"""

from collections import defaultdict
from collections.abc import Mapping

from analyzer.records.auth import Conversation, Mechanism, Outcome
from analyzer.records.proxy import Role
from analyzer.records.story import Reason
from analyzer.rules.asking import program, server_words, spoken, where
from analyzer.rules.reading import counted, listed, packets_of, role, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

LEAST = Param("least", 5, "users", "how many different users must be refused")
RATIO = Param("ratio", 0.8, "share", "which share of the program's logons must be refused")
_OPEN = (Reason.CREDENTIALS, Reason.CREDENTIALS_OR_CLEAR, Reason.CREDENTIALS_OR_SPLIT)
_Program = tuple[str, str, Mechanism]


class Try(Fact, frozen=True):
    """A refused logon, whether a gateway's other side is missing, all logons of its program, and the users among them who got in."""

    conversation: Conversation
    program: _Program
    blind: bool
    whole: int
    inside: tuple[str, ...]


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Try]:
    """One sign for each refused logon of a program that tries many users."""
    groups: dict[_Program, list[Conversation]] = defaultdict(list)
    refusals = sum([found.outcome is Outcome.REFUSED for found in spoken(evidence)])
    for found in spoken(evidence) if refusals >= values["least"] else ():
        ended = found.outcome in (Outcome.ACCEPTED, Outcome.REFUSED)
        if ended and who(found) and role(evidence, found.connection) is not Role.UPSTREAM_LEG:
            groups[_program(evidence, found)].append(found)
    for key, group in groups.items():
        refused = [found for found in group if found.outcome is Outcome.REFUSED and evidence.story.logon_of[found.id].reason in _OPEN]
        if len({(who(found) or "").lower() for found in refused}) >= values["least"] and len(refused) >= values["ratio"] * len(group):
            inside = tuple(dict.fromkeys(user for found in group if found.outcome is Outcome.ACCEPTED and (user := who(found))))
            for found in refused:
                blind = evidence.story.logon_of[found.id].reason is Reason.CREDENTIALS_OR_SPLIT
                last = found.exchanges[-1:]
                fact = Try(found, key, blind, len(group), inside)
                yield Sign(fact, last, packets_of([evidence.exchanges[last[0]]]), user=who(found))


def _program(evidence: Evidence, found: Conversation) -> _Program:
    return *program(evidence, evidence.exchanges[found.exchanges[-1]]), found.mechanism


def _blind(tell: Tell[Try]) -> bool:
    return all(one.blind for one in tell.facts)


def why(tell: Tell[Try]) -> str:
    first = tell.first.fact
    targets = listed(server_words(tell.evidence.connections[one.conversation.connection]) for one in tell.facts)
    inside = f"Accepted: {listed(first.inside)}." if first.inside else "None was accepted."
    gateway = " A gateway answers whose server side is not in the capture: it may break the logons itself." if _blind(tell) else ""
    return (
        f"{tell.connection.client.host} tried {counted(len(tell.users), 'user')} at {targets} and was refused {tell.count} times of {first.whole}. "
        f"The first is {where(tell)}. The users are {listed(tell.users)}. {inside}{gateway}"
    )


OPINION = Opinion(
    title=lambda tell: f"Possible password spraying from {tell.connection.client.host}",
    name="Possible password spraying",
    severity=lambda tell: Severity.MEDIUM if _blind(tell) else Severity.HIGH,
    worst=Severity.HIGH,
    confidence=lambda tell: 0.5 if _blind(tell) else 0.8,
    owner=Owner.CLIENT,
    reference="ATT&CK T1110.003",
    advice=(
        "Find out what runs on the source host. Check the named accounts for a successful logon from there (events 4624 and 4625 on the server). Change the "
        "passwords of those that succeeded."
    ),
    attack=("T1110.003",),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.program,
    explains=("auth.loop", "auth.credentials-refused", "tcp.retry-storm"),
    params=(LEAST, RATIO),
)
