"""A client logs on again and again and never gets in.

Detects
    Within 60 seconds at least three logons of one client program and account at one server that went their whole way
    (credentials, or the last message of a handshake, were sent) and were refused or ended with a status other than
    2xx, and none that ended 2xx among them.
Impact
    It is how "Access is denied" looks on the wire. Wrong credentials, clear-text requests to a server that refuses
    them, a proxy that breaks the handshake and a locked account all end here; the other findings tell which.
False positives
    A user who types a wrong password three times in a minute looks the same, and is one. Answers of the HTTP layer or
    of a gateway, which did not look at the logon, are not counted.
Requires
    The client's side of the proxy or a direct connection.
References
    RFC 9110 section 15.5.2.
"""

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.asking import program, server_words, where
from analyzer.rules.reading import counted, is_clear, listed, message, packets_of, request, role, status, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

LEAST = Param("least", 3, "logons", "how many failed logons it takes")
WINDOW = Param("window", 60, "seconds", "the time within which they have to come")
_Key = tuple[str, str, str, int, str]


class Round(Fact, frozen=True):
    """A failed logon in a row of them, and whose row it is."""

    conversation: Conversation
    row: _Key


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Round]:
    """One sign for each failed logon of a row."""
    failed = {evidence.connections[found.connection].client.host for found in evidence.conversations if not _succeeded(found)}
    for key, group in _groups(evidence, failed).items():
        row = _longest_row(sorted(group, key=lambda found: found.first_ns), int(values["least"]), values["window"] * 1e9)
        users = {user for found in row if (user := who(found))}
        for found in row:
            last = evidence.exchanges[found.exchanges[-1]]
            yield Sign(Round(found, key), found.exchanges, packets_of([last]), user=min(users) if len(users) == 1 else who(found))


def _groups(evidence: Evidence, failed: AbstractSet[str]) -> dict[_Key, list[Conversation]]:
    """Conversations of one client program with one server, for each account apart where it has several. ``failed``: the clients with a logon that did."""
    programs: dict[tuple[str, str, str, int], list[Conversation]] = defaultdict(list)
    for found in evidence.conversations if failed else ():
        own = found.connection in evidence.winrm and found.audience is Audience.SERVER and evidence.connections[found.connection].client.host in failed
        if own and role(evidence, found.connection) is not Role.UPSTREAM_LEG:
            server = evidence.connections[found.connection].server
            programs[*program(evidence, evidence.exchanges[found.exchanges[0]]), server.host, server.port].append(found)
    groups: dict[_Key, list[Conversation]] = defaultdict(list)
    for key, group in programs.items():
        accounts = {(who(found) or "").lower() for found in group} - {""}
        for found in group:
            groups[*key, (who(found) or "").lower() if len(accounts) > 1 else ""].append(found)
    return groups


def _longest_row(conversations: list[Conversation], least: int, window_ns: float) -> list[Conversation]:
    """Failed logons one after the other, the longest row that has enough of them within the time; empty when there is none."""
    best: list[Conversation] = []
    row: list[Conversation] = []
    told = 0  # how much of the row counts: up to the last one that had enough others within the time before it
    for conversation in [*filter(_whole, conversations), None]:
        if conversation is not None and not _succeeded(conversation):
            row.append(conversation)
            enough = row[-least:]
            if len(enough) == least and conversation.last_ns - min(other.last_ns for other in enough) <= window_ns:
                told = len(row)
            continue
        best = max(best, row[:told], key=len)
        row, told = [], 0
    return best


def _whole(conversation: Conversation) -> bool:
    """The client said all it had to say (credentials, or the last message of a handshake), and the answer is about that."""
    if conversation.outcome in (Outcome.UNFINISHED, Outcome.NOT_EXAMINED):
        return False
    sent = [step.token.step for step in conversation.steps if step.from_client and step.token is not None]
    return bool(sent) and (sent[-1] in ("authenticate", "credentials") or conversation.mechanism is Mechanism.KERBEROS)


def _succeeded(conversation: Conversation) -> bool:
    return conversation.outcome is Outcome.ACCEPTED and conversation.final_status is not None and 200 <= conversation.final_status < 300


def _clear(evidence: Evidence, exchange: Exchange) -> bool:
    return is_clear(message(evidence, request(exchange)))


def why(tell: Tell[Round]) -> str:
    evidence = tell.evidence
    lasts = [evidence.exchanges[one.conversation.exchanges[-1]] for one in tell.facts]
    clear = sum(_clear(evidence, exchange) for exchange in lasts)
    text = (
        f"{server_words(tell.connection)} refused {counted(tell.count, 'logon')} of {tell.connection.client.host} in a row"
        f"{f' as {listed(tell.users)}' if tell.users else ''} ({listed(one.conversation.mechanism.shown for one in tell.facts)}). "
        f"The first is {where(tell)}; the last answer was {status(lasts[-1])}. None succeeded in between."
    )
    asked = f" {clear} of these requests carried clear-text SOAP. A server that does not allow unencrypted traffic refuses them, whatever the password."
    return text + (asked if clear else "")


OPINION = Opinion(
    title=lambda tell: f"Logons of {listed(tell.users, 1) or tell.connection.client.host} fail again and again",
    name="Logons fail again and again",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 15.5.2",
    advice=(
        "Look at the other findings of this client first. Without any, check the credentials and the account (event 4625 on "
        "the server has the reason) and the right to use WinRM (Remote Management Users). Check also whether the client may "
        "send unencrypted messages to this server."
    ),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.row,
    explains=("tcp.retry-storm",),
    params=(LEAST, WINDOW),
)
