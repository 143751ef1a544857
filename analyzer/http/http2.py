"""Reads a connection that speaks HTTP/2 (RFC 9113): inside of TLS that was decrypted, after an upgrade of clear text (h2c), or from its beginning.

Windows does not authenticate with NTLM and Negotiate over HTTP/2, so encrypted messages of WinRM are not looked for in it.
What is read is who asked for what, with which fields and bodies, how it was answered, and the error with which a server sends a
client back to HTTP/1.1. A stream is an exchange, in the order of their requests.

The fields are compressed against what came before (HPACK), so a hole ends the reading of that direction: what follows cannot be decompressed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.errors import SpentError
from analyzer.formats.reader import Fetch, Reader
from analyzer.http import bodies
from analyzer.http.exchanges import Parsed
from analyzer.http.http2_adapter import HEAD, Fields, Frame, frame, size_of
from analyzer.records.http import Body, Exchange, Framing, Header, Interim, Request, Response, Span
from analyzer.records.ids import exchange_id, key_capture, key_number, request_id, response_id
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.transport import Connection, Stream
from analyzer.settings import Limits, Spent, never

_ONE = b"HTTP/1."
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LARGEST = (1 << 24) - 1
_VERSION = "HTTP/2"


class Start(NamedTuple):
    """Where HTTP/2 begins in the two streams, and the exchange that asked for it (its stream is number 1), if one did."""

    client_at: int = 0
    server_at: int = 0
    upgraded: Exchange | None = None


class _Half(Struct):
    """One side's message on a stream while it is read: [at, end_at) in the direction's bytes."""

    at: int
    end_at: int
    fields: list[Header]
    spans: list[Span] = field(default_factory=list)
    ended: bool = False
    interims: list[tuple[int, int]] = field(default_factory=list)
    """(status, offset) of interim responses."""


class _Way(Struct):
    """One direction: its messages by stream, and the errors that it reports by stream (0: of the connection)."""

    reader: Reader
    halves: dict[int, _Half] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    problems: list[tuple[str, str, int]] = field(default_factory=list)


_OFTEN = 256
"""Frames after which the clock is looked at."""


def speaks_http2(connection: Connection, fetch: Fetch, readers: tuple[Reader, Reader] | None = None) -> bool:
    """The client begins with HTTP/2's preface (RFC 9113 section 3.4), and the server does not answer in HTTP/1. ``readers``: at the beginning of both
    directions."""
    near, far = readers or (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch))
    return near.peek(len(PREFACE)) == PREFACE and far.peek(len(_ONE)) != _ONE


def upgraded(parsed: Parsed) -> Start | None:
    """Where HTTP/2 goes on behind an exchange of HTTP/1.1 that asked for it (RFC 7540 section 3.2); None where none did."""
    for exchange in parsed.exchanges:
        answer = exchange.response
        if isinstance(answer, Absent) or answer.status != 101 or isinstance(exchange.request, Absent):
            continue
        if any(header.name.lower() == "upgrade" and header.value.strip().lower() == "h2c" for header in answer.headers):
            return Start(exchange.request.end_at, answer.at + _head_size(answer), exchange)
    return None


def _head_size(answer: Response) -> int:
    return (answer.body.spans[0].at if answer.body.spans else answer.end_at) - answer.at


def parse(connection: Connection, fetch: Fetch, limits: Limits, start: Start, before: int = 0, over: Spent = never) -> Parsed:
    """The exchanges of HTTP/2 in both streams, from `start` on, behind so many of HTTP/1.1. ``upgraded`` is the first one, with its answer. `SpentError`: the
    time is ``over`` before all of it was read."""
    ways = (_read(connection.to_server, fetch, start.client_at, limits, over), _read(connection.to_client, fetch, start.server_at, limits, over))
    issues = [_issue(connection, way.reader, *problem) for way in ways for problem in way.problems]
    numbers = list(ways[0].halves)
    numbers += [number for number in ways[1].halves if number not in ways[0].halves and number % 2]
    if start.upgraded is not None:
        numbers = [1, *(number for number in numbers if number != 1)]
    made = tuple(_exchange(connection, ways, number, position, start) for position, number in enumerate(numbers, before + 1))
    return Parsed(made, None, tuple(issues))


def _issue(connection: Connection, reader: Reader, code: str, detail: str, at: int) -> Issue:
    key = reader.near_packet(at)
    capture = connection.capture if key is None else key_capture(key)
    return Issue(code, detail, connection.id, capture, None if key is None else key_number(key))


def _read(stream: Stream, fetch: Fetch, at: int, limits: Limits, over: Spent) -> _Way:
    way = _Way(Reader(stream, fetch))
    fields = Fields()
    block: list[bytes] = []
    begun = 0
    opened: Frame | None = None
    for number, (place, end, found) in enumerate(_frames(way, at)):
        if number % _OFTEN == _OFTEN - 1 and over():
            raise SpentError
        if number >= limits.http2_frames:
            way.problems.append(("http.limit", f"http2_frames={limits.http2_frames}", place))
            break
        if found.kind in ("HEADERS", "PUSHPROMISE", "CONTINUATION"):
            if found.kind != "CONTINUATION":
                block, begun, opened = [], place, found
            block.append(found.body)
            if "END_HEADERS" in found.flags:
                section = fields.section(b"".join(block))
                if section is None:
                    way.problems.append(("http.lost-framing", "HTTP/2: a field section cannot be decompressed; the rest of this direction is not read", place))
                    break
                if opened is not None and opened.kind == "HEADERS":
                    _take(way, opened, section, begun, end)
                opened = None
        elif found.kind == "DATA" and found.stream in way.halves:
            half = way.halves[found.stream]
            if found.body:
                half.spans.append(Span(place + HEAD + found.body_at, len(found.body)))
            half.end_at, half.ended = end, half.ended or "END_STREAM" in found.flags
        elif found.error is not None:
            way.errors.setdefault(found.stream, found.error)
    return way


def _frames(way: _Way, at: int) -> Iterator[tuple[int, int, Frame]]:
    """(begin, end, frame) in order, up to the first hole or to what is no frame."""
    reader = way.reader
    reader.at = at
    if reader.peek(len(PREFACE)) == PREFACE:
        reader.at += len(PREFACE)
    while reader.at < reader.stream.size:
        place = reader.at
        size = size_of(reader.peek(HEAD))
        end = place + HEAD + (size or 0)
        whole = b"" if size is None or size > _LARGEST else reader.peek(HEAD + size)
        found = frame(whole[:HEAD], whole[HEAD:]) if size is not None and len(whole) == HEAD + size else None
        if found is None:
            cut = end > reader.stream.size and not reader.missing(place, reader.stream.size)
            detail = "HTTP/2: a frame is not whole" if cut else "HTTP/2: bytes of a frame are missing, or it is none; the rest of this direction is not read"
            way.problems.append(("http.lost-framing", detail, place))
            return
        yield place, end, found
        reader.at = end


def _take(way: _Way, opened: Frame, section: list[tuple[str, str]], at: int, end: int) -> None:
    """A field section: a message's head, an interim response, or a trailer."""
    known = way.halves.get(opened.stream)
    made = [Header(name, value, at - known.at if known else 0) for name, value in section]
    status = next((header.value for header in made if header.name == ":status"), "")
    if known is None or (known.interims and not known.fields):
        half = known or _Half(at, end, [])
        if status.startswith("1") and len(status) == 3:
            half.interims.append((int(status), at))
        else:
            half.fields = made
        half.end_at, half.ended = end, "END_STREAM" in opened.flags
        way.halves[opened.stream] = half
    else:
        known.end_at, known.ended = end, known.ended or "END_STREAM" in opened.flags


def _exchange(connection: Connection, ways: tuple[_Way, _Way], number: int, position: int, start: Start) -> Exchange:
    identity = exchange_id(connection.id, position)
    asked, answered = (way.halves.get(number) for way in ways)
    request: Known[Request] = Absent(Why.NOT_CAPTURED, "the request is not in the capture")
    if number == 1 and start.upgraded is not None:
        request = start.upgraded.request if isinstance(start.upgraded.request, Absent) else replace(start.upgraded.request, id=request_id(identity))
    elif asked is not None and asked.fields:
        request = _request(connection, ways[0].reader, asked, identity)
    error = ways[1].errors.get(number) or ways[0].errors.get(number)
    response: Known[Response] = Absent(Why.NOT_CAPTURED, f"the stream was reset: {error}" if error else "no response was captured")
    if answered is not None and answered.fields:
        response = _response(connection, ways[1].reader, answered, identity)
    quality = [f"{side}_missing" for side, half in (("request", request), ("response", response)) if isinstance(half, Absent)]
    quality += [f"{side}_cut" for side, half in (("request", request), ("response", response)) if not isinstance(half, Absent) and not half.body.complete]
    interims = () if answered is None else tuple(_interim(ways[1].reader, connection, one) for one in answered.interims)
    first = next((half.packets[0] for half in (request, response) if not isinstance(half, Absent) and half.packets), None)
    capture = connection.capture if first is None else key_capture(first)
    return Exchange(identity, connection.id, capture, position, request, response, interims, tuple(quality), error)


def _interim(reader: Reader, connection: Connection, found: tuple[int, int]) -> Interim:
    times, packets = reader.times(found[1], found[1] + HEAD), reader.packets(found[1], found[1] + HEAD)
    return Interim(found[0], times[0] if times else connection.first_ns, packets[0] if packets else 0)


def _request(connection: Connection, reader: Reader, half: _Half, identity: str) -> Request:
    pseudo = {header.name: header.value for header in half.fields if header.name.startswith(":")}
    first, last, packets = _place(connection, reader, half)
    method, target = pseudo.get(":method", ""), pseudo.get(":path") or pseudo.get(":authority", "")
    return Request(request_id(identity), method, target, _VERSION, _fields(half, pseudo), _body(reader, half), half.at, half.end_at, first, last, packets)


def _response(connection: Connection, reader: Reader, half: _Half, identity: str) -> Response:
    first, last, packets = _place(connection, reader, half)
    told = next((header.value for header in half.fields if header.name == ":status"), "")
    status = int(told) if told.isascii() and told.isdigit() and len(told) == 3 else 0
    return Response(response_id(identity), status, "", _VERSION, _fields(half, {}), _body(reader, half), half.at, half.end_at, first, last, packets)


def _fields(half: _Half, pseudo: dict[str, str]) -> tuple[Header, ...]:
    """The field lines; the authority is HTTP/1.1's Host (RFC 9113 section 8.3.1)."""
    host = [Header("host", pseudo[":authority"], 0)] if ":authority" in pseudo and not any(one.name == "host" for one in half.fields) else []
    return (*host, *(header for header in half.fields if not header.name.startswith(":")))


def _body(reader: Reader, half: _Half) -> Body:
    length = next((header.value for header in half.fields if header.name == "content-length"), "")
    declared = int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else None
    framing = Framing.LENGTH if declared is not None else Framing.TO_END if half.spans else Framing.NONE
    return bodies.body(reader, bodies.Read(framing, declared, half.spans, complete=half.ended))


def _place(connection: Connection, reader: Reader, half: _Half) -> tuple[int, int, tuple[int, ...]]:
    return reader.place(half.at, half.end_at) or (connection.first_ns, connection.first_ns, ())
