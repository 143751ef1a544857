"""A request is sealed for one client's security context and sent on a connection that another client authenticated.

What it sees
    A sealed request on an upstream connection that opens only with the secret of a user who did not authenticate this connection. Which secret is whose is
    known from the clients' own legs.
Why it matters
    It proves that the proxy mixes clients: the request was made for another connection. The server cannot open it and refuses; a readable one would have been
    served with the wrong user's rights.
When it is wrong
    Never about the fact: a signature proves each opening. Users who were given the same secret cannot be told apart, and are not counted.
Needs
    Both legs, and the secrets of both users.
Reference
    MS-WSMV 2.2.9.1; Proxy Servers and WinRM, sentences 146, 155 and 157.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    authenticated,
    counted,
    finding,
    first_packet,
    message,
    name,
    owner,
    packet,
    packets_of,
    request,
    status,
    who,
    winrm_exchanges,
)

RULE = "affinity.context-mismatch"
TITLE = "A request was sealed for another client's connection"
SEVERITY = Severity.CRITICAL
REFERENCE = "Proxy Servers and WinRM, sentence 146"
HOW = Advice(
    "Bind each upstream connection to one client connection for as long as both live",
    Topic.BIND,
    ", or go around the HTTP layer with CONNECT and HTTPS.",
)
ADVICE = HOW.text()


class Mismatch(Struct, frozen=True, gc=False):
    """A request, the user of its connection, and the user whose secret opens it."""

    exchange: Exchange
    connection_user: str
    request_user: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each upstream connection."""
    users = _users_by_secret(evidence)
    groups: dict[str, list[Mismatch]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence, Role.UPSTREAM_LEG):
        secret, user = _secret(evidence, exchange), who(authenticated(evidence, exchange))
        owners = users.get(secret or "", set())
        if user is not None and len(owners) == 1 and user.lower() not in {other.lower() for other in owners}:
            groups[exchange.connection].append(Mismatch(exchange, user, next(iter(owners))))
    for group in groups.values():
        yield _finding(evidence, group)


def _users_by_secret(evidence: Evidence) -> dict[str, set[str]]:
    """Whose requests a secret opens, by the clients' own legs."""
    users: dict[str, set[str]] = defaultdict(set)
    for exchange in winrm_exchanges(evidence, Role.CLIENT_LEG, Role.DIRECT):
        secret, user = _secret(evidence, exchange), who(authenticated(evidence, exchange))
        if secret is not None and user is not None:
            users[secret].add(user)
    return users


def _secret(evidence: Evidence, exchange: Exchange) -> str | None:
    """What opened the request."""
    found = message(evidence, request(exchange))
    return found.secret if found is not None and found.opened and found.check == "good" else None


def _finding(evidence: Evidence, group: list[Mismatch]) -> Finding:
    first = group[0]
    nears = [near for mismatch in group if (near := owner(evidence, mismatch.exchange.id)) is not None]
    key = first_packet(request(first.exchange))
    why = (
        f"{name(evidence.connections[first.exchange.connection])} was authenticated as {first.connection_user}. {counted(len(group), 'sealed request')} on it "
        f"{'opens' if len(group) == 1 else 'open'} with the secret of {first.request_user} only: the first is {first.exchange.id}, "
        f"{packet(evidence, key[0]) if key else ''}{f', sent by {nears[0].id}' if nears else ''}, answered {status(first.exchange)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[first.exchange.connection, *(near.connection for near in nears)],
        exchanges=[*(mismatch.exchange.id for mismatch in group), *(near.id for near in nears)],
        packets=[*key, *packets_of(mismatch.exchange for mismatch in group), *packets_of(nears)],
        user=first.request_user,
    )
