"""Walks one direction of a connection message by message.

Where the framing was lost (a gap in a head or in a chunk's size, or bytes that begin no message) the next start line is looked for: first where a captured
segment begins, since senders begin messages there, then at any line beginning.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from analyzer.formats.reader import Reader
from analyzer.http.bodies import Read, body, declared_framing, read
from analyzer.http.early import Other
from analyzer.http.heads import Head, Problem, head, request_line, status_line
from analyzer.http.raw import Raw
from analyzer.http.walk import Ordinary
from analyzer.records.http import Framing, Span
from analyzer.settings import Limits

REQUEST_START = re.compile(rb"(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PATCH) [^\r\n]{1,8192} HTTP/1\.[01]\r?\n")
_STATUS_START = re.compile(rb"HTTP/1\.[01] [1-5]\d\d[ \r\n]")
AHEAD = 8400
_WORD = 4
_STARTS = (b"OPTI", b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"TRAC", b"CONN", b"PATC", b"HTTP")
_LINE_START = re.compile(rb"\n(?:OPTI|GET |HEAD|POST|PUT |DELE|TRAC|CONN|PATC|HTTP)")
"""The cheap test before the dear one: a start line may run over several segments."""


def requests(reader: Reader, limits: Limits, problem: Problem, other: Other | None = None) -> Iterator[Raw]:
    """Every request from the reader's position on. ``other``: what the other side sent, which may come before a body is whole."""
    resumed = not reader.stream.begins
    ordinary = _ordinary(reader, limits, other, answers=False)
    while reader.at < reader.stream.size:
        raw = ordinary.message(None)
        if raw is not None:
            raw.resumed, resumed = resumed, False
            yield raw
            continue
        begin = reader.at
        found = head(reader, request_line, limits, problem)
        if found is None:
            if not _resume(reader, REQUEST_START, begin, problem):
                return
            resumed = True
            continue
        framing, declared = declared_framing(found, problem)
        if framing is Framing.LENGTH and declared and _body_withheld(reader, found):
            content = Read(Framing.LENGTH, declared, complete=False)
        else:
            content = read(reader, framing, declared, limits, problem) if found.whole else Read(Framing.NONE, complete=False, lost=True)
            content = content if other is None else _until_answered(reader, found, content, other, _REQUEST, problem)
        lost = content.lost or not found.whole
        yield Raw(found, body(reader, content), reader.at, resumed, cut=not found.whole or not content.complete)
        resumed = lost
        if lost and not _resume(reader, REQUEST_START, begin, problem):
            return


def _ordinary(reader: Reader, limits: Limits, other: Other | None, *, answers: bool) -> Ordinary:
    most = limits.start_line_bytes, limits.head_bytes, limits.headers, limits.chunks
    return Ordinary(reader, status_line if answers else request_line, most, array("q") if other is None else other.acked(), answers=answers)


class _Words(NamedTuple):
    """How a message of one side begins, and what is said of one in the body of another."""

    start: re.Pattern[bytes]
    went_on: str
    message: str


_REQUEST = _Words(REQUEST_START, "the server answered", "request")
_RESPONSE = _Words(_STATUS_START, "the client sent its next request", "response")


def _until_answered(reader: Reader, found: Head, content: Read, other: Other, words: _Words, problem: Problem) -> Read:
    """The body up to where the other side took the next message for one; as it is where nothing shows that it did. The reader moves back there."""
    if not content.spans:
        return content
    begin, end = content.spans[0].at, reader.at
    inside = other.inside(reader, begin, end, words.start, AHEAD)
    if inside is None:
        return content
    sent = "chunks" if content.declared is None else f"Content-Length {content.declared:,}"
    where = f"{sent}, but {words.went_on} after {inside.at - begin:,} bytes at most, and the next segment begins a {words.message} (offset {inside.at})"
    if not inside.proved:
        problem("http.framing-conflict", f"{where}; nothing later shows whether it was one, and it was read as a part of the body", found.at)
        return content
    problem("http.framing-conflict", f"{where}, and again after that; the body ends there", found.at)
    spans = [Span(span.at, min(span.size, inside.at - span.at)) for span in content.spans if span.at < inside.at]
    reader.at = inside.at
    return Read(content.framing, content.declared, spans)


def _body_withheld(reader: Reader, found: Head) -> bool:
    """A client that asked with ``Expect: 100-continue`` and was refused sends no body (RFC 9110 section 10.1.1): the next request stands in its place."""
    expects = any("100-continue" in value.lower() for value in found.values("expect"))
    return expects and REQUEST_START.match(reader.peek(AHEAD)) is not None


def responses(reader: Reader, limits: Limits, problem: Problem, method: Callable[[], str | None], other: Other | None = None) -> Iterator[Raw]:
    """Every response, interim ones too. ``method()`` tells the method of the request that the next final response answers, where known; ``other``: what the
    client sent, which may come before a body is whole."""
    resumed = not reader.stream.begins
    ordinary = _ordinary(reader, limits, other, answers=True)
    while reader.at < reader.stream.size:
        raw = ordinary.message(method())
        if raw is not None:
            raw.resumed, resumed = resumed, False
            yield raw
            continue
        begin = reader.at
        found = head(reader, status_line, limits, problem)
        if found is None:
            if not _resume(reader, _STATUS_START, begin, problem):
                return
            resumed = True
            continue
        framing, declared = _response_framing(found, method(), problem)
        content = read(reader, framing, declared, limits, problem) if found.whole else Read(Framing.NONE, complete=False, lost=True)
        if other is not None and content.framing in (Framing.LENGTH, Framing.CHUNKED):
            content = _until_answered(reader, found, content, other, _RESPONSE, problem)
        lost = content.lost or not found.whole
        yield Raw(found, body(reader, content), reader.at, resumed, cut=not found.whole or not content.complete)
        resumed = lost
        if lost and not _resume(reader, _STATUS_START, begin, problem):
            return


def _response_framing(found: Head, method: str | None, problem: Problem) -> tuple[Framing, int | None]:
    """RFC 9112 section 6.3, rules 1 to 8 for responses."""
    status = int(found.words[1])
    framing, declared = declared_framing(found, problem)
    if method == "HEAD" or status < 200 or status in (204, 304):
        return Framing.NONE, declared
    if method == "CONNECT" and status < 300:
        return Framing.TUNNEL, None
    if framing is Framing.NONE and declared is None:
        return Framing.TO_END, None
    return framing, declared


def _resume(reader: Reader, start: re.Pattern[bytes], begin: int, problem: Problem) -> bool:
    """Moves to the next start line after ``begin``; False when there is none."""
    found = next_start(reader, max(begin + 1, reader.at), start)
    if found is None:
        if reader.next_data(reader.at) is not None:
            problem("http.extra-data", f"{reader.stream.size - reader.at} bytes at offset {reader.at} begin no message", reader.at)
        reader.at = reader.stream.size
        return False
    problem("http.lost-framing", f"{found - begin} bytes from offset {begin} on were passed over", begin)
    reader.at = found
    return True


def next_start(reader: Reader, at: int, start: re.Pattern[bytes]) -> int | None:
    """The offset of the next start line at or after ``at``: at the beginning of a captured segment, or at the beginning of a line."""
    extents = reader.stream.extents
    inside = reader.moved(at)
    for index in range(max(bisect_right(extents.stream_at, at) - 1, 0), len(extents.stream_at)):
        begin, size = extents.stream_at[index], extents.size[index]
        if begin + size <= at:
            continue
        inside.at = max(begin, at)
        if inside.peek(_WORD) in _STARTS and start.match(inside.peek(AHEAD)):
            return inside.at
        here = inside.at
        for match in _LINE_START.finditer(inside.peek(begin + size - here + _WORD)):
            inside.at = here + match.end() - _WORD
            if start.match(inside.peek(AHEAD)):
                return inside.at
    return None
