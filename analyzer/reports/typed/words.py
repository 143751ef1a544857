"""Words of a command line as the program gets them, by the quoting rules of cmd.exe with the C runtime, and of PowerShell.

Neither is what `shlex` knows: in cmd a caret escapes and an apostrophe is a character; in PowerShell a backtick escapes, quotes are doubled, and brackets,
commas and script blocks end a word. Each word knows where it stands, quotes included, so that it can be replaced. A quote that is not closed ends with its
line.

CommandLineToArgvW and "Parsing C command-line arguments" (Microsoft Learn); about_Quoting_Rules and about_Parsing (PowerShell).
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

MOST_WORDS = 4096
"""Words of one statement; those after it are not looked at by the table of programs."""
MOST_LAYERS = 3
"""Command lines in quotes within one another."""
_CMD = re.compile(r"""(?:[^\s"^|&<>]|\^[^\r\n]?|"(?:[^"\\\r\n]|\\[^\r\n]|"")*+(?:"|(?=[\r\n])|\Z))++""")
_SINGLE, _DOUBLE = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'
_PLAIN = rf"[^\s{_SINGLE}{_DOUBLE}`|;,(){{}}]"
_ONE_LINE = rf"[{_SINGLE}][^{_SINGLE}\r\n]*+[{_SINGLE}]|[{_DOUBLE}](?:[^{_DOUBLE}`\r\n]|`[^\r\n])*+[{_DOUBLE}]"
_POWERSHELL = re.compile(
    rf"[{_SINGLE}](?:[^{_SINGLE}]|[{_SINGLE}]{{2}})*+[{_SINGLE}]|[{_DOUBLE}](?:[^{_DOUBLE}`]|`[\s\S]|[{_DOUBLE}]{{2}})*+[{_DOUBLE}]"
    rf"|[{_SINGLE}{_DOUBLE}][^\r\n]*"
    rf"|(?:{_PLAIN}|`[^\r\n]|{_ONE_LINE}|[{_SINGLE}{_DOUBLE}])++"
)
_HERE = re.compile(r"@[\"'][ \t]*\r?\n")
_SPACE = re.compile(r"(?:[^\S\r\n]|[`^]\r?\n)*+")
_ENDS = {"cmd": "|&<>\r\n", "powershell": "|;\r\n"}
_TAKEN = re.compile(r"`(.)|\^(.)|\\(\")", re.DOTALL)


_FOLDED = {0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k"}


def folded(text: str) -> str:
    """The text in lower case, character for character: what Windows and regular expressions take for equal where case is ignored."""
    return text.lower() if text.isascii() else text.translate(_FOLDED).lower()


class Dialect(StrEnum):
    """Whose quoting rules: ``cmd`` has the C runtime's with it."""

    CMD = "cmd"
    POWERSHELL = "powershell"


class Word(NamedTuple):
    """``text[begin:end]`` with its quotes; ``value`` without them; ``depth`` of the brackets that it stands in; ``quoted``: it begins with a quote."""

    begin: int
    end: int
    value: str
    quoted: bool
    depth: int = 0


class Statement(NamedTuple):
    """The words up to what ends a statement, and where that is."""

    words: tuple[Word, ...]
    end: int


def word_at(text: str, at: int, dialect: Dialect) -> Word | None:
    """The word that begins at ``at``; None where none does."""
    here = here_end(text, at) if dialect is Dialect.POWERSHELL and text.startswith("@", at) else None
    if here is not None:
        return Word(at, here, text[at + 2 : here - 2].strip("\r\n"), quoted=True)
    found = (_CMD if dialect is Dialect.CMD else _POWERSHELL).match(text, at)
    if found is None or found.end() == at:
        return None
    raw = found[0]
    quotes = '"' if dialect is Dialect.CMD else _SINGLE + _DOUBLE
    return Word(at, found.end(), _value(raw, dialect), raw[0] in quotes)


def here_end(text: str, at: int) -> int | None:
    """Past the end of the here-string that begins at ``at``; None where none does, or it does not end."""
    if _HERE.match(text, at) is None or at > _last(text, f"\n{text[at + 1]}@"):
        return None
    return text.index(f"\n{text[at + 1]}@", at) + 3


@lru_cache(maxsize=8)
def _last(text: str, sign: str) -> int:
    """Where a sign stands last: a text with many beginnings and no end is not searched for each of them."""
    return text.rfind(sign)


def statement(text: str, at: int, stop: int, dialect: Dialect) -> Statement:
    """The words from ``at`` on, until the statement ends, or ``stop``."""
    made: list[Word] = []
    depth = 0
    ends = _ENDS[dialect]
    while at < stop and len(made) < MOST_WORDS:
        at = _after_space(text, at, stop)
        if at >= stop:
            break
        sign = text[at]
        if sign in ends and not (depth and sign in "\r\n;"):
            break
        if dialect is Dialect.POWERSHELL and sign in "(){},;\r\n|":
            transparent = sign == "(" and at and text[at - 1] == "@"
            depth += sign in "({" and not transparent
            if sign in ")}" and depth == 0:
                break
            depth -= sign in ")}"
            at += 1
            continue
        if dialect is Dialect.POWERSHELL and text.startswith("@(", at):
            at += 2
            continue
        word = word_at(text, at, dialect)
        if word is None:
            at += 1
            continue
        if word.end > stop:
            word = Word(at, stop, _value(text[at:stop], dialect), word.quoted)
        made.append(word._replace(depth=depth))
        at = word.end
    return Statement(tuple(made), min(at, stop))


def statements(text: str, dialect: Dialect) -> Iterator[Statement]:
    """All statements of a text, in order."""
    at = 0
    while at < len(text):
        found = statement(text, at, len(text), dialect)
        if found.words:
            yield found
        at = found.end + (found.end <= at or text[found.end : found.end + 1] in tuple("|&<>;\r\n){}"))


def unquoted(text: str, begin: int, end: int, quote: str) -> tuple[str, list[int]]:
    """What stands between quotes as the next layer reads it, and where each of its characters stands in ``text``."""
    characters: list[str] = []
    places: list[int] = []
    at = begin
    while at < end:
        doubled = text[at] == quote and text[at + 1 : at + 2] == quote
        escaped = quote == '"' and text[at] in "\\`" and text[at + 1 : at + 2] == quote
        at += doubled or escaped
        if at < end:
            characters.append(text[at])
            places.append(at)
        at += 1
    return "".join(characters), places


def _after_space(text: str, at: int, stop: int) -> int:
    found = _SPACE.match(text, at, stop)
    return at if found is None else found.end()


def _value(raw: str, dialect: Dialect) -> str:
    if dialect is Dialect.CMD:
        return _TAKEN.sub(lambda found: found[2] or found[3] or found[0], raw).replace('"', "") if '"' in raw or "^" in raw else raw
    if raw[0] in _SINGLE + _DOUBLE:
        inner = raw[1:-1] if len(raw) > 1 and raw[-1] in _SINGLE + _DOUBLE else raw[1:]
        return inner.replace(raw[0] * 2, raw[0])
    return re.sub(rf"[{_SINGLE}{_DOUBLE}]", "", _TAKEN.sub(lambda found: found[1] or found[0], raw))
