"""After a pause the server asks for authentication again, and gets it.

What it sees
    A sealed request on an authenticated connection, at least 15 seconds after the last response on it, is answered 401; a new handshake on the same connection
    follows and succeeds. One finding counts all of them for a client.
Why it matters
    Each pause costs a handshake, and clients that do not expect the 401 fail with a parse error or report a lost shell although the connection is in order.
When it is wrong
    A service that was restarted in the pause looks the same.
Needs
    A direct connection or the client's leg.
Reference
    MS-WSMV 3.1.4.1.39; RFC 9110 section 15.5.2; Proxy Servers and WinRM, sentence 148.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.reading import (
    authenticated,
    before,
    counted,
    finding,
    header,
    identity,
    message,
    name,
    next_handshake,
    packet,
    packets_of,
    request,
    response,
    seconds,
    status,
    winrm_exchanges,
)

RULE = "auth.idle-reauth"
TITLE = "Authentication is repeated after every pause"
SEVERITY = Severity.LOW
REFERENCE = "Proxy Servers and WinRM, sentence 148"
ADVICE = (
    "Let the client take a 401 with an empty body for a question and authenticate anew (WinRb 2.x, pywinrm and Windows do), or keep the connection busy with "
    "a Receive that waits at the server (OperationTimeout)."
)
_DEMAND = 401
_IDLE_NS = 15_000_000_000


class Pause(Struct, frozen=True, gc=False):
    """The request after the pause, how long that was, and the exchange that ended the new handshake."""

    exchange: Exchange
    idle_ns: int
    again: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Pause]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        pause = _pause(evidence, exchange) if exchange.id not in evidence.far and status(exchange) == _DEMAND else None
        if pause is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(pause)
    for group in groups.values():
        yield _finding(evidence, group)


def _pause(evidence: Evidence, exchange: Exchange) -> Pause | None:
    asked = request(exchange)
    found = message(evidence, asked)
    if asked is None or found is None or found.protection is not Protection.SEALED or header(asked, "authorization") is not None:
        return None
    if authenticated(evidence, exchange) is None:
        return None
    previous = before(evidence, exchange)
    last = None if previous is None else response(previous)
    idle_ns = 0 if last is None else asked.first_ns - last.last_ns
    again = next_handshake(evidence, exchange) if idle_ns >= _IDLE_NS else None
    if again is None or again.outcome is not Outcome.ACCEPTED or again.ends is None:
        return None
    return Pause(exchange, idle_ns, again.ends)


def _finding(evidence: Evidence, group: list[Pause]) -> Finding:
    first = group[0]
    members = [exchange for pause in group for exchange in (pause.exchange, evidence.exchanges[pause.again])]
    packets = packets_of(members)
    why = (
        f"{counted(len(group), 'sealed request')} after a pause got 401 on an authenticated connection and {'was' if len(group) == 1 else 'were'} followed by "
        f"a new handshake that succeeded: the first is {first.exchange.id} on {name(evidence.connections[first.exchange.connection])}, "
        f"{packet(evidence, packets[0])}, after {seconds(first.idle_ns)}; the handshake ended with {first.again}. The shortest such pause was "
        f"{seconds(min(pause.idle_ns for pause in group))}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets,
        user=identity(evidence, first.exchange.connection),
    )
