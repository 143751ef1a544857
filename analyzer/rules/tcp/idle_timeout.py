"""Idle connections are closed after a fixed time.

What it sees
    At least two authenticated connections of one client to one place that were ended from the far side, after nothing had been said for 60, 120, 180, 240, 300,
    600, 900, 1800 or 3600 seconds, within 2 %, all of them for the same time.
Why it matters
    A device or the server drops what is idle. The client's next request fails with a reset, or needs a new handshake.
When it is wrong
    A server's own timeout (120 seconds for Windows' HTTP.sys) is in order; clients must expect it.
Needs
    The end of the connections.
Reference
    RFC 9112 section 9.5; Proxy Servers and WinRM, sentence 145.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Closing, Connection, Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import completed, counted, ended_after, finding, identity, name, packet, packets_of, response, role, seconds

RULE = "tcp.idle-timeout"
TITLE = "Idle connections are closed after a fixed time"
SEVERITY = Severity.LOW
REFERENCE = "RFC 9112 section 9.5"
HOW = Advice(
    "Raise the idle time of the device",
    Topic.IDLE,
    ", or let the client keep the connection busy or open a new one after a pause.",
)
ADVICE = HOW.text()
_TIMES = (60, 120, 180, 240, 300, 600, 900, 1800, 3600)
_TOLERANCE = 0.02
_LEAST = 2


class Dropped(NamedTuple):
    """A connection, its last exchange, what ended it, after how long, and the round time that this is."""

    connection: Connection
    last: Exchange
    closing: Closing
    idle_ns: int
    time: int


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Dropped]] = defaultdict(list)
    for connection in evidence.connections.values():
        dropped = _dropped(evidence, connection) if connection.id in evidence.winrm and role(evidence, connection.id) is not Role.UPSTREAM_LEG else None
        if dropped is not None:
            groups[connection.client.host, connection.server.host, connection.server.port].append(dropped)
    for group in groups.values():
        time, _ = Counter(dropped.time for dropped in group).most_common(1)[0]
        alike = [dropped for dropped in group if dropped.time == time]
        if len(alike) >= _LEAST:
            yield _finding(evidence, alike)


def _dropped(evidence: Evidence, connection: Connection) -> Dropped | None:
    exchanges = evidence.exchanges_of.get(connection.id, ())
    if not exchanges or not any(completed(evidence, connection.id)) or response(exchanges[-1]) is None:
        return None
    ending = ended_after(evidence, exchanges[-1], Side.SERVER)
    if ending is None:
        return None
    time = next((time for time in _TIMES if abs(ending.after_ns / 1e9 - time) <= _TOLERANCE * time), None)
    return None if time is None else Dropped(connection, exchanges[-1], ending.closing, ending.after_ns, time)


def _finding(evidence: Evidence, group: list[Dropped]) -> Finding:
    first = group[0]
    why = (
        f"{counted(len(group), 'connection')} of {first.connection.client.host} to {first.connection.server.host}:{first.connection.server.port} were ended "
        f"from the far side after about {first.time} s of silence: the first is {name(first.connection)}, {first.closing.kind.value} in "
        f"{packet(evidence, first.closing.packet)} after {seconds(first.idle_ns)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.7,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[dropped.connection.id for dropped in group],
        exchanges=[dropped.last.id for dropped in group],
        packets=[*(dropped.closing.packet for dropped in group), *packets_of(dropped.last for dropped in group)],
        user=identity(evidence, first.connection.id),
    )
