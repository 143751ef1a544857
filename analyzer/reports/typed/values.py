"""Where a value ends that begins at a place of a text: in quotes of any layer (plain, JSON's, HTML's, a here-string), in brackets, or bare."""

import re
from typing import NamedTuple

from analyzer.reports.typed.table import PLAIN_VALUES
from analyzer.reports.typed.words import Dialect, here_end, word_at

Span = tuple[int, int]
_LONGEST = 16_384
"""Characters of a value in quotes; a longer one is masked to the end of its line."""
_SPACE = re.compile(r"[^\S\r\n]*+")
_CASTS = re.compile(r"(?:\[[\w.]{1,60}\][^\S\r\n]*+)?+(?:@?\([^\S\r\n]*+)?+(?:\[[\w.]{1,60}\][^\S\r\n]*+)?+N?(?=[\"'\\&@\u2018\u2019\u201c\u201d])")
_OPENING = re.compile(r"\\{0,7}[\"'\u2018\u2019\u201c\u201d]|&(?:quot|apos|#34|#39|#x27|#x22);|@(?=[\"'][^\S\r\n]*\r?\n)", re.IGNORECASE)
_CLOSING = {"\u2018": "\u2019", "\u201c": "\u201d"}
_VARIABLE = {
    Dialect.CMD: re.compile(r"%[A-Za-z_][\w().]*%|![A-Za-z_]\w*!"),
    Dialect.POWERSHELL: re.compile(r"[$@][A-Za-z_][\w:]*(?:\.\w+|\[[^\]]{0,100}\])*|\$\{[^}]*\}|\$\(.*|%[A-Za-z_][\w().]*%"),
}
_CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]\w*")
_SWITCH = re.compile(r"(?:--?|/|[\u2013\u2014])[A-Za-z?][A-Za-z?-]{0,40}[)}\]\"',;]*(?:[:=].*)?", re.DOTALL)
_NEXT_SWITCH = re.compile(r"(?:--?|/|[\u2013\u2014])[A-Za-z?][A-Za-z?-]{0,40}(?=[\s:=)}\]\"',;]|\Z)|--[A-Za-z][\w-]{1,40}(?=[\s=]|\Z)")
_LONG_SWITCH = re.compile(r"--[A-Za-z][\w-]{1,40}(?:[:=].*)?", re.DOTALL)
_CROSSED = re.compile(r"[\s,;)}|]")
"""The word goes on over a space or a bracket: the quotes were not read as they were meant."""
_END_OF_LINE = re.compile(r"[\r\n]|\Z")
_MORE = re.compile(r"[^\S\r\n]*+\+[^\S\r\n]*+(?=[\"'])")


class Value(NamedTuple):
    """``span`` with its quotes; what stands between them; whether there are quotes."""

    span: Span
    text: str
    quoted: bool


def is_switch(text: str) -> bool:
    """Letters after a dash or slash: the next switch, not a value. ``-P4ss!`` is a value."""
    return _SWITCH.fullmatch(text) is not None or _LONG_SWITCH.fullmatch(text) is not None


def is_plain(text: str, dialect: Dialect | None) -> bool:
    """An answer, a placeholder or a variable: nothing that has to be hidden."""
    word = text.strip().lower()
    if not word.removeprefix("n").strip("*\u2022") or word in PLAIN_VALUES:
        return True
    asked = (Dialect.CMD, Dialect.POWERSHELL) if dialect is None else (dialect,)
    return any(_VARIABLE[one].fullmatch(text) is not None for one in asked)


def is_cmdlet(text: str) -> bool:
    """Verb-Noun: a command whose output is the value."""
    return _CMDLET.fullmatch(text) is not None


def quoted_at(text: str, at: int, *, strict_json: bool = False) -> Value | None:
    """The value in quotes that begins at ``at``, with what is joined to it by a plus sign; None where no quote stands."""
    found = _quoted(text, at, strict_json=strict_json)
    end = found.span[1] if found is not None else at
    while found is not None and (more := _MORE.match(text, end)) is not None:
        other = _quoted(text, more.end(), strict_json=strict_json)
        if other is None:
            break
        end = other.span[1]
        found = Value((at, end), found.text + other.text, quoted=True)
    return found


def _quoted(text: str, at: int, *, strict_json: bool) -> Value | None:
    opening = _OPENING.match(text, at)
    if opening is None:
        return None
    sign = opening[0]
    begin = opening.end()
    if sign == "@":
        end = here_end(text, at)
        end = _line_end(text, begin) if end is None else end
        return Value((at, end), text[begin + 1 : max(begin + 1, end - 2)].strip("\r\n"), quoted=True)
    if len(sign) > 1:
        end = text.find(sign, begin, begin + _LONGEST)
        end = _line_end(text, begin) if end < 0 else end + len(sign)
        return Value((at, end), text[begin : max(begin, end - len(sign))], quoted=True)
    end = _closing(text, begin, _CLOSING.get(sign, sign), strict_json=strict_json)
    return Value((at, end), text[begin : end - 1] if text[end - 1 : end] == _CLOSING.get(sign, sign) and end > begin else text[begin:end], quoted=True)


def _closing(text: str, at: int, quote: str, *, strict_json: bool) -> int:
    """Past the closing quote: a doubled one, one after a backtick, and one after a backslash that is not the value's last character are within the value."""
    stop = min(len(text), at + _LONGEST)
    begin = at
    while at < stop:
        at = text.find(quote, at, stop)
        if at < 0:
            break
        if text[at + 1 : at + 2] == quote and at > begin and not strict_json and quote in "\"'":
            at += 2
            continue
        before = 0
        while at - before > begin and text[at - before - 1] == "\\":
            before += 1
        escaped = before % 2 and quote == '"' and (strict_json or text[at + 1 : at + 2] not in ("", " ", ",", ";", ")", "}", "|", "]", "\r", "\n", "\t"))
        if escaped or (quote == '"' and at > begin and text[at - 1] == "`"):
            at += 1
            continue
        return at + 1
    return _line_end(text, begin)


def _line_end(text: str, at: int) -> int:
    found = _END_OF_LINE.search(text, at)
    return len(text) if found is None else found.start()


def argument_at(text: str, at: int, dialect: Dialect | None) -> Value | None:
    """The value of a switch: what is in quotes (brackets and a cast may stand before), else the word. None for the next switch, a variable, a command."""
    at = after_space(text, at)
    if _NEXT_SWITCH.match(text, at):
        return None
    cast = _CASTS.match(text, at)
    found = quoted_at(text, cast.end()) if cast is not None else None
    if found is None and text[at : at + 1] in tuple("([{@<"):
        return None
    word = _longest_word(text, at, dialect)
    if found is not None:
        end = found.span[1]
        if word is not None and word.span[1] > end and at == found.span[0] and not _CROSSED.search(text, end, word.span[1]):
            end = word.span[1]
        return None if is_plain(found.text, dialect) else found._replace(span=(found.span[0], end))
    if word is None or is_switch(word.text) or is_plain(word.text, dialect) or (dialect is None and _is_reference(text, at)):
        return None
    return word


def _is_reference(text: str, at: int) -> bool:
    """To PowerShell it is a variable."""
    word = word_at(text, at, Dialect.POWERSHELL)
    return word is not None and is_plain(word.value, Dialect.POWERSHELL)


def _longest_word(text: str, at: int, dialect: Dialect | None) -> Value | None:
    asked = (Dialect.CMD, Dialect.POWERSHELL) if dialect is None else (dialect,)
    words = [word for one in asked if (word := word_at(text, at, one)) is not None]
    if not words:
        return None
    longest = max(words, key=lambda word: word.end)
    return Value((at, longest.end), longest.value, longest.quoted)


def after_space(text: str, at: int) -> int:
    """Past blanks, not past the end of the line."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
