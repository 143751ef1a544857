"""The proxy authenticates to the server with credentials of its own.

What it sees
    A request without credentials, or with Basic credentials of one user, on the client's leg that went on with other credentials on the upstream leg.
Why it matters
    The server sees the gateway's account, whoever the client is. Who did what is known to the gateway only, and everyone whom it lets through has its rights.
When it is wrong
    Gateways for privileged access do it by design, and log who it was.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 120 and 155.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Hop
from analyzer.rules.reading import counted, finding, first_packet, header, listed, name, packet, packets_of, request, who

RULE = "affinity.proxy-owned-identity"
TITLE = "The proxy logs on with credentials of its own"
SEVERITY = Severity.INFO
REFERENCE = "Proxy Servers and WinRM, sentence 120"
ADVICE = (
    "If the gateway is meant to do this, restrict who may use it, keep its log, and give its account no more rights than needed. If not, remove the "
    "credentials from its configuration (nginx, Apache: a set Authorization header; haproxy: http-request set-header Authorization)."
)


class Own(NamedTuple):
    """An exchange on both legs that has other credentials behind the proxy."""

    near: Exchange
    far: Exchange


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each proxy and server."""
    groups: dict[tuple[str, str, int], list[Own]] = defaultdict(list)
    for hop in evidence.hops:
        if hop.near_connection in evidence.winrm and _is_own(evidence, hop):
            far = evidence.connections[hop.far_connection]
            groups[far.client.host, far.server.host, far.server.port].append(Own(evidence.exchanges[hop.near], evidence.exchanges[hop.far]))
    for group in groups.values():
        yield _finding(evidence, group)


def _is_own(evidence: Evidence, hop: Hop) -> bool:
    asked, went = request(evidence.exchanges[hop.near]), request(evidence.exchanges[hop.far])
    before, behind = header(asked, "authorization"), header(went, "authorization")
    if asked is None or behind is None or before == behind:
        return False
    return before is None or (before.lower().startswith("basic ") and before.split() != behind.split())


def _conversation(evidence: Evidence, exchange: Exchange) -> Conversation | None:
    found = evidence.conversations_of.get(exchange.connection, ())
    return next((one for one in found if one.audience is Audience.SERVER and exchange.id in one.exchanges), None)


def _finding(evidence: Evidence, group: list[Own]) -> Finding:
    first = group[0]
    members = [exchange for own in group for exchange in own]
    clients = listed(evidence.connections[own.near.connection].client.host for own in group)
    names = [user for own in group if (user := who(_conversation(evidence, own.far)))]
    asked, went = first_packet(request(first.near)), first_packet(request(first.far))
    why = (
        f"{counted(len(group), 'request')} of {clients} went on with credentials that the client had not sent{f', of {listed(names)}' if names else ''}: the "
        f"first is {first.near.id} ({packet(evidence, asked[0]) if asked else ''}), sent on as {first.far.id} on "
        f"{name(evidence.connections[first.far.connection])} ({packet(evidence, went[0]) if went else ''})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max(evidence.far[own.far.id].confidence for own in group),
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[first.far.connection, *(exchange.connection for exchange in members)],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=names[0] if names else None,
    )
