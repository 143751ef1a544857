"""Ordinary messages, read in one go: head and body lie in captured bytes one after the other, in the forms that senders use.

What is odd in any way (a gap, an obs-fold, a bare LF, two lengths, a body the other side did not wait for) is given back: `Ordinary.message` says None, has
moved nothing, and `analyzer.http.messages` reads that one message as it reads any. So both say the same of a message, and this one says it sooner. One
source, two ways to run, as `analyzer.capture.kernel`: walk.pxd has the types for Cython's compiler. Bounds checks are on.
"""

import hashlib

from analyzer.formats.reader import Reader
from analyzer.http.heads import REPEATED, Head, StartLine, field_line, in_text
from analyzer.http.raw import Raw
from analyzer.records.arrays import Ints
from analyzer.records.http import Body, Framing, Header, Span

_HEAD = 1 << 14
_MOST = 1 << 20
"""Bytes of a message that is read in one go."""
_STARTS = 64
_HEX, _HEX_DIGITS = b"0123456789abcdefABCDEF", 8
_KNOWN = 4096
_HEADS = 512
_REPEATED_HEAD = 1024
_PLAIN, _LENGTH, _CHUNKED, _ODD = 0, 1, 2, 3
"""What a field line says of the body: nothing, how long it is, that it comes in chunks, or what has to be looked at."""
_NAMES = {"content-length": _LENGTH, "transfer-encoding": _CHUNKED, "expect": _ODD}
_DIGITS = 18

_KnownLine = tuple[Header, int, int]
"""The field, what it says, the length."""
_KnownHead = tuple[tuple[str, str, str], tuple[Header, ...], int, int, int]
"""Words, fields, what they say of the body, the length, and how many fields do."""
_LINES: dict[bytes, _KnownLine] = {}
_ASKED: dict[bytes, _KnownHead] = {}
_ANSWERED: dict[bytes, _KnownHead] = {}
_ASKS: dict[bytes, tuple[str, str, str]] = {}
_ANSWERS: dict[bytes, tuple[str, str, str]] = {}
_BEGINNINGS: dict[bytes, bytes] = {}
"""Lines, heads (of requests and of responses), their start lines, and first bytes of bodies that most likely come again: one object serves all."""
_NONE, _BY_LENGTH, _BY_CHUNKS = Framing.NONE, Framing.LENGTH, Framing.CHUNKED
_NOTHING = hashlib.sha256().digest()
_EMPTY = {
    (framing, None if declared < 0 else declared): Body(framing, 0, None if declared < 0 else declared, (), 0, True, _NOTHING, b"")
    for framing, declared in ((_NONE, -1), (_NONE, 0), (_BY_LENGTH, 0))
}


class Ordinary:
    """The messages of one direction. ``others``: what the other side had received at each of its segments, sorted."""

    def __init__(self, reader: Reader, start_line: StartLine, limits: tuple[int, int, int, int], others: Ints, *, answers: bool) -> None:
        self.reader = reader
        self.start_line = start_line
        self.start_bytes, self.head_bytes, self.headers, self.chunks = limits
        self.others = others
        self.answers = answers
        self.heads = _ANSWERED if answers else _ASKED
        self.starts = _ANSWERS if answers else _ASKS
        self.ended = reader.at
        """Where the last message ended: the next one begins there, with the same object."""

    def message(self, method: str | None) -> Raw | None:
        """The message at the reader's position, moving past it; ``method``: of the request that it answers. None: it is not ordinary, nothing has moved."""
        reader = self.reader
        at = reader.at
        data, base, end = reader.window, at - reader.window_at, -1
        if 0 <= base < len(data):
            end = data.find(b"\r\n\r\n", base, base + _HEAD)
        if end < 0:
            reader.look(at, _HEAD)
            data, base = reader.window, at - reader.window_at
            end = data.find(b"\r\n\r\n", base, base + _HEAD)
            if end < 0:
                return None
        known = self._head(data, base, end)
        if known is None:
            return None
        words, fields, says, length, begin = known[0], known[1], known[2], known[3], end + 4
        declared = known[3] if length >= 0 else None
        framing = _BY_LENGTH if says == _LENGTH else _BY_CHUNKS if says == _CHUNKED else _NONE
        if self.answers:
            status = int(words[1])
            if method == "HEAD" or status < 200 or status == 204 or status == 304:
                framing = _NONE
            elif (method == "CONNECT" and status < 300) or says == _PLAIN:
                return None
        body: Body | None
        if framing is _BY_CHUNKS:
            body = self._chunked(at, begin - base)
        elif framing is _BY_LENGTH and length:
            body = self._sized(at, begin - base, length, known[3])
        else:
            body = _EMPTY.get((framing, declared)) or Body(framing, 0, declared, (), 0, True, _NOTHING, b"")
            reader.at = at + begin - base
        if body is None:
            return None
        begun = self.ended if self.ended == at else at
        self.ended = reader.at
        return Raw(Head(begun, words, fields, at + begin - base, True), body, self.ended, False, False)

    def _head(self, data: bytes, base: int, end: int) -> _KnownHead | None:
        """The head data[base:end], without the empty line; None for one that is odd."""
        text = data[base:end]
        if end - base + 4 > self.head_bytes:
            return None
        known = self.heads.get(text)
        if known is None:
            known = self._read(text)
            if known is None:
                return None
            if len(text) <= _REPEATED_HEAD:
                if len(self.heads) >= _HEADS:
                    self.heads.clear()
                self.heads[text] = known
        if len(known[1]) >= self.headers or known[4] >= self.start_bytes:
            return None
        return known

    def _read(self, text: bytes) -> _KnownHead | None:
        stop = text.find(b"\n")
        if stop < 1 or text[0] == 13 or text[stop - 1] != 13 or stop + 1 >= len(text):
            return None
        start = text[:stop]
        words = self.starts.get(start)
        if words is None:
            found = self.start_line(start)
            if found is None:
                return None
            words = in_text(found)
            if stop <= REPEATED:
                if len(self.starts) >= _HEADS:
                    self.starts.clear()
                self.starts[start] = words
        says, length = _PLAIN, -1
        fields = []
        at, end = stop + 1, len(text)
        while at < end:
            until = text.find(b"\r\n", at)
            if until < 0:
                until = end
            line = text[at:until]
            known = _LINES.get(line)
            if known is None or known[0].at != at:
                known = _read_line(line, at)
                if known is None:
                    return None
            about = known[1]
            if about:
                if says or about == _ODD:
                    return None
                says, length = about, known[2]
            fields.append(known[0])
            at = until + 2
        return words, tuple(fields), says, length, stop + 1

    def _sized(self, at: int, begin: int, length: int, declared: int) -> Body | None:
        """The body of ``length`` (``declared``) bytes behind the head of ``begin`` bytes of the message at ``at``."""
        reader, size = self.reader, begin + length
        if size > _MOST or self._was_answered(at + begin, at + size):
            return None
        base = at - reader.window_at
        if base + size > len(reader.window):
            reader.look(at, size)
            base = at - reader.window_at
            if base + size > len(reader.window):
                return None
        content = reader.window[base + begin : base + size]
        reader.at = at + size
        return _body(_BY_LENGTH, declared, declared, (_span((at + begin, declared)),), content)

    def _chunked(self, at: int, begin: int) -> Body | None:
        reader = self.reader
        base = at - reader.window_at
        data = reader.window
        while True:
            found = self._chunks(data, base + begin, at - base)
            if found is not None:
                break
            size = 4 * (len(data) - base)
            if size > _MOST or not reader.reads_on(at, size):
                return None
            reader.look(at, size)
            data, base = reader.window, at - reader.window_at
        spans, parts, end = found
        if not end or (spans and self._was_answered(spans[0].at, at - base + end)):
            return None
        reader.at = at - base + end
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        return _body(_BY_CHUNKS, len(content), None, tuple(spans), content)

    def _chunks(self, data: bytes, at: int, to_stream: int) -> tuple[list[Span], list[bytes], int] | None:
        """Where the chunks lie that begin at data[at], what is in them, and where the message ends (0: they are not ordinary); None: more bytes are needed."""
        spans: list[Span] = []
        parts: list[bytes] = []
        for _ in range(self.chunks):
            stop = data.find(b"\r\n", at, at + _HEX_DIGITS + 2)
            if stop < 0:
                return None if len(data) < at + _HEX_DIGITS + 2 else (spans, parts, 0)
            digits = data[at:stop]
            if not digits or digits.translate(None, _HEX):
                return spans, parts, 0
            size = int(digits, 16)
            at = stop + 2
            if len(data) < at + size + 2:
                return None
            if data[at + size] != 13 or data[at + size + 1] != 10:
                return spans, parts, 0
            if not size:
                return spans, parts, at + 2
            spans.append(_span((to_stream + at, size)))
            parts.append(data[at : at + size])
            at += size + 2
        return spans, parts, 0

    def _was_answered(self, begin: int, end: int) -> bool:
        """The other side said something when it had received a part of [begin, end)."""
        others, low, high = self.others, 0, len(self.others)
        while low < high:
            middle = (low + high) >> 1
            if others[middle] < begin:
                low = middle + 1
            else:
                high = middle
        return low < len(others) and others[low] < end


def _span(place: tuple[int, int]) -> Span:
    return tuple.__new__(Span, place)


def _read_line(line: bytes, at: int) -> _KnownLine | None:
    """A field line at offset ``at`` of its message; None for one that is odd."""
    text = line.decode("latin-1")
    made = field_line(text)
    if made is None:
        return None
    header = Header(*made, at)
    about, length = _NAMES.get(header.name.lower(), _PLAIN), -1
    if about == _LENGTH:
        if not (0 < len(header.value) <= _DIGITS and header.value.isascii() and header.value.isdigit()):
            about = _ODD
        else:
            length = int(header.value)
    elif about == _CHUNKED and header.value.lower() != "chunked":
        about = _ODD
    known = header, about, length
    if len(line) <= REPEATED:
        if len(_LINES) >= _KNOWN:
            _LINES.clear()
        _LINES[line] = known
    return known


def _body(framing: Framing, size: int, declared: int | None, spans: tuple[Span, ...], content: bytes) -> Body:
    starts = content[:_STARTS]
    same = _BEGINNINGS.get(starts)
    if same is None:
        if len(_BEGINNINGS) >= _HEADS:
            _BEGINNINGS.clear()
        _BEGINNINGS[starts] = same = starts
    return Body(framing, size, declared, spans, 0, True, hashlib.sha256(content).digest(), same)
