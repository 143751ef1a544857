"""Start lines and field lines (RFC 9112 sections 2 to 5), read leniently.

Bare LF ends a line as CRLF does; obs-fold is joined; a line without a colon is noted and kept out. Text is decoded as Latin-1, so nothing is lost.
"""

import re
from collections.abc import Callable
from sys import intern

from msgspec import Struct, field

from analyzer.formats.reader import Hole, Reader, Short
from analyzer.records.http import Header
from analyzer.settings import Limits

REQUEST_LINE = re.compile(rb"([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,31}) +(\S.*?) +(HTTP/\d\.\d) *\r?$", re.DOTALL)
STATUS_LINE = re.compile(rb"(HTTP/\d\.\d) +(\d{3})(?: +(.*?))? *\r?$", re.DOTALL)
_AHEAD = (2048, 16384)
_REPEATED = 96
"""Characters of a line that most likely comes again (host, content type, agent): it is taken apart once, and one object serves all."""
_LINES: dict[str, tuple[str, str]] = {}
_MOST_LINES = 4096
Problem = Callable[[str, str, int], None]
"""problem(issue code, detail, stream offset)."""


class Head(Struct):
    """A start line's three words and the field lines. ``whole`` is false when the header block is not wholly captured."""

    at: int
    words: tuple[str, str, str]
    headers: list[Header] = field(default_factory=list)
    end_at: int = 0
    whole: bool = True

    def values(self, name: str) -> list[str]:
        """The values of all field lines called ``name`` (lower case), in order."""
        return [header.value for header in self.headers if header.name.lower() == name]


def head(reader: Reader, pattern: re.Pattern[bytes], limits: Limits, problem: Problem) -> Head | None:
    """The head at the reader's position, moving past it; None when no start line stands there (the position is then unchanged)."""
    at = reader.at
    while reader.peek(1) in (b"\r", b"\n") and reader.at - at < 8:  # RFC 9112 section 2.2: an empty line before a request line is ignored
        reader.at += 1
    start = reader.at
    try:
        line = reader.until(b"\n", limits.start_line_bytes)
    except (Short, Hole):
        reader.at = at
        return None
    match = pattern.match(line)
    if match is None:
        reader.at = at
        return None
    found = Head(start, _words(match))
    _fields(reader, found, limits, problem)
    found.end_at = reader.at
    return found


def _words(match: re.Match[bytes]) -> tuple[str, str, str]:
    first, second, third = (
        intern(group.decode("latin-1")) if group and len(group) <= _REPEATED else (group or b"").decode("latin-1") for group in match.groups()
    )
    return first, second, third


def _fields(reader: Reader, found: Head, limits: Limits, problem: Problem) -> None:
    if _at_once(reader, found, limits):
        return
    begin = reader.at
    while True:
        at = reader.at
        if at - begin > limits.head_bytes or len(found.headers) >= limits.headers:
            problem("http.limit", f"head_bytes={limits.head_bytes} or headers={limits.headers}", at)
            found.whole = False
            return
        try:
            line = reader.until(b"\n", limits.head_bytes)
        except (Short, Hole) as error:
            found.whole = False
            problem("http.head-cut", "the header block is not wholly in the capture" if isinstance(error, Hole) else "the header block ends early", at)
            return
        line = line.removesuffix(b"\r")
        if not line:
            return
        _field(found, line, at, problem)


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
        known = _LINES.get(line)
        if known is None:
            name, colon, value = line.partition(":")
            if not colon or not name or name[0] in " \t" or name[-1].isspace() or "\n" in line:
                return False
            known = intern(name), value.strip(" \t")
            if len(line) <= _REPEATED:
                if len(_LINES) >= _MOST_LINES:
                    _LINES.clear()
                _LINES[line] = known
        headers.append(Header(*known, at))
        at += len(line) + 2
    found.headers = headers
    reader.at = at + 2
    return True


def _field(found: Head, line: bytes, at: int, problem: Problem) -> None:
    text = line.decode("latin-1")
    if line[:1] in (b" ", b"\t") and found.headers:  # obs-fold, RFC 9112 section 5.2
        last = found.headers[-1]
        found.headers[-1] = Header(last.name, f"{last.value} {text.strip()}", last.at)
        problem("http.malformed-header", "a folded field line", at)
        return
    name, colon, value = text.partition(":")
    if not colon or not name:
        problem("http.malformed-header", "a field line without a name", at)
        return
    if name != name.rstrip():
        problem("http.malformed-header", "white space before the colon", at)
    found.headers.append(Header(name.rstrip(), value.strip(" \t"), at))
