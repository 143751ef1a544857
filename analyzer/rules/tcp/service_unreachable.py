"""The WinRM port refuses connections, or does not answer.

Detects
    A connection attempt to a WinRM port that was answered by a RST, or by nothing: at least two SYN without any
    packet of the server, not at the end of the capture. No connection between the same hosts to the same port
    succeeded within 30 seconds.
Impact
    The service does not run, listens on another port, or a firewall is in the way. Through a proxy the client only sees a 502, 503 or 504.
False positives
    When the capture shows the client's direction only, every attempt would look unanswered; attempts that sent data are not counted. A port scan looks the same
    as a client that cannot reach many servers. Where an ICMP error answered, tcp.icmp-error tells it.
Requires
    The side next to the server, both directions.
References
    RFC 9293 section 3.5.2; MS-WSMV 2.1.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from analyzer.records.capture import IcmpKind
from analyzer.records.http import Exchange
from analyzer.records.transport import Connection, End, Side
from analyzer.rules.asking import answered_at, server_words
from analyzer.rules.reading import Place, counted, listed, name, packets_of, response, status
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

SWEEP = Param("sweep", 16, "servers", "at how many servers one client has to fail to be told as a sweep")
AROUND = Param("around", 30, "s", "within which time no other connection to the same port may have succeeded")
_GATEWAY = (502, 503, 504)
_SETTLED_NS = 3_000_000_000
_LEAST_TRIES = 2
_LOOKED_AT = 64
_COMMANDS = "Commands: winrm quickconfig; winrm enumerate winrm/config/listener. On the way, check firewalls between the two hosts."


class Attempt(Fact, frozen=True):
    """A connection that never came up, and the requests that a proxy answered with an error meanwhile."""

    connection: Connection
    errors: tuple[Exchange, ...]


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Attempt]:
    failed = [one for one in evidence.connections.values() if one.id in evidence.winrm and _is_failed(evidence, one)]
    worked, errors = (_worked(evidence), _gateway_errors(evidence)) if failed else ({}, {})
    for connection in failed:
        if not _worked_around_it(worked.get(words.place(connection), ()), connection, int(values["around"] * 1e9)):
            meanwhile = tuple(_meanwhile(evidence, errors.get(connection.point, ()), connection))
            packets = (connection.packets[0], connection.packets[-1], *packets_of(meanwhile))
            connections = (connection.id, *(one.connection for one in meanwhile))
            yield Sign(Attempt(connection, meanwhile), tuple(one.id for one in meanwhile), packets, connections)


def _is_failed(evidence: Evidence, connection: Connection) -> bool:
    if any(error.kind is not IcmpKind.TOO_BIG for error in evidence.icmp.get(connection.id, ())):
        return False  # tcp.icmp-error tells who refused it
    if connection.established or connection.syn is None or connection.to_server.size or connection.to_client.size:
        return False
    if _is_refused(connection):
        return True
    ends = evidence.captures[connection.capture].point_last_ns or connection.last_ns
    return connection.end is End.OPEN and len(connection.packets) >= _LEAST_TRIES and ends - connection.first_ns >= _SETTLED_NS


def _is_refused(connection: Connection) -> bool:
    return connection.end is End.RESET and connection.ended_by is Side.SERVER


def _worked(evidence: Evidence) -> Mapping[Place, Sequence[int]]:
    """When connections that came up began, by place, sorted."""
    found: dict[Place, list[int]] = defaultdict(list)
    for one in evidence.connections.values():
        if one.established and one.tunnel_of is None:
            found[words.place(one)].append(one.first_ns)
    for begun in found.values():
        begun.sort()
    return found


def _worked_around_it(begun: Sequence[int], connection: Connection, around_ns: int) -> bool:
    place = bisect_left(begun, connection.first_ns - around_ns)
    return place < len(begun) and begun[place] <= connection.first_ns + around_ns


def _gateway_errors(evidence: Evidence) -> Mapping[int, Sequence[tuple[int, str]]]:
    """Requests that a gateway answered with an error, by capture point, in order of the answer's end."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for exchange in evidence.exchanges.values():
        answer = response(exchange)
        if answer is not None and answer.status in _GATEWAY and exchange.connection in evidence.winrm:
            found[evidence.connections[exchange.connection].point].append((answer.last_ns, exchange.id))
    for errors in found.values():
        errors.sort()
    return found


def _meanwhile(evidence: Evidence, errors: Sequence[tuple[int, str]], connection: Connection) -> Iterator[Exchange]:
    """Those of connections that were open when this attempt was made; the next answers only, where there are many."""
    place = bisect_left(errors, (connection.first_ns, ""))
    for _, identity in islice(errors, place, place + _LOOKED_AT):
        exchange = evidence.exchanges[identity]
        if evidence.connections[exchange.connection].first_ns <= connection.first_ns:
            yield exchange


def _refused(tell: Tell[Attempt]) -> int:
    return sum(_is_refused(fact.connection) for fact in tell.facts)


def why(tell: Tell[Attempt]) -> str:
    first, refused = tell.facts[0].connection, _refused(tell)
    closing = first.closings[0].packet if first.closings else first.packets[-1]
    errors = list({one.id: one for fact in tell.facts for one in fact.errors}.values())
    text = (
        f"{counted(tell.count, 'connection attempt')} of {first.client.host} to {listed(server_words(fact.connection) for fact in tell.facts)} failed: "
        f"{refused:,} refused by RST, {tell.count - refused:,} unanswered. The first is {name(first)}, from {tell.packet(first.packets[0])} to "
        f"{tell.packet(closing)}."
    )
    if _is_sweep(tell):
        text += " An inventory or a port scan looks like this, and so does a client with an outdated list of servers."
    if not errors:
        return text
    return (
        f"{text} Meanwhile the proxy answered {counted(len(errors), 'request')} with {listed(str(status(one)) for one in errors)}. The first is {errors[0].id} "
        f"({answered_at(tell, errors[0])})."
    )


def _servers(tell: Tell[Attempt]) -> list[str]:
    return list(dict.fromkeys(server_words(fact.connection) for fact in tell.facts))


def _is_sweep(tell: Tell[Attempt]) -> bool:
    return len(_servers(tell)) >= tell.values["sweep"]


def title(tell: Tell[Attempt]) -> str:
    servers = _servers(tell)
    if _is_sweep(tell):
        return f"{tell.facts[0].connection.client.host} finds no WinRM on {len(servers):,} servers"
    where = servers[0] if len(servers) == 1 else f"{len(servers)} servers"
    return f"WinRM on {where} refuses connections" if _refused(tell) == tell.count else f"WinRM on {where} cannot be reached"


def advice(tell: Tell[Attempt]) -> str:
    if _is_sweep(tell):
        return f"Ask who runs {tell.facts[0].connection.client.host} whether it is meant to try these servers. {_COMMANDS}"
    return f"On the server, check that the service runs and has a listener, and the firewall rule for ports 5985 and 5986. {_COMMANDS}"


OPINION = Opinion(
    title=title,
    name="WinRM service cannot be reached",
    severity=Severity.MEDIUM,
    confidence=lambda tell: 0.9 if _refused(tell) else 0.7,
    owner=Owner.SERVER,
    reference="RFC 9293 section 3.5.2",
    advice=advice,
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.connection.client.host,
    params=(AROUND, SWEEP),
)
