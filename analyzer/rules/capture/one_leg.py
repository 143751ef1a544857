"""A proxied path of which one leg was captured.

What it sees
    WinRM connections that are a leg of a proxied path by their requests (absolute form, CONNECT, Via and the like), without any hop to or from another leg. One
    finding for each client and place.
Why it matters
    What most often goes wrong at proxies (affinity, lost headers, ended connections) shows only where both legs are known; those rules say nothing here.
When it is wrong
    Where legs of both kinds are there that could not be joined (issue proxy.ambiguous), and where the proxy refused by itself, nothing is said.
Needs
    One leg with a sign of the proxy.
Reference
    RFC 9110 sections 3.7 and 7.6.3.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import Words, note, places, winrm
from analyzer.rules.reading import counted, name, packet, role, status

RULE = "capture.one-leg"
TITLE = "Only one leg of the proxied path was captured"
SEVERITY = Severity.INFO
REFERENCE = "RFC 9110 section 3.7"
ADVICE = "Capture both interfaces of the proxy at once (dumpcap -i one -i other), or at the client and at the server, and give both files together."
_DEMAND = 401
_LEGS = {Role.CLIENT_LEG: "the client's leg", Role.UPSTREAM_LEG: "the upstream leg", Role.TUNNEL: "the client's leg, a CONNECT tunnel"}


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; nothing where any connection between them has its other leg."""
    routed = {identity for route in evidence.routes for identity in (route.client_connection, *route.upstream_connections)}
    routed |= {tunnel for identity in routed if (tunnel := evidence.connections[identity].tunnel_of) is not None}
    legs = [found for found in winrm(evidence) if role(evidence, found.id) in _LEGS and (found.id in routed or _went_on(evidence, found))]
    alone = {role(evidence, found.id) is Role.UPSTREAM_LEG for found in legs if found.id not in routed}
    if len(alone) != 1:
        return
    for group in places(legs).values():
        first = group[0]
        if any(found.id in routed for found in group):
            continue
        why = (
            f"{counted(len(group), 'connection')} between {first.client.host} and {first.server.host}:{first.server.port} belong to a proxied path of which "
            f"only this leg ({_LEGS[role(evidence, first.id)]}) is in the evidence: the first is {name(first)}, from {packet(evidence, first.packets[0])} on."
        )
        yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, group)


def _went_on(evidence: Evidence, connection: Connection) -> bool:
    """A request was answered by the server, as far as the status tells: a proxy's own refusals have no other leg."""
    return any((code := status(exchange)) is not None and (code < 400 or code == _DEMAND) for exchange in evidence.exchanges_of.get(connection.id, ()))
