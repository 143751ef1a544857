"""Failures: what clients tried in vain. One client's tries at one service are looked at together, so that what succeeded later is none.

No failure are: the 401 with which a logon begins, a Receive whose time-out only says that nothing happened, the end of a capture in the middle of something,
and a client that leaves while it waits for output.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from analyzer.records.auth import Audience
from analyzer.records.candidates import connections
from analyzer.records.capture import IcmpKind
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, request, response
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.story import Ending, Failure, Fate, Logon, Outcome, Result, Wanted
from analyzer.records.tls import Reached
from analyzer.records.transport import Connection, End, Side
from analyzer.records.waiting import Stop
from analyzer.story.fates import asked_from

_TIMED_OUT = (2150858793, "TimedOut")
_WAITS = ("Receive", "Pull")
_ENDS = ("Delete", "Signal", "Release", "Unsubscribe")
_UP = (Reached.COMPLETED, Reached.APPLICATION_DATA)
_WELL = (Outcome.ANSWERED, Outcome.NOT_CAPTURED)
"""Of a request that was answered, or may have been."""
_TRIES = 2
"""SYN packets of a client that really waits for an answer."""
_SETTLED_NS = 3_000_000_000
"""A handshake or a logon that has not gone on for so long does not go on."""

Service: TypeAlias = tuple[str | None, str, int, str]
"""Client, address and port that it went to, and the name that it asked for there."""


def failures(
    evidence: Evidence, logons: Sequence[Logon], fates: Mapping[str, Fate], endings: Mapping[str, Ending], ends: Mapping[str, tuple[str, str]]
) -> tuple[Failure, ...]:
    """All of them, in order of time."""
    found = [*_connections(evidence, ends), *_tls(evidence, ends), *_logons(evidence, logons, ends), *_requests(evidence, fates, endings)]
    return tuple(sorted(found, key=lambda failure: failure.at_ns))


def _requests(evidence: Evidence, fates: Mapping[str, Fate], endings: Mapping[str, Ending]) -> Iterator[Failure]:
    """The last request of each client to each service, where it failed."""
    last: dict[Service, tuple[int, Fate]] = {}
    services: dict[tuple[str, str | None, int], Service] = {}
    clients = {fate.asked_from for fate in fates.values() if fate.outcome not in _WELL}
    for fate in fates.values() if clients else ():
        if fate.asked_from not in clients:
            continue  # all that it asked for was answered
        exchange = evidence.exchanges[fate.request]
        asked = request(exchange)
        if asked is None:
            continue
        alike = exchange.connection, fate.asked_from, id(asked.headers)  # requests that are alike have one object of fields
        service = services.get(alike)
        if service is None:
            service = services[alike] = _service(evidence, exchange, fate.asked_from)
        before = last.get(service)
        if before is None or before[0] <= asked.first_ns:
            last[service] = asked.first_ns, fate
    stops = {one.exchange: one.stop for one in evidence.unanswered if one.exchange is not None}
    for at_ns, fate in last.values():
        exchange = evidence.exchanges[fate.request]
        if _failed(evidence, exchange, fate, endings, stops) and not _went_on(evidence, exchange, fate.status):
            yield Failure(
                wanted=Wanted.REQUEST,
                client=fate.asked_from,
                connection=exchange.connection,
                exchange=exchange.id,
                logon=None,
                outcome=fate.outcome,
                status=fate.status,
                code=fate.fault_code,
                stopped_at=fate.stopped_at,
                user=fate.asked_as,
                at_ns=at_ns,
                packet=_packet(exchange),
                certainty=fate.certainty,
            )


def _service(evidence: Evidence, exchange: Exchange, client: str | None) -> Service:
    server = evidence.connections[exchange.connection].server
    return client, server.host, server.port, (header(request(exchange), "host") or "").lower()


def _went_on(evidence: Evidence, exchange: Exchange, status: int | None) -> bool:
    """The challenge of a logon, after which the same connection got further: the next request may be known as another client's, the proxy's before it."""
    if status not in (401, 407):
        return False
    own = evidence.exchanges_of[exchange.connection]
    later = (response(one) for one in own[own.index(exchange) + 1 :])
    return any(answer is not None and answer.status not in (401, 407) for answer in later)


def _packet(exchange: Exchange) -> int | None:
    """Of the answer, else of the request."""
    halves = (response(exchange), request(exchange))
    return next((half.packets[0] for half in halves if half is not None and half.packets), None)


def _failed(evidence: Evidence, exchange: Exchange, fate: Fate, endings: Mapping[str, Ending], stops: Mapping[str, Stop]) -> bool:
    match fate.outcome:
        case Outcome.ANSWERED | Outcome.NOT_CAPTURED:
            return False
        case Outcome.REFUSED:
            return _gave_up(evidence, exchange, endings)
        case Outcome.FAULT:
            return not _is_normal(evidence, exchange, fate)
        case Outcome.UNANSWERED | Outcome.CUT | Outcome.RESET:
            return _broke(evidence, exchange, endings, stops)
        case _:
            return True


def _gave_up(evidence: Evidence, exchange: Exchange, endings: Mapping[str, Ending]) -> bool:
    """It was asked to log on, and ended the connection without a try. A refused logon is told as such, a capture may end before the logon begins, and what
    only looks whether a server is there (Identify, GET) does not log on."""
    asked = request(exchange)
    probes = asked is None or asked.method != "POST" or _operation(evidence, exchange) == "Identify"
    return not probes and exchange.connection in endings and header(asked, "authorization") is None


def _is_normal(evidence: Evidence, exchange: Exchange, fate: Fate) -> bool:
    """Nothing happened while it waited, or what it wanted to end had ended; or it cannot be read and may be either."""
    answer = response(exchange)
    told = None if answer is None else evidence.messages.get(answer.id)
    if told is None or (fate.fault_code is None and told.fault is None):
        return told is not None and not told.opened and told.opened_detail is not None
    operation = _operation(evidence, exchange)
    timed_out = (fate.fault_code or "") == str(_TIMED_OUT[0]) or (told.fault is not None and told.fault.subcode == _TIMED_OUT[1])
    return operation in _ENDS or (timed_out and operation in (None, *_WAITS))


def _operation(evidence: Evidence, exchange: Exchange) -> str | None:
    asked = request(exchange)
    message = None if asked is None else evidence.messages.get(asked.id)
    return None if message is None or isinstance(message.operation, Absent) else message.operation


def _broke(evidence: Evidence, exchange: Exchange, endings: Mapping[str, Ending], stops: Mapping[str, Stop]) -> bool:
    """It was seen how the waiting ended, and the client did not simply leave."""
    stop = stops.get(exchange.id)
    ending = endings.get(exchange.connection)
    if _may_be_answered(evidence.connections[exchange.connection]):
        return False
    if stop is Stop.PENDING or (stop is None and (ending is None or ending.pending != exchange.id)):
        return False
    left = stop is Stop.GAVE_UP or (stop is None and ending is not None and ending.first_by.value == "client")
    return not (left and _operation(evidence, exchange) in (*_WAITS, *_ENDS, None))


def _may_be_answered(connection: Connection) -> bool:
    """Bytes of the server are not in the capture: there is a hole, or either side counted more of them than were captured."""
    stream = connection.to_client
    counted = (stream.acked, *(one.stream_at if one.side is Side.SERVER else one.acked for one in connection.closings))
    ended = any(one.side is Side.SERVER and one.kind is End.FIN for one in connection.closings)  # a FIN counts as one more
    return bool(stream.gaps or connection.to_server.gaps) or max(counted) > stream.size + ended


def _logons(evidence: Evidence, logons: Sequence[Logon], ends: Mapping[str, tuple[str, str]]) -> Iterator[Failure]:
    """Refused logons, unless the same account, or any on the same connection, was accepted later."""
    later: dict[tuple[str, ...], int] = {}
    refused = [logon for logon in logons if logon.outcome is Result.REFUSED]
    for logon in logons if refused else ():
        if logon.outcome is Result.ACCEPTED:
            for place in _places(evidence, logon):
                later[place] = max(later.get(place, 0), logon.last_ns)
    for logon in refused:
        if any(later.get(place, 0) > logon.last_ns for place in _places(evidence, logon)):
            continue
        last = evidence.exchanges[logon.exchanges[-1]]
        answer = response(last)
        yield Failure(
            wanted=Wanted.LOGON,
            client=asked_from(evidence, evidence.exchanges[logon.exchanges[0]]),
            connection=logon.client_connection,
            exchange=last.id,
            logon=logon.id,
            outcome=Outcome.REFUSED,
            status=None if answer is None else answer.status,
            code=None if logon.code is None else str(logon.code),
            stopped_at=ends.get(logon.client_connection, ("", ""))[1] or None,
            user=f"{logon.domain}\\{logon.user}" if logon.user and logon.domain else logon.user,
            at_ns=logon.last_ns,
            packet=_packet(last),
            certainty=logon.certainty,
        )


def _places(evidence: Evidence, logon: Logon) -> Iterator[tuple[str, ...]]:
    own = evidence.connections[logon.client_connection]
    yield logon.audience.value, logon.client_connection
    yield logon.audience.value, own.client.host, own.server.host, (logon.user or "").casefold()
    if not logon.user or (logon.audience is Audience.SERVER and logon.outcome is Result.ACCEPTED):
        yield logon.audience.value, own.client.host, own.server.host, "", ""


def _connections(evidence: Evidence, ends: Mapping[str, tuple[str, str]]) -> Iterator[Failure]:
    """Connections of clients that never came up, unless the same client reached the same server later."""
    up: dict[tuple[str, str, int], int] = {}
    every = evidence.connections.values()
    down = [one for one in connections(evidence) if not one.established and _never_connected(evidence, one)]
    for one in every if down else ():
        if one.established:
            up[_pair(one)] = max(up.get(_pair(one), 0), one.first_ns)
    for one in down:
        if evidence.roles.get(one.id) is not Role.UPSTREAM_LEG and up.get(_pair(one), 0) <= one.first_ns:
            yield _broken(Wanted.CONNECTION, one, ends)


def _never_connected(evidence: Evidence, one: Connection) -> bool:
    if one.established or one.syn is None or one.to_server.size or one.to_client.size:
        return False
    told = one.end is End.RESET or any(error.kind is not IcmpKind.TOO_BIG for error in evidence.icmp.get(one.id, ()))
    ended_ns = evidence.captures[one.capture].point_last_ns
    return told or (len(one.packets) >= _TRIES and ended_ns is not None and ended_ns - one.first_ns >= _SETTLED_NS)


def _broken(wanted: Wanted, one: Connection, ends: Mapping[str, tuple[str, str]]) -> Failure:
    return Failure(
        wanted=wanted,
        client=one.client.host,
        connection=one.id,
        exchange=None,
        logon=None,
        outcome=Outcome.RESET if one.end is End.RESET else Outcome.UNANSWERED if one.end is End.OPEN else Outcome.CUT,
        status=None,
        code=None,
        stopped_at=ends.get(one.id, ("", ""))[1] or None,
        user=None,
        at_ns=one.first_ns,
        packet=one.closings[0].packet if one.closings else next(iter(one.packets), None),
    )


def _tls(evidence: Evidence, ends: Mapping[str, tuple[str, str]]) -> Iterator[Failure]:
    """TLS of WinRM connections that never came up, unless the same client succeeded with the same server later."""
    own = [one for one in connections(evidence) if one.protocol == "tls" and one.tls is not None]
    up: dict[tuple[str, str, int], int] = {}
    for one in own:
        if one.tls is not None and one.tls.reached in _UP:
            up[_pair(one)] = max(up.get(_pair(one), 0), one.first_ns)
    for one in own:
        if _never_came_up(evidence, one) and up.get(_pair(one), 0) <= one.first_ns:
            yield _broken(Wanted.TLS, one, ends)


def _pair(one: Connection) -> tuple[str, str, int]:
    return one.client.host, one.server.host, one.server.port


def _never_came_up(evidence: Evidence, one: Connection) -> bool:
    if one.tls is None or one.tls.reached in (*_UP, Reached.NOTHING) or one.to_server.gaps or one.to_client.gaps:
        return False
    ended_ns = evidence.captures[one.capture].point_last_ns
    return one.end is not End.OPEN or (ended_ns is not None and ended_ns - one.last_ns >= _SETTLED_NS)
