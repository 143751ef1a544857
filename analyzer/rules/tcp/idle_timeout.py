"""Idle connections are closed after a fixed time, or the client's work fails after such a close.

Detects
    At least two connections with a logon, of one client to one place, that the other side ended after 60, 120, 180,
    240, 300, 600, 900, 1800 or 3600 seconds without data, within 2 %, all of them for the same time: low. Or one that
    the other side ended after a second or more without data, whatever the time: medium. Then the next connection of
    the same program to the same place begins with an encrypted message without any Authorization field, as if it were
    still logged on, and nothing on it is answered 2xx: what worked before the pause does not work after it.
Impact
    A device or the server drops what is idle. The client's next request fails with a reset, or needs a new handshake. A client that repeats a message that it
    encrypted for the connection that is gone gets 400, 401 or 500 for the right password (pywinrm does so).
False positives
    A server's own timeout (120 seconds for Windows' HTTP.sys) is fine; clients must expect it. A client that continues with success after a single close is not
    counted, and neither is a close less than a second after the last response. The sample haproxy-idle-close shows the second form; its truth leaves this rule
    open, neither expected nor forbidden.
Requires
    The end of the connections, and for the second form the client's next one.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection persistence."
    RFC 9112 section 9.5.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.records.transport import Closing, Connection, Side
from analyzer.rules.asking import answered_at, asked_at, server_words, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    Place,
    completed,
    counted,
    ended_after,
    grouped,
    header,
    identity,
    message,
    name,
    packets_of,
    request,
    response,
    role,
    seconds,
    status,
    succeeded,
)
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._endings import is_the_same_program
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell, place

LEAST = Param("least", 2, "connections", "how many connections must end after the same round time")
TOLERANCE = Param("tolerance", 0.02, "share", "by how much the times may differ from a round one")
IDLE = Param("idle", 1, "s", "how long a connection must have been idle")
_TIMES = (60, 120, 180, 240, 300, 600, 900, 1800, 3600)
_REFUSED = 400
_SOON_NS = 3_600_000_000_000
_Starts = Mapping[Place, Sequence[tuple[int, str]]]


class Dropped(Fact, frozen=True):
    """A connection, its last exchange, what ended it and after how long; for the second form the exchanges of the client's next connection."""

    connection: Connection
    last: Exchange
    closing: Closing
    idle_ns: int
    after: tuple[Exchange, ...] = ()


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Dropped]:
    """One sign for each connection of those that ended after the same time, and for each whose client failed afterwards."""
    logged = frozenset([one.connection for one in completed(evidence)])
    known = [connection for connection in evidence.connections.values() if connection.closings and connection.id in logged] if logged else []
    found = [one for connection in known if (one := _dropped(evidence, connection, values["idle"] * 1e9)) is not None]
    starts = _starts(evidence) if found else {}
    for group in grouped(found, lambda one: one.connection).values():
        for one in _alike(group, values["tolerance"], values["least"]):
            yield _sign(evidence, one, one.last)
        for one in group:
            after = _failed(evidence, one, starts)
            if after:
                failed = Dropped(one.connection, one.last, one.closing, one.idle_ns, after)
                yield _sign(evidence, failed, one.last, after[0], after[-1])


def _sign(evidence: Evidence, fact: Dropped, *exchanges: Exchange) -> Sign[Dropped]:
    packets = (fact.closing.packet, *packets_of(exchanges))
    return Sign(fact, tuple(dict.fromkeys(one.id for one in exchanges)), packets, user=identity(evidence, fact.connection.id))


def _dropped(evidence: Evidence, connection: Connection, idle_ns: float) -> Dropped | None:
    """Of a connection on which a handshake was completed."""
    exchanges = evidence.exchanges_of.get(connection.id, ())
    if connection.id not in evidence.winrm or role(evidence, connection.id) is Role.UPSTREAM_LEG or not exchanges:
        return None
    if response(exchanges[-1]) is None:
        return None
    ending = ended_after(evidence, exchanges[-1], Side.SERVER)
    return Dropped(connection, exchanges[-1], ending.closing, ending.after_ns) if ending is not None and ending.after_ns >= idle_ns else None


def _alike(group: Sequence[Dropped], tolerance: float, least: float) -> list[Dropped]:
    """Those that ended after the most frequent round time."""
    rounded = [(time, one) for one in group for time in _TIMES if abs(one.idle_ns / 1e9 - time) <= tolerance * time]
    usual, _ = Counter(time for time, _ in rounded).most_common(1)[0] if rounded else (None, 0)
    alike = [one for time, one in rounded if time == usual]
    return alike if len(alike) >= least else []


def _starts(evidence: Evidence) -> _Starts:
    """When each client host began connections to each endpoint, in order."""
    starts: dict[Place, list[tuple[int, str]]] = defaultdict(list)
    for one in evidence.connections.values():
        starts[words.place(one)].append((one.first_ns, one.id))
    for found in starts.values():
        found.sort()
    return starts


def _failed(evidence: Evidence, dropped: Dropped, starts: _Starts) -> tuple[Exchange, ...]:
    """The exchanges of the next connection, when it begins with an encrypted message as if it were logged on and nothing works on it, as it did before."""
    begun = starts[words.place(dropped.connection)]
    at = bisect_right(begun, (dropped.closing.ts_ns, ""))
    if not succeeded(dropped.last) or at == len(begun) or begun[at][0] > dropped.closing.ts_ns + _SOON_NS:
        return ()
    connection = evidence.connections[begun[at][1]]
    exchanges = evidence.exchanges_of.get(connection.id, ())
    asked = request(exchanges[0]) if exchanges else None
    body = message(evidence, asked)
    if body is None or body.protection is not Protection.SEALED or header(asked, "authorization") is not None or not connection.to_server.begins:
        return ()
    last = status(exchanges[-1])
    works = last is None or last < _REFUSED or any(succeeded(exchange) for exchange in exchanges)
    return () if works or not is_the_same_program(evidence, dropped.connection.id, connection.id) else exchanges


def why(tell: Tell[Dropped]) -> str:
    first = tell.facts[0]
    closing = first.closing
    ended = f"({words.closed(closing)}, {tell.packet(closing.packet)})"
    who = words.ender(tell.evidence, first.connection, closing)
    if not first.after:
        return (
            f"{counted(tell.count, 'connection')} of {first.connection.client.host} to {server_words(first.connection)} were ended after about "
            f"{_round(first)} s without data. The first is {name(first.connection)}. {who} ended it after {seconds(first.idle_ns)} {ended}."
        )
    asked, last = first.after[0], first.after[-1]
    return (
        f"{name(first.connection)} was logged on and worked. {who} ended it after {seconds(first.idle_ns)} without data {ended}. "
        f"The client then sent {asked.id} on {asked.connection} ({asked_at(tell, asked)}). It is an encrypted message without an Authorization field, as if "
        f"the new connection were logged on. Nothing there was answered 2xx. The last answer was {status(last)} ({answered_at(tell, last)})."
    ) + (f" This happened {times(tell.count)}." if tell.count > 1 else "")


def _round(one: Dropped) -> int:
    return min(_TIMES, key=lambda time: abs(one.idle_ns / 1e9 - time))


def title(tell: Tell[Dropped]) -> str:
    first = tell.facts[0]
    if first.after:
        return f"Work of {first.connection.client.host} fails after an idle connection was ended"
    return f"Idle connections to {server_words(first.connection)} end after {_round(first)} s"


def owner(tell: Tell[Dropped]) -> Owner:
    first = tell.facts[0]
    if first.after:
        return Owner.CLIENT
    return Owner.NETWORK if words.reset_by_a_device(first.closing) else Owner(words.owner_word(tell.evidence, first.connection))


OPINION = Opinion(
    title=title,
    name="Idle connections end after a fixed time",
    severity=lambda tell: Severity.MEDIUM if tell.facts[0].after else Severity.LOW,
    worst=Severity.MEDIUM,
    confidence=lambda tell: 0.9 if tell.facts[0].after else 0.7,
    owner=owner,
    reference="RFC 9112 section 9.5",
    advice=Advice("Raise the idle time of the device", Topic.IDLE, "Or let the client keep the connection busy, or open a new one after a pause."),
    see=see,
    why=why,
    each=lambda evidence, sign: (place(evidence, sign), bool(sign.fact.after)),
    explains=("http.encrypted-body-refused",),
    params=(LEAST, TOLERANCE, IDLE),
)
