"""Where a message's body ends (RFC 9112 section 6.3), as spans of the stream; holes inside are counted, never guessed over.

A hole inside a body of known length (Content-Length, or a chunk's size) does no harm to what follows. A hole that swallows a chunk's size line loses the
framing: the body ends there as incomplete and the caller looks for the next message.
"""

import hashlib
import re

from msgspec import Struct, field

from analyzer.formats.reader import Hole, Reader, Short, TooLong
from analyzer.http.heads import Head, Problem
from analyzer.records.http import Body, Framing, Span
from analyzer.records.quality import Absent, Known, Why
from analyzer.settings import Limits

_STARTS = 64
_AT_ONCE = 1 << 20
_CHUNK_LINE = 4096
_HEX = re.compile(rb"\s*([0-9A-Fa-f]{1,16})\s*(?:;.*)?$", re.DOTALL)
_DIGITS = re.compile(r"\d{1,18}$")


class Read(Struct):
    """A body as found; ``lost`` when the place of the next message is not known."""

    framing: Framing
    declared: int | None = None
    spans: list[Span] = field(default_factory=list)
    complete: bool = True
    lost: bool = False


def declared_framing(head: Head, problem: Problem) -> tuple[Framing, int | None]:
    """The framing that the field lines declare: Transfer-Encoding wins over Content-Length; contradictions are issues (RFC 9112 section 6.3)."""
    codings = ",".join(head.values("transfer-encoding")).lower()
    lengths = {part.strip() for value in head.values("content-length") for part in value.split(",")}
    if codings and codings.rpartition(",")[2].strip() == "chunked":
        if lengths:
            problem("http.framing-conflict", "Content-Length next to Transfer-Encoding: chunked", head.at)
        return Framing.CHUNKED, None
    if not lengths:
        return Framing.NONE, None
    if len(lengths) > 1:
        problem("http.framing-conflict", f"{len(lengths)} different Content-Lengths", head.at)
    value = max(lengths, key=lambda one: (len(one.lstrip("0")), one.lstrip("0")))  # all of the body is shown; requests that it would hide are read, too
    if not all(map(_DIGITS.match, lengths)):
        problem("http.framing-conflict", "a Content-Length that is no number", head.at)
        return Framing.NONE, None
    return Framing.LENGTH, int(value)


def read(reader: Reader, framing: Framing, declared: int | None, limits: Limits, problem: Problem) -> Read:
    """The body at the reader's position, moving past it."""
    if framing is Framing.LENGTH and declared is not None:
        return _length(reader, declared)
    if framing is Framing.CHUNKED:
        return _chunked(reader, limits, problem)
    if framing is Framing.TO_END:
        start, reader.at = reader.at, reader.stream.size
        return Read(framing, None, [Span(start, reader.at - start)] if reader.at > start else [])
    return Read(framing, declared)


def _length(reader: Reader, declared: int) -> Read:
    start = reader.at
    end = min(start + declared, reader.stream.size)
    reader.at = end
    spans = [Span(start, end - start)] if end > start else []
    return Read(Framing.LENGTH, declared, spans, complete=end == start + declared)


def _chunked(reader: Reader, limits: Limits, problem: Problem) -> Read:
    body = Read(Framing.CHUNKED)
    for _ in range(limits.chunks):
        at = reader.at
        try:
            match = _HEX.match(reader.until(b"\n", _CHUNK_LINE).removesuffix(b"\r"))
            if match is None:
                problem("http.bad-chunk", "a chunk's size line is not hexadecimal", at)
                reader.at = at
                body.complete, body.lost = False, True
                return body
            size = int(match[1], 16)
            if size == 0:
                _trailer(reader)
                return body
        except (Short, Hole) as error:
            if isinstance(error, TooLong):
                problem("http.bad-chunk", f"a line between chunks has no end within {_CHUNK_LINE} bytes", at)
                reader.at = at
            body.complete, body.lost = False, isinstance(error, Hole | TooLong)
            return body
        end = min(reader.at + size, reader.stream.size)
        if end > reader.at:
            body.spans.append(Span(reader.at, end - reader.at))
        body.complete = end == reader.at + size
        reader.at = end
        if not body.complete:
            return body
        _skip_line_end(reader)
    problem("http.limit", f"chunks={limits.chunks}", reader.at)
    body.complete, body.lost = False, True
    return body


def _skip_line_end(reader: Reader) -> None:
    """The CRLF after a chunk's data: skipped where it was captured, and where a gap hides it."""
    ahead = reader.peek(2)
    if ahead == b"\r\n" or (len(ahead) < 2 and reader.at + 2 <= reader.stream.size):
        reader.at += 2
    elif ahead[:1] == b"\n":
        reader.at += 1


def _trailer(reader: Reader) -> None:
    while reader.until(b"\n", _CHUNK_LINE).removesuffix(b"\r"):
        pass


def body(reader: Reader, found: Read) -> Body:
    """The record of a body that was read."""
    missing = sum(reader.missing(span.at, span.at + span.size) for span in found.spans)
    size = sum(span.size for span in found.spans)
    starts = b""
    for span in found.spans:
        starts += reader.read(span.at, span.at + min(span.size, _STARTS))[: _STARTS - len(starts)]
        if len(starts) >= _STARTS or missing:
            break
    return Body(
        framing=found.framing,
        size=size,
        declared=found.declared,
        spans=tuple(found.spans),
        missing=missing,
        complete=found.complete,
        digest=_digest(reader, found, missing),
        starts=starts,
    )


def _digest(reader: Reader, found: Read, missing: int) -> Known[bytes]:
    if missing or not found.complete:
        return Absent(Why.NOT_CAPTURED, f"{missing} bytes missing" if missing else "the body ends early")
    if len(found.spans) == 1 and found.spans[0].size <= _AT_ONCE:
        return hashlib.sha256(reader.read(found.spans[0].at, found.spans[0].at + found.spans[0].size)).digest()
    digest = hashlib.sha256()
    for span in found.spans:
        for piece in reader.pieces(span.at, span.at + span.size):
            digest.update(piece)
    return digest.digest()
