"""Pairs the requests of a connection with its responses.

HTTP/1 answers in order, so without losses it is first to first. Around losses TCP tells more than order does: each segment of the server says how many of
the client's bytes it had received (`Extents.acked`). A response cannot answer a request that its sender had not begun to receive; and the first response
after a hole answers the last request that its sender had received whole. What stays alone becomes an exchange with one side absent.

A CONNECT that is answered 2xx ends HTTP on the connection; what follows in both directions is the tunnel (`Parsed.tunnel`).
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, TypeAlias

from analyzer.formats.reader import Fetch, Reader
from analyzer.http.early import FINAL, Other
from analyzer.http.messages import AHEAD, REQUEST_START, requests, responses
from analyzer.http.raw import Raw
from analyzer.records.http import Exchange, Interim, Request, Response
from analyzer.records.ids import exchange_id, key_capture, key_number, request_id, response_id
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.transport import Connection
from analyzer.settings import Limits, Spent, never

_TUNNEL_START = 16
_BEGINNING = 16
"""Bytes of a status line that tell a final answer."""
_OFTEN = 64
"""Messages after which the clock is looked at."""
AT_LEAST = 64
"""Exchanges of a connection that are read in any case."""
_TO_PROXY = re.compile(rb"[A-Z]+ [a-z]+:")
"""A target in absolute form (RFC 9112 section 3.2.2): what is sent to a proxy without a tunnel."""
_DOUBLE = re.compile("%25[0-9A-Fa-f]{2}")
_UNFINISHED = re.compile("%[0-9A-Fa-f]?$")
_NO_HEX = re.compile("%(?![0-9A-Fa-f]{2})")
_METHODS = (b"OPTIONS", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"PATCH")


class Tunnel(NamedTuple):
    """Where a CONNECT tunnel's bytes begin in the two streams, the CONNECT target, and the protocol inside: http, tls or other."""

    client_at: int
    server_at: int
    target: str
    protocol: str


class Parsed(NamedTuple):
    """The exchanges of a connection in order, the tunnel they end in (or None), and the issues."""

    exchanges: tuple[Exchange, ...]
    tunnel: Tunnel | None
    issues: tuple[Issue, ...]


Readers: TypeAlias = tuple[Reader, Reader]
"""What reads both directions of a connection, the client's first."""


def readers_of(made: Connection, fetch: Fetch, known: Readers | None = None) -> Readers:
    """Those that are ``known`` where they read these streams, else new ones."""
    if known is not None and known[0].stream is made.to_server and known[1].stream is made.to_client:
        return known
    return Reader(made.to_server, fetch), Reader(made.to_client, fetch)


class _Walk:
    """Both directions of one connection while they are read."""

    def __init__(self, connection: Connection, limits: Limits, readers: Readers) -> None:
        self.connection = connection
        self.limits = limits
        self.near, self.far = readers
        self.issues: list[Issue] = []
        self.requests: list[Raw] = []
        self.responses: list[Raw] = []
        self.interims: dict[int, list[Raw]] = {}
        self.tunnel: Tunnel | None = None
        asked = Other(self.near, REQUEST_START, AHEAD)
        self.answers: Iterator[Raw] = responses(self.far, limits, self.response_problem, self.method, asked)
        self.hole_before_interim = False
        self.stopped = False
        """Not all of it was read, so what stands alone at the end says nothing."""

    def request_problem(self, code: str, detail: str, at: int) -> None:
        self._note(self.near, code, f"client, offset {at}: {detail}", at)

    def response_problem(self, code: str, detail: str, at: int) -> None:
        self._note(self.far, code, f"server, offset {at}: {detail}", at)

    def _note(self, reader: Reader, code: str, detail: str, at: int) -> None:
        key = reader.near_packet(at)
        capture = self.connection.capture if key is None else key_capture(key)
        self.issues.append(Issue(code, detail, self.connection.id, capture, None if key is None else key_number(key)))

    def method(self) -> str | None:
        """The method of the request that the next final response answers, by order."""
        index = len(self.responses)
        return self.requests[index].head.words[0] if index < len(self.requests) else None


def parse(connection: Connection, fetch: Fetch, limits: Limits, over: Spent = never, readers: Readers | None = None) -> Parsed:
    """Reads both streams of a connection as HTTP/1, until the time is ``over``: of the requests that were read the answers are, too. ``readers``: at the
    beginning of both, for whoever has looked there already."""
    walk = _Walk(connection, limits, readers or (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch)))
    most = most_exchanges(connection, limits)
    for raw in requests(walk.near, limits, walk.request_problem, Other(walk.far, FINAL, _BEGINNING)):
        if len(walk.requests) >= most:
            walk.request_problem("http.limit", _smaller(limits, most), raw.head.at)
            walk.stopped = True
            break
        if len(walk.requests) % _OFTEN == _OFTEN - 1 and over():
            walk.request_problem("http.limit", _late(limits), raw.head.at)
            walk.stopped, most = True, len(walk.requests)
            break
        walk.requests.append(raw)
        if raw.head.words[0] == "CONNECT" and _tunnelled(walk, raw):
            break
    if walk.tunnel is None:
        for raw in walk.answers:
            if len(walk.responses) >= most:
                if not walk.stopped:
                    walk.response_problem("http.limit", _smaller(limits, most), raw.head.at)
                walk.stopped = True
                break
            if not walk.stopped and len(walk.responses) % _OFTEN == _OFTEN - 1 and over():
                walk.response_problem("http.limit", _late(limits), raw.head.at)
                walk.stopped = True
                break
            _take(walk, raw)
    exchanges = tuple(_exchanges(walk))
    return Parsed(exchanges, walk.tunnel, tuple(walk.issues))


def most_exchanges(connection: Connection, limits: Limits) -> int:
    """How many exchanges of a connection are read: a few however small they are, and so many as its bytes are for."""
    return AT_LEAST + (sum(connection.to_server.extents.size) + sum(connection.to_client.extents.size)) // max(limits.exchange_bytes, 1)


def _late(limits: Limits) -> str:
    return f"seconds={limits.seconds:g}: what follows was not read"


def _smaller(limits: Limits, most: int) -> str:
    told = f"exchange_bytes={limits.exchange_bytes}: messages are smaller than that on average"
    return f"{told}; what follows the first {most} was not read (exchanges={limits.exchanges})"


def _take(walk: _Walk, raw: Raw) -> bool:
    """Keeps a response; True for a final one."""
    status = raw.head.words[1]  # three digits
    if status[0] == "1" and status != "101":
        walk.interims.setdefault(len(walk.responses), []).append(raw)
        walk.hole_before_interim |= raw.resumed
        return False
    raw.resumed |= walk.hole_before_interim
    walk.hole_before_interim = False
    walk.responses.append(raw)
    return True


def _tunnelled(walk: _Walk, connect: Raw) -> bool:
    """Reads responses up to the one that answers ``connect``; True when it opens a tunnel.

    A client that goes on with anything but a request to the proxy was answered 2xx, also where that answer was lost.
    """
    index = len(walk.requests) - 1
    answered_at = walk.responses[-1].end_at if walk.responses else 0
    for raw in walk.answers:
        acked = walk.far.acked(raw.head.at)
        if raw.resumed and raw.head.at and acked > connect.end_at:  # the answer was lost, this is one to what came after it
            walk.answers = chain((raw,), walk.answers)
            return _went_on(walk, connect) and _open(walk, connect, answered_at)
        if not _take(walk, raw):
            continue
        answered_at = raw.end_at
        if acked >= connect.end_at or (acked < 0 and len(walk.responses) > index):
            return 200 <= int(raw.head.words[1]) < 300 and _open(walk, connect, raw.head.end_at)
    return _went_on(walk, connect) and _open(walk, connect, answered_at)


def _went_on(walk: _Walk, connect: Raw) -> bool:
    """True when something follows ``connect`` that is meant for whoever is behind the proxy."""
    follows = walk.near.moved(connect.end_at).peek(_TUNNEL_START).lstrip(b"\r\n")
    return bool(follows) and not follows.startswith(b"CONNECT ") and _TO_PROXY.match(follows) is None


def _open(walk: _Walk, connect: Raw, server_at: int) -> bool:
    walk.tunnel = Tunnel(connect.end_at, server_at, connect.head.words[1], _protocol(walk, connect.end_at, server_at))
    return True


def _protocol(walk: _Walk, client_at: int, server_at: int) -> str:
    """What a tunnel carries, told from the first bytes on either side. Empty lines that end the CONNECT's head once more are passed over."""
    starts = []
    for reader, at in ((walk.near, client_at), (walk.far, server_at)):
        place = reader.next_data(at)
        starts.append(b"" if place is None else reader.moved(place).peek(_TUNNEL_START).lstrip(b"\r\n"))
    if any(start[:2] in (b"\x16\x03", b"\x17\x03") for start in starts):
        return "tls"
    if starts[1][:5] == b"HTTP/" or starts[0].split(b" ")[0] in _METHODS:
        return "http"
    return "other"


class _Pair(NamedTuple):
    request: Raw | None
    response: Raw | None
    interims_at: int
    """The response's index, for its interim responses; -1 without a response."""


def _pairs(walk: _Walk) -> list[_Pair]:
    pairs: list[_Pair] = []
    position, made = 0, tuple.__new__
    for index, response in enumerate(walk.responses):
        at = response.head.at
        acked = walk.far.acked(at)
        if response.resumed and at:
            begin = walk.interims[index][0] if index in walk.interims else response
            position = _after_hole(walk, position, acked, begin.head.at, pairs)
        known = position < len(walk.requests) and not (0 <= acked <= walk.requests[position].head.at and walk.connection.to_server.size)
        if known:
            pairs.append(made(_Pair, (walk.requests[position], response, index)))
            position += 1
        else:
            pairs.append(_Pair(None, response, index))
    if position < len(walk.requests):
        pairs.extend(_Pair(request, None, -1) for request in walk.requests[position:])
    while walk.stopped and pairs and (pairs[-1].request is None or pairs[-1].response is None):
        pairs.pop()
    return pairs


def _after_hole(walk: _Walk, position: int, acked: int, begin: int, pairs: list[_Pair]) -> int:
    """The request that the first response after a hole answers: the last one received whole. Those before it lost their responses in the hole.

    When its sender had received bytes behind that request which are not in the capture, it answers a request that was lost with them; unless that request
    itself is cut, since then they may be its own. When the client had not received all that was sent before the response (``begin``) when it made its last
    request, it had several under way, and nothing tells which of them this one answers.
    """
    if acked < 0 or position >= len(walk.requests):
        return position
    last = position
    while last + 1 < len(walk.requests) and walk.requests[last + 1].end_at <= acked:
        last += 1
    lost_behind = not walk.requests[last].cut and walk.near.missing(walk.requests[last].end_at, acked)
    if lost_behind or (last > position and 0 <= walk.near.acked(walk.requests[last].head.at) < begin):
        last += 1
    pairs.extend(_Pair(request, None, -1) for request in walk.requests[position:last])
    return last


def _exchanges(walk: _Walk) -> Iterator[Exchange]:
    connection = walk.connection
    pairs = _pairs(walk)
    walk.requests.clear()  # of each message there is a record from now on, and what it is made of goes as it comes
    walk.responses.clear()
    pairs.reverse()
    for position in range(1, len(pairs) + 1):
        pair = asked, answered, interims_at = pairs.pop()
        identity = exchange_id(connection.id, position)
        request = _NO_REQUEST if asked is None else _request(walk, asked, identity)
        response = _NO_RESPONSE if answered is None else _response(walk, answered, identity)
        whole = asked is not None and answered is not None and not (asked.cut or asked.body.missing or answered.cut or answered.body.missing)
        quality = () if whole else _quality(walk, pair, identity, request, response)
        interims = tuple(_interims(walk, interims_at)) if walk.interims else ()
        keys = () if isinstance(request, Absent) else request.packets
        keys = keys or (() if isinstance(response, Absent) else response.packets)
        capture = key_capture(keys[0]) if keys else connection.capture
        yield Exchange(identity, connection.id, capture, position, request, response, interims, quality)


_NO_REQUEST = Absent(Why.NOT_CAPTURED, "the request is not in the capture")
_NO_RESPONSE = Absent(Why.NOT_CAPTURED, "no response was captured")


def _quality(walk: _Walk, pair: _Pair, identity: str, request: Known[Request], response: Known[Response]) -> tuple[str, ...]:
    words = []
    for side, raw, record in (("request", pair.request, request), ("response", pair.response, response)):
        if raw is None or isinstance(record, Absent):
            words.append(f"{side}_missing")
            continue
        if raw.cut or record.body.missing:
            words.append(f"{side}_cut")
            if raw.head.whole:
                key = record.packets[0] if record.packets else None
                walk.issues.append(_issue(walk, *_cut(raw, side, walk.near if side == "request" else walk.far), identity, key))
    if "request_missing" in words and not isinstance(response, Absent):
        walk.issues.append(_issue(walk, "http.orphan-response", f"status {response.status}", identity, response.packets[0] if response.packets else None))
    if "response_missing" in words and not isinstance(request, Absent):
        walk.issues.append(_issue(walk, "http.no-response", request.method, identity, request.packets[0] if request.packets else None))
    return tuple(words)


def _cut(raw: Raw, side: str, reader: Reader) -> tuple[str, str]:
    """The issue of a message that is not whole: its sender stopped (no byte behind it was seen or acknowledged), or the capture lacks bytes."""
    wanted = "an unknown length" if raw.body.declared is None else f"{raw.body.declared:,}"
    if raw.body.missing or raw.end_at < reader.stream.size:
        return "http.body-cut", f"{side}: {raw.body.size:,} bytes of {wanted}, {raw.body.missing:,} of them missing"
    return "http.body-unsent", f"{side}: {raw.body.size:,} bytes of {wanted} were sent"


def _issue(walk: _Walk, code: str, detail: str, identity: str, key: int | None) -> Issue:
    capture = walk.connection.capture if key is None else key_capture(key)
    return Issue(code, detail, identity, capture, None if key is None else key_number(key))


def _request(walk: _Walk, raw: Raw, identity: str) -> Request:
    head = raw.head
    first, last, packets = walk.near.place(head.at, raw.end_at) or _nowhere(walk)
    method, target, version = head.words
    for name in odd_target(target) if "%" in target else ():
        walk.issues.append(_issue(walk, "http.weird", name, identity, packets[0] if packets else None))
    return Request(request_id(identity), method, target, version, head.headers, raw.body, head.at, raw.end_at, first, last, packets)


def odd_target(target: str) -> Iterator[str]:
    """Names of Zeek's weird.log for percent-encoding (RFC 3986 section 2.1) that a server and a reader may undo differently."""
    if _DOUBLE.search(target):
        yield "double_%_in_URI"
    if _UNFINISHED.search(target):
        yield "illegal_%_at_end_of_URI"
    elif _NO_HEX.search(target):
        yield "unescaped_%_in_URI"


def _response(walk: _Walk, raw: Raw, identity: str) -> Response:
    head = raw.head
    first, last, packets = walk.far.place(head.at, raw.end_at) or _nowhere(walk)
    version, status, reason = head.words
    return Response(response_id(identity), int(status), reason, version, head.headers, raw.body, head.at, raw.end_at, first, last, packets)


def _nowhere(walk: _Walk) -> tuple[int, int, tuple[int, ...]]:
    """When and where a message was seen of which no byte was."""
    return walk.connection.first_ns, walk.connection.first_ns, ()


def _interims(walk: _Walk, index: int) -> Iterator[Interim]:
    for raw in walk.interims.get(index, ()) if index >= 0 else ():
        first, _, packets = walk.far.place(raw.head.at, raw.end_at) or _nowhere(walk)
        yield Interim(int(raw.head.words[1]), first, packets[0] if packets else 0)
