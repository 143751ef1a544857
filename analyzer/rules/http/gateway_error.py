"""The proxy answers for a server that it could not ask.

What it sees
    502, 503 or 504 to a WinRM request on the client's leg, for which no response of the server is known: the request did not go on, or went on and was not
    answered so. Without a sign of a proxy, 502 and 504 count all the same, since only a gateway says so; a 503 of the server itself does not.
Why it matters
    The client reports "bad HTTP response", and nothing is wrong with its request or credentials: the way from the proxy to the server is broken.
When it is wrong
    With the client's leg alone, a server that is itself out of service behind a proxy that passes its 503 on looks the same.
Needs
    The client's leg.
Reference
    RFC 9110 sections 15.6.3 to 15.6.5.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.reading import (
    counted,
    finding,
    header,
    identity,
    listed,
    name,
    packet,
    packets_of,
    request,
    response,
    role,
    status,
    upstream,
    winrm_exchanges,
)

RULE = "http.gateway-error"
TITLE = "The proxy could not reach the server"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9110 section 15.6.3"
ADVICE = (
    "Check from the proxy's host that name resolution, routing, firewall and the WinRM listener work (winrm enumerate winrm/config/listener), and that the "
    "proxy may use ports 5985 and 5986."
)
_STATUSES = (502, 503, 504)
_UNAVAILABLE = 503


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        if _is_own(evidence, exchange):
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _is_own(evidence: Evidence, exchange: Exchange) -> bool:
    code, where = status(exchange), role(evidence, exchange.connection)
    if code not in _STATUSES or where is Role.UPSTREAM_LEG or (where is not Role.CLIENT_LEG and code == _UNAVAILABLE and not _asks_proxy(exchange)):
        return False
    far = upstream(evidence, exchange.id)
    return far is None or status(far) != code


def _asks_proxy(exchange: Exchange) -> bool:
    return (asked := request(exchange)) is not None and asked.method == "CONNECT"


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.connection]
    fars = [far for exchange in group if (far := upstream(evidence, exchange.id)) is not None]
    asked, answer = request(first), response(first)
    product = header(answer, "server")
    why = (
        f"{connection.server.host}:{connection.server.port}{f' ({product})' if product else ''} answered {counted(len(group), 'request')} of "
        f"{connection.client.host} with {listed(str(status(exchange)) for exchange in group)} of its own: the first is {first.id} on {name(connection)}, "
        f"{packet(evidence, answer.packets[0]) if answer and answer.packets else ''}{f', for {asked.target}' if asked else ''}. "
    )
    why += f"{counted(len(fars), 'request')} of these went on to the server." if fars else "No such request went on to the server in this evidence."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9 if header(answer, "via") or role(evidence, connection.id) is Role.CLIENT_LEG else 0.7,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(exchange.connection for exchange in group), *(far.connection for far in fars)],
        exchanges=[*(exchange.id for exchange in group), *(far.id for far in fars)],
        packets=packets_of([*group, *fars]),
        user=identity(evidence, connection.id),
    )
