"""Which packets make an evidence slice, and what their comments say: finding, role, and where the packet was in the original capture.

The comments are made of a masked result; the packets are the original ones and hold whatever they held. Key logs that a pcapng file carries are left out,
as those are that were given; only the lines that are asked for go in, and only those of the connections that are written.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from analyzer.errors import UsageError
from analyzer.exports.pcapng import Frame, Interface
from analyzer.formats.text import visible
from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.ids import key_capture, key_number
from analyzer.records.result import Result
from analyzer.records.secrets import TlsSecret
from analyzer.records.transport import Connection, End
from analyzer.reports.tokens import token_names
from analyzer.tables.findings import FindingRow, finding_rows
from analyzer.tables.headers import request_of, response_of
from analyzer.tables.packets import number_set, numbers_by_capture

_COMMENT_CHARS = 1000
_HANDSHAKE = 3
"""Packets."""
Item = TypeVar("Item")
PREFIX = "WSM"
"""What every comment of ours begins with: ``frame.comment contains "WSM"``."""


class Slice(NamedTuple):
    """What to write: packet keys with their comments, and a sentence for the file."""

    comments: dict[int, tuple[str, ...]]
    about: str


class Original(NamedTuple):
    """A packet as it was read again: its key, time, link type, bytes and size on the wire."""

    key: int
    ts_ns: int
    link_type: int
    data: bytes
    wire_size: int


def sliced(result: Result, findings: Sequence[str] = (), connections: Sequence[str] = ()) -> Slice:
    """The packets of these findings and connections, or of all WinRM connections when none is named.

    Of a finding: the packets that it names, the exchanges that it rests on, and the beginning and end of its connections. Of a connection: all of it,
    with the other connections of its routes. `UsageError`: no such finding or connection.
    """
    evidence = result.evidence
    rows = {row.id: row for row in finding_rows(result)}
    chosen = [_known(name, rows, "finding") for name in findings]
    named = {_known(name, evidence.connections, "connection").id for name in connections}
    if not findings and not connections:
        named = set(evidence.winrm)
    named = {other for name in named for other in (name, *_beside(evidence, name))}
    whole = [evidence.connections[name] for name in sorted(named) if name in evidence.connections]
    keys = {key for connection in whole for key in connection.packets}
    for row in chosen:
        keys |= set(_of_finding(evidence, row))
    told = _finding_comments([*chosen, *(row for row in rows.values() if row not in chosen and named & set(row.finding.connections))])
    touched = [*named, *(name for row in chosen for name in row.finding.connections)]
    roles = _roles(evidence, dict.fromkeys(touched))
    comments = {key: _comments(key, evidence.captures, [*told[key], *roles[key]]) for key in sorted(keys)}
    what = [*(f"{row.id} {row.finding.rule}" for row in chosen), *connections] or ["all WinRM connections"]
    sets = ", ".join(f"{evidence.captures[one].name}: packets {number_set(numbers)}" for one, numbers in numbers_by_capture(keys).items())
    hashes = ", ".join(f"{one.name} SHA-256 {one.sha256}" for one in evidence.captures if one.sha256)
    return Slice(comments, visible(f"Slice of {', '.join(what)}. Original packets of {sets}. {hashes}".strip(), limit=30_000))


def key_lines(chosen: Slice, connections: Iterable[Connection], secrets: Iterable[TlsSecret]) -> tuple[str, ...]:
    """The lines of key logs whose client random one of the TLS connections in the slice has, each once."""
    inside = {one.tls.client_random for one in connections if one.tls is not None and any(key in chosen.comments for key in one.packets)}
    return tuple(dict.fromkeys(f"{one.label} {one.client_random.hex()} {bytes(one.value).hex()}" for one in secrets if one.client_random in inside))


def items(found: Sequence[Iterable[Original]], chosen: Slice, captures: Sequence[Capture]) -> Iterator[Interface | Frame]:
    """The packets of the file, each interface before its first one. ``found``: of each capture the packets in the order of the file, which stays.

    Several captures are merged by time; each one's times are its own clock's.
    """
    places: dict[tuple[int, int], int] = {}
    for one in heapq.merge(*found, key=lambda one: one.ts_ns):
        capture = captures[key_capture(one.key)]
        where = (capture.ordinal, one.link_type)
        if where not in places:
            places[where] = len(places)
            yield Interface(visible(capture.name), one.link_type, capture.snaplen or 0)
        yield Frame(places[where], one.ts_ns, one.data, one.wire_size, chosen.comments[one.key])


def _known(name: str, among: Mapping[str, Item], what: str) -> Item:
    if name not in among:
        msg = f"there is no {what} {name!r}; the table {what}s lists them"
        raise UsageError(msg)
    return among[name]


def _beside(evidence: Evidence, name: str) -> Iterator[str]:
    """The other connections of the routes that a connection belongs to, and the one whose tunnel carries it."""
    for route in evidence.routes:
        if name == route.client_connection or name in route.upstream_connections:
            yield from (route.client_connection, *route.upstream_connections)
    outer = evidence.connections[name].tunnel_of if name in evidence.connections else None
    if outer is not None:
        yield outer


def _of_finding(evidence: Evidence, row: FindingRow) -> Iterator[int]:
    yield from row.finding.packets
    for name in row.finding.exchanges:
        exchange = evidence.exchanges.get(name)
        for half in (request_of(exchange.request), response_of(exchange.response)) if exchange else ():
            yield from half.packets if half else ()
    for name in row.finding.connections:
        connection = evidence.connections.get(name)
        if connection is not None:
            yield from _edges(connection)


def _edges(connection: Connection) -> Iterator[int]:
    """The handshake, as far as it is there, and every FIN and RST."""
    if connection.syn is not None:
        first = list(connection.packets).index(connection.syn) if connection.syn in connection.packets else None
        yield from connection.packets[first : first + _HANDSHAKE] if first is not None else (connection.syn,)
    yield from (closing.packet for closing in connection.closings)


def _finding_comments(rows: Iterable[FindingRow]) -> dict[int, list[str]]:
    made: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        found = row.finding
        for place, key in enumerate(found.packets, start=1):
            told = f"{PREFIX} {row.id} {found.rule} ({found.severity.value}): {found.title}; packet {place} of the {len(found.packets)} to look at"
            made[key].append(told)
    return made


def _roles(evidence: Evidence, connections: Iterable[str]) -> dict[int, list[str]]:
    """What each packet is: which request or response with what token, a SYN, a FIN, a RST."""
    made: dict[int, list[str]] = defaultdict(list)
    for name in connections:
        connection = evidence.connections.get(name)
        if connection is None:
            continue
        tokens = token_names(evidence.conversations_of.get(name, ()))
        if connection.syn is not None:
            made[connection.syn].append(f"{PREFIX} {name}: SYN of the client")
        for exchange in evidence.exchanges_of.get(name, ()):
            request, response = request_of(exchange.request), response_of(exchange.response)
            if request:
                told = ", ".join((f"{PREFIX} {exchange.id} request {request.method} {request.target}", *tokens.get(request.id, ())))
                for key in request.packets:
                    made[key].append(told)
            if response:
                told = ", ".join((f"{PREFIX} {exchange.id} response {response.status} {response.reason}".rstrip(), *tokens.get(response.id, ())))
                for key in response.packets:
                    made[key].append(told)
        for closing in connection.closings:
            word = "RST" if closing.kind is End.RESET else "FIN"
            made[closing.packet].append(f"{PREFIX} {name}: {word} sent by the {closing.side.value}")
    return made


def _comments(key: int, captures: Sequence[Capture], told: Sequence[str]) -> tuple[str, ...]:
    """What the capture itself says of the packet comes first; the last one is where it was."""
    capture = captures[key_capture(key)]
    own = [text for number, text in capture.comments if number == key_number(key)]
    origin = f"{PREFIX} packet {key_number(key)} of {capture.name}"
    return tuple(visible(text, limit=_COMMENT_CHARS) for text in (*own, *dict.fromkeys(told), origin))
