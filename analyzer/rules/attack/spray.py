"""One client tries many users and is refused.

What it sees
    From one client host authentications of at least five different users that went their whole way, at least 80 % of them answered 401, seen on a direct
    connection or on the client's leg.
Why it matters
    It is how password spraying looks: few passwords for many accounts, so that no account is locked.
When it is wrong
    A jump host, a monitoring system or a terminal server with many users, when the server refuses all of them for one and the same reason (for example after it
    lost its domain).
Needs
    A direct connection or the client's leg. Users of Kerberos do not travel in clear and are not counted.
Reference
    ATT&CK T1110.003; RFC 9110 section 15.5.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.rules.reading import counted, finding, listed, name, packet, packets_of, role, who

RULE = "attack.spray"
TITLE = "Many users are tried from one host and refused"
SEVERITY = Severity.HIGH
REFERENCE = "ATT&CK T1110.003"
ADVICE = (
    "Find out what runs on the source host. Check the named accounts for a successful logon from there (events 4624 and 4625 on the server), and change the "
    "passwords of those that succeeded."
)
_LEAST_USERS = 5
_RATIO = 0.8
_DEMAND = 401


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host."""
    groups: dict[str, list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        known = conversation.connection in evidence.winrm and role(evidence, conversation.connection) is not Role.UPSTREAM_LEG
        if known and conversation.audience is Audience.SERVER and who(conversation) and conversation.outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            groups[evidence.connections[conversation.connection].client.host].append(conversation)
    for group in groups.values():
        refused = [found for found in group if found.outcome is Outcome.REFUSED and found.final_status == _DEMAND]
        if len({(who(found) or "").lower() for found in refused}) >= _LEAST_USERS and len(refused) >= _RATIO * len(group):
            yield _finding(evidence, group, refused)


def _finding(evidence: Evidence, group: list[Conversation], refused: list[Conversation]) -> Finding:
    first = evidence.connections[refused[0].connection]
    lasts = [evidence.exchanges[found.exchanges[-1]] for found in refused]
    packets = packets_of(lasts)
    users = list(dict.fromkeys(user for found in refused if (user := who(found))))
    peers = [evidence.connections[found.connection].server for found in refused]
    targets = listed(f"{peer.host}:{peer.port}" for peer in peers)
    inside = list(dict.fromkeys(user for found in group if found.outcome is Outcome.ACCEPTED and (user := who(found))))
    why = (
        f"{first.client.host} tried {counted(len(users), 'user')} at {targets} and was refused {len(refused)} times of {len(group)}: {listed(users)}. "
        f"The first is {lasts[0].id} on {name(first)}, {packet(evidence, packets[0]) if packets else ''}."
    )
    why += f" Accepted: {listed(inside)}." if inside else " None was accepted."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[found.connection for found in refused],
        exchanges=[exchange.id for exchange in lasts],
        packets=packets,
        attack=("T1110.003",),
    )
