"""Idle connections are closed after a fixed time, or the client's work fails after such a close.

What it sees
    At least two authenticated connections of one client to one place that were ended from the far side, after nothing had been said for 60, 120, 180, 240, 300,
    600, 900, 1800 or 3600 seconds, within 2 %, all of them for the same time: low. Or one that was ended from the far side after a second or more without a
    word, whatever the time, when the client's next connection to the same place begins with a sealed message without any Authorization field, as if it were
    still authenticated, and nothing on it is answered 2xx: medium, because what worked before the pause does not work after it.
Why it matters
    A device or the server drops what is idle. The client's next request fails with a reset, or needs a new handshake; a client that repeats a message that it
    sealed for the connection that is gone gets 400, 401 or 500 for the right password (pywinrm does so).
When it is wrong
    A server's own timeout (120 seconds for Windows' HTTP.sys) is in order; clients must expect it. A client that goes on with success after a single close is
    not counted, and neither is a close less than a second after the last response. The sample haproxy-idle-close shows the second form; its truth leaves
    this rule open, neither expected nor forbidden.
Needs
    The end of the connections, and for the second form the client's next one.
Reference
    RFC 9112 section 9.5; Proxy Servers and WinRM, sentence 145.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.records.transport import Closing, Connection, Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    completed,
    counted,
    ended_after,
    finding,
    first_packet,
    header,
    identity,
    message,
    name,
    packet,
    packets_of,
    request,
    response,
    role,
    seconds,
    status,
    succeeded,
)

RULE = "tcp.idle-timeout"
TITLE = "Idle connections are closed after a fixed time"
BROKEN = "After a pause the connection was closed, and the client's work fails"
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
_REFUSED = 400
_IDLE_NS = 1_000_000_000
_SOON_NS = 3_600_000_000_000


class Dropped(Struct, frozen=True, gc=False):
    """A connection, its last exchange, what ended it, after how long, and the round time that this is."""

    connection: Connection
    last: Exchange
    closing: Closing
    idle_ns: int
    time: int | None


class Failed(Struct, frozen=True, gc=False):
    """A connection that was dropped, and the client's next one, on which nothing works: its exchanges with their last status."""

    dropped: Dropped
    next: Connection
    exchanges: tuple[Exchange, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding of each form for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Dropped]] = defaultdict(list)
    for connection in evidence.connections.values():
        dropped = _dropped(evidence, connection) if connection.id in evidence.winrm and role(evidence, connection.id) is not Role.UPSTREAM_LEG else None
        if dropped is not None:
            groups[connection.client.host, connection.server.host, connection.server.port].append(dropped)
    for group in groups.values():
        round_times = [dropped for dropped in group if dropped.time is not None]
        time, _ = Counter(dropped.time for dropped in round_times).most_common(1)[0] if round_times else (None, 0)
        alike = [dropped for dropped in round_times if dropped.time == time]
        if len(alike) >= _LEAST:
            yield _finding(evidence, alike)
    starts = _starts(evidence) if groups else {}
    for place, group in groups.items():
        failed = [found for dropped in group if (found := _failed(evidence, dropped, starts[place])) is not None]
        if failed:
            yield _broken(evidence, failed)


def _dropped(evidence: Evidence, connection: Connection) -> Dropped | None:
    exchanges = evidence.exchanges_of.get(connection.id, ())
    if not exchanges or not any(completed(evidence, connection.id)) or response(exchanges[-1]) is None:
        return None
    ending = ended_after(evidence, exchanges[-1], Side.SERVER)
    if ending is None:
        return None
    if ending.after_ns < _IDLE_NS:
        return None
    time = next((time for time in _TIMES if abs(ending.after_ns / 1e9 - time) <= _TOLERANCE * time), None)
    return Dropped(connection, exchanges[-1], ending.closing, ending.after_ns, time)


def _starts(evidence: Evidence) -> dict[tuple[str, str, int], list[tuple[int, str]]]:
    """When each client host began connections to each endpoint, in order."""
    starts: dict[tuple[str, str, int], list[tuple[int, str]]] = defaultdict(list)
    for one in evidence.connections.values():
        starts[one.client.host, one.server.host, one.server.port].append((one.first_ns, one.id))
    for found in starts.values():
        found.sort()
    return starts


def _failed(evidence: Evidence, dropped: Dropped, starts: list[tuple[int, str]]) -> Failed | None:
    """The next connection begins with a sealed message as if it were authenticated, and nothing works on it; before the pause it did."""
    if not succeeded(dropped.last):
        return None
    place = bisect_right(starts, (dropped.closing.ts_ns, ""))
    if place == len(starts) or starts[place][0] > dropped.closing.ts_ns + _SOON_NS:
        return None
    connection = evidence.connections[starts[place][1]]
    exchanges = evidence.exchanges_of.get(connection.id, ())
    asked = request(exchanges[0]) if exchanges else None
    body = message(evidence, asked)
    if body is None or body.protection is not Protection.SEALED or header(asked, "authorization") is not None or not connection.to_server.begins:
        return None
    codes = [status(exchange) for exchange in exchanges]
    if codes[-1] is None or codes[-1] < _REFUSED or any(succeeded(exchange) for exchange in exchanges):
        return None
    return Failed(dropped, connection, exchanges)


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


def _broken(evidence: Evidence, group: list[Failed]) -> Finding:
    first = group[0]
    lost = first.dropped
    asked, answer = request(first.exchanges[0]), response(first.exchanges[-1])
    keys = (*first_packet(asked), *first_packet(answer))
    why = (
        f"{name(lost.connection)} was authenticated and worked; the far side ended it ({lost.closing.kind.value}, {packet(evidence, lost.closing.packet)}) "
        f"after {seconds(lost.idle_ns)} of silence. The client went on with {first.exchanges[0].id} on {name(first.next)} "
        f"({packet(evidence, keys[0]) if keys else 'not captured'}), a sealed message without an Authorization field, as if the connection were "
        f"authenticated; its last answer there was {status(first.exchanges[-1])} ({packet(evidence, keys[-1]) if keys else 'not captured'}), and none was 2xx."
    )
    why += f" {counted(len(group), 'time')} in this capture." if len(group) > 1 else ""
    members = [exchange for failed in group for exchange in (failed.dropped.last, failed.exchanges[0], failed.exchanges[-1])]
    return finding(
        evidence,
        rule=RULE,
        severity=Severity.MEDIUM,
        confidence=0.9,
        title=BROKEN,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[identity for failed in group for identity in (failed.dropped.connection.id, failed.next.id)],
        exchanges=[exchange.id for exchange in members],
        packets=[*(failed.dropped.closing.packet for failed in group), *packets_of(members)],
        user=identity(evidence, lost.connection.id),
    )
