"""Start lines and field lines (RFC 9112 sections 2 to 5), read leniently.

Bare LF ends a line as CRLF does; obs-fold is joined; a line without a colon is noted and kept out. Text is decoded as Latin-1, so nothing is lost.
"""

import re
from collections.abc import Callable
from sys import intern

from msgspec import Struct

from analyzer.formats.reader import Hole, Reader, Short, TooLong
from analyzer.records.http import Header
from analyzer.settings import Limits

Words = tuple[bytes, bytes, bytes]
StartLine = Callable[[bytes], Words | None]
"""What takes a start line apart: its three words, or None for what is none."""
_METHOD = re.compile(rb"([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,31}+) ++(?=\S)")
_VERSION = re.compile(rb"HTTP/\d\.\d")
_STATUS = re.compile(rb"(HTTP/\d\.\d) ++(\d{3})(?= |$)")
_VERSION_SIZE = 8
_AHEAD = (2048, 16384)
REPEATED = 96
"""Characters of a line that most likely comes again (host, content type, agent): it is taken apart once, and one object serves all."""
_LINES: dict[str, tuple[str, str]] = {}
_LIKE_A_START = re.compile(rb"[A-Z]{3,16} |HTTP/\d")
_WORD = 17
_MOST_LINES = 4096
Problem = Callable[[str, str, int], None]
"""problem(issue code, detail, stream offset)."""


class Head(Struct, gc=False):
    """A start line's three words and the field lines. ``whole`` is false when the header block is not wholly captured."""

    at: int
    words: tuple[str, str, str]
    headers: tuple[Header, ...] = ()
    end_at: int = 0
    whole: bool = True

    def values(self, name: str) -> list[str]:
        """The values of all field lines called ``name`` (lower case), in order."""
        return [header.value for header in self.headers if header.name.lower() == name]


def request_line(line: bytes) -> Words | None:
    """Method, target, version (RFC 9112 section 3). A target may hold spaces: it ends before the version, which ends the line."""
    line = line.removesuffix(b"\r").rstrip(b" ")
    method, version = _METHOD.match(line), line[-_VERSION_SIZE:]
    if method is None or _VERSION.fullmatch(version) is None or line[-_VERSION_SIZE - 1 : -_VERSION_SIZE] != b" ":
        return None
    target = line[method.end() : -_VERSION_SIZE].rstrip(b" ")
    return (method[1], target, version) if target else None


def status_line(line: bytes) -> Words | None:
    """Version, status, reason (RFC 9112 section 4)."""
    found = _STATUS.match(line.removesuffix(b"\r"))
    return None if found is None else (found[1], found[2], line.removesuffix(b"\r")[found.end() :].strip(b" "))


def head(reader: Reader, start_line: StartLine, limits: Limits, problem: Problem) -> Head | None:
    """The head at the reader's position, moving past it; None when no start line stands there (the position is then unchanged)."""
    at = reader.at
    while reader.peek(1) in (b"\r", b"\n") and reader.at - at < 8:  # RFC 9112 section 2.2: an empty line before a request line is ignored
        reader.at += 1
    start = reader.at
    try:
        line = reader.until(b"\n", limits.start_line_bytes)
    except (Short, Hole) as error:
        if isinstance(error, TooLong) and _LIKE_A_START.match(reader.peek(_WORD)):
            problem("http.limit", f"start_line_bytes={limits.start_line_bytes}: a start line is longer, and its message was passed over", start)
        reader.at = at
        return None
    words = start_line(line)
    if words is None:
        reader.at = at
        return None
    found = Head(start, in_text(words))
    if not _at_once(reader, found, limits):
        lines: list[Header] = []
        _fields(reader, found, lines, limits, problem)
        found.headers = tuple(lines)
    found.end_at = reader.at
    return found


def in_text(words: Words) -> tuple[str, str, str]:
    """A start line's words; those that are likely to come again as one object."""
    first, second, third = (intern(word.decode("latin-1")) if len(word) <= REPEATED else word.decode("latin-1") for word in words)
    return first, second, third


def _fields(reader: Reader, found: Head, lines: list[Header], limits: Limits, problem: Problem) -> None:
    begin = reader.at
    folded: list[str] = []
    while True:
        at = reader.at
        if at - begin > limits.head_bytes or len(lines) >= limits.headers:
            _unfold(lines, folded)
            problem("http.limit", f"head_bytes={limits.head_bytes} or headers={limits.headers}", at)
            found.whole = False
            return
        try:
            line = reader.until(b"\n", limits.head_bytes)
        except (Short, Hole) as error:
            found.whole = False
            _unfold(lines, folded)
            if isinstance(error, TooLong):
                problem("http.limit", f"head_bytes={limits.head_bytes}: a field line is longer", at)
                return
            problem("http.head-cut", "the header block is not wholly in the capture" if isinstance(error, Hole) else "the header block ends early", at)
            return
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t") and lines:  # obs-fold, RFC 9112 section 5.2
            if not folded:
                problem("http.malformed-header", "a folded field line", at)
            folded.append(line.decode("latin-1").strip())
            continue
        _unfold(lines, folded)
        if not line:
            return
        _field(found, lines, line, at, problem)


def _unfold(lines: list[Header], folded: list[str]) -> None:
    """Joins the lines that go on the last field with it, at once: each by itself would copy all of it again."""
    if folded:
        last = lines[-1]
        lines[-1] = Header(last.name, " ".join((last.value, *folded)), last.at)
        folded.clear()


def _at_once(reader: Reader, found: Head, limits: Limits) -> bool:
    """Reads a header block in which nothing is odd, as nearly all are; False when it must be read line by line (the position is then unchanged)."""
    for ahead in _AHEAD:
        data = reader.peek(ahead)
        end = data.find(b"\r\n\r\n")
        if end >= 0 or len(data) < ahead:
            break
    lines = data[:end].decode("latin-1").split("\r\n") if end > 0 else []
    if not lines or end + 4 > limits.head_bytes or len(lines) >= limits.headers:
        return False
    at, headers = reader.at, []
    for line in lines:
        known = field_line(line)
        if known is None:
            return False
        headers.append(Header(*known, at - found.at))
        at += len(line) + 2
    found.headers = tuple(headers)
    reader.at = at + 2
    return True


def field_line(line: str) -> tuple[str, str] | None:
    """Name and value of a field line; None for one that is odd."""
    known = _LINES.get(line)
    if known is None:
        name, colon, value = line.partition(":")
        if not colon or not name or name[0] in " \t" or name[-1].isspace() or "\n" in line:
            return None
        known = intern(name), value.strip(" \t")
        if len(line) <= REPEATED:
            if len(_LINES) >= _MOST_LINES:
                _LINES.clear()
            _LINES[line] = known
    return known


def _field(found: Head, lines: list[Header], line: bytes, at: int, problem: Problem) -> None:
    text = line.decode("latin-1")
    name, colon, value = text.partition(":")
    if not colon or not name:
        problem("http.malformed-header", "a field line without a name", at)
        return
    if name != name.rstrip():
        problem("http.malformed-header", "white space before the colon", at)
    lines.append(Header(name.rstrip(), value.strip(" \t"), at - found.at))
