"""The proxy answers for a server that it could not ask.

What it sees
    502, 503 or 504 to a WinRM request on the client's leg, for which no response of the server is known: the request did not go on, or went on and was not
    answered so. The reasons say whether it reached the server, and whether that answered, late or never, or ended the connection; the advice follows from it.
    Without a sign of a proxy, 502 and 504 count all the same, since only a gateway says so; a 503 of the server itself does not.
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
from analyzer.records.transport import Side
from analyzer.rules.products import Advice, Topic
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
    seconds,
    status,
    upstream,
    winrm_exchanges,
)

RULE = "http.gateway-error"
TITLE = "The proxy could not reach the server"
REACHED = "The proxy answers in place of a server that it reached"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9110 section 15.6.3"
ADVICE = (
    "Check from the proxy's host that name resolution, routing, firewall and the WinRM listener work (winrm enumerate winrm/config/listener), and that the "
    "proxy may use ports 5985 and 5986."
)
LATE = Advice(
    "The server was reached and answered, but only after the proxy had given up: raise how long the proxy waits for a response above what the slowest request "
    "takes, a Receive that waits at the server up to its OperationTimeout among them",
    Topic.IDLE,
)
SILENT = Advice(
    "The server was reached and said nothing until the proxy gave up, so name resolution and listener are in order: look at the server's load and WinRM's "
    "event log, and let the proxy wait longer than the slowest request takes, a Receive that waits at the server up to its OperationTimeout among them",
    Topic.IDLE,
)
ENDED = (
    "The server was reached and ended the connection before it answered, so name resolution and listener are in order: look at WinRM's event log (service "
    "restarts, limits of connections and memory), and let the proxy not use connections that the server is about to close: its idle time for upstream "
    "connections must be below the server's (120 seconds for Windows' HTTP.sys)."
)
DROPPED = (
    "The server was reached, and the proxy did not pass on what it had: look into the proxy's own log and error page for what it did not accept, and at the "
    "server's answer in these packets."
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


def _way(evidence: Evidence, group: list[Exchange]) -> tuple[str, str | Advice]:
    """What became, on the upstream leg, of the first request that went on; for the sentence, with the advice that follows from it."""
    found = next(((near, far) for near in group if (far := upstream(evidence, near.id)) is not None), None)
    if found is None:
        return "", ADVICE
    near, far = found
    gave_up, answer = response(near), response(far)
    if answer is not None and gave_up is not None and answer.first_ns > gave_up.first_ns:
        return f"; {far.id} was answered {answer.status} {seconds(answer.first_ns - gave_up.first_ns)} after the proxy had given up", LATE
    if answer is not None:
        return f"; {far.id} was answered {answer.status} before the proxy's own answer", DROPPED
    asked = request(far)
    closings = evidence.connections[far.connection].closings
    ended = next((one for one in closings if asked is not None and one.ts_ns >= asked.first_ns), None)
    if ended is not None and ended.side is Side.SERVER:
        return f"; on {far.connection} the server ended the connection before it answered {far.id} ({packet(evidence, ended.packet)})", ENDED
    waited = f" in {seconds(gave_up.first_ns - asked.last_ns)}" if asked is not None and gave_up is not None else ""
    return f"; {far.id} was not answered{waited}", SILENT


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
    way, advice = _way(evidence, group)
    why += f"{counted(len(fars), 'request')} of these went on to the server{way}." if fars else "No such request went on to the server in this evidence."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9 if header(answer, "via") or role(evidence, connection.id) is Role.CLIENT_LEG else 0.7,
        title=REACHED if fars else TITLE,
        why=why,
        advice=advice,
        reference=REFERENCE,
        connections=[*(exchange.connection for exchange in group), *(far.connection for far in fars)],
        exchanges=[*(exchange.id for exchange in group), *(far.id for far in fars)],
        packets=packets_of([*group, *fars]),
        user=identity(evidence, connection.id),
    )
