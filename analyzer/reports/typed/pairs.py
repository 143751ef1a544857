"""Values that follow their name: assignments and hashtables, JSON, YAML, XML elements and attributes, queries, connection strings, parameters and switches.

A stem of `table.STEMS` that ends a name is looked for; what stands around the name tells the form, and `values` where its value ends.
"""

import re
from collections.abc import Iterator, Sequence

from analyzer.reports.typed.table import CALL_HINTS, CALLS, EXEMPT, HASHES, NAME_HINTS, STEMS, WEAK
from analyzer.reports.typed.values import Span, Value, after_space, argument_at, is_cmdlet, is_plain, is_switch, quoted_at
from analyzer.reports.typed.words import Dialect

_LONGEST_NAME = 64
_NAME = re.compile(rf"(?P<stem>{STEMS})\d{{0,3}}(?!\w)|(?<![A-Za-z0-9])(?P<hash>{HASHES})(?![A-Za-z0-9-])")
_CALL = re.compile(rf"(?<![a-z])(?:{'|'.join(CALLS)})(?![a-z0-9])")
_BEGINS_CALL = re.compile(
    r"\]?[\"']?\)?(?:::new)?[^\S\r\n]*+(?:-ar?g?\w*:?[^\S\r\n]*+)?(?:@?\(?[^\S\r\n]*+@?\(?)[^\S\r\n]*+(?=[\"'$@(\[\w])",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"(?P<close>[\"'\]]{0,2}|\\{1,7}[\"']|&(?:quot|#34|apos|#39);)[^\S\r\n]{0,64}"
    r"(?P<sign>=>|:=|[:=](?!:)|(?:-(?:c|i)?(?:eq|ne)\b)(?=[^\S\r\n]*[\"']))[^\S\r\n]{0,64}",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"(?:\s[^<>&]{0,256})?(?:>|&gt;)\s{0,64}(?:<(?:\w{1,20}:)?value(?:\s[^<>]{0,100})?>)?"
    r"(?P<value>[^<>&][^<]{0,4096}?)\s{0,64}(?:</|&lt;/|<!)",
    re.IGNORECASE,
)
_TAG_BEFORE = re.compile(r"(?:<|&lt;)(?:[\w.-]{1,40}:)?[\w.]{0,40}$")
_NAMED_TAG = re.compile(
    r"(?:\"|'|&quot;)(?:\s[^<>]{0,100})?>(?P<value>[^<>]{1,4096})</|(?:\"|'|&quot;)\s{1,8}(?:value|content)\s?=\s?(?=[\"'&])", re.IGNORECASE
)
_IN_CALL = re.compile(r"[\"']\s{0,8},\s{0,8}(?=[\"'])")
_BARE = re.compile(r"[^\s|;,)}\]\"'<>&]++(?:&(?!\w{1,40}=|\w{1,8};|&)[^\s|;,)}\]\"'<>&]*+)*+")
_REFERENCE = re.compile(r"[$@](?:[A-Za-z_][\w:]{0,64}(?:\.\w{1,64}){0,8}(?=[\s;,)}|&]|\Z)|[({])")
"""A variable or an expression of PowerShell."""
_INVOKED = re.compile(r"[A-Za-z_][\w.]{0,128}\(|\d{1,3}(?!\w)|0x[0-9A-Fa-f]{1,8}(?!\w)|new\s")
"""A call, an object that is made, a small number: an expression of a program."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_.]{0,128}(?=[\s;,)]|\Z)")
_CONNECTION_VALUE = re.compile(r"[^;\"'\r\n<>&]++")
_BARE_LINE = re.compile(r"[^\s\"'<>]++")
_SET = re.compile(r"(?:^|[\s&|(;])(?:set|export)[^\S\r\n]+(?:/[ap][^\S\r\n]+)?[\w.]*$", re.IGNORECASE)
_ASKS = re.compile(r"(?:^|[\s&|(;])set[^\S\r\n]+/p[^\S\r\n]+[\w.]*$", re.IGNORECASE)
"""What follows is what the user is asked with, unless the answer comes from elsewhere."""
_SET_VALUE = re.compile(r"[^\r\n&|>]++")
_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]{16,128}(?::[0-9A-Fa-f]{32})?(?![0-9A-Za-z])|:[0-9A-Fa-f]{32}(?![0-9A-Za-z])")
_LINE_START = re.compile(r"[^\S\r\n]*[\w.-]*$")
_VARIABLE = re.compile(r"\$[\w.:]*$")
_DASHES = "-/\u2013\u2014"
_SEVERAL = re.compile(r"\$[\w:]{1,64},[^\S\r\n]{0,8}\$[\w:]*$|\$[\w:]{1,64}[^\S\r\n]{1,8},[^\S\r\n]{0,8}\$[\w:]*$")
"""Variables that are assigned at once: `orders` knows which value is whose."""
_MOST_ARGUMENTS = 12


def in_pairs(text: str, lower: str, dialect: Dialect | None, known: Sequence[Span] = ()) -> Iterator[Span]:
    """Where the values of secret names stand. ``lower``: the text `folded`; ``known``: secrets in order, in which no name is looked for."""
    if not any(hint in lower for hint in NAME_HINTS):
        return
    done = place = 0
    for found in _NAME.finditer(lower):
        while place < len(known) and known[place][1] <= found.start():
            place += 1
        if found.start() < done or (place < len(known) and known[place][0] < found.end()):
            continue
        for begin, end in _of_name(text, found, dialect):
            yield begin, end
            done = max(done, end)


def _of_name(text: str, found: re.Match[str], dialect: Dialect | None) -> Iterator[Span]:
    begin = _name_begins(text, found.start())
    if found["hash"] is not None:
        yield from _hash(text, found, begin)
        return
    name = text[begin : found.end()].lower().rstrip("0123456789")
    if name.replace("_", "") in EXEMPT or name.endswith(("bypass", "compass")) or (found["stem"] in WEAK and not _stands_alone(text, begin, found)):
        return
    before = text[max(0, begin - _LONGEST_NAME) : begin]
    if found["stem"] == "token" and _names_a_type(text, found.end()):
        return
    value = _paired(text, found.end(), before, dialect) or _elsewhere(text, found, begin, before)
    if value is None and _is_dashed(before) and text[found.end() : found.end() + 1].isspace():
        value = argument_at(text, found.end(), dialect)
    if value is not None:
        yield value.span


def _names_a_type(text: str, at: int) -> bool:
    """``token = IntPtr.Zero``, ``class Token : IDisposable``: letters only after a sign with blanks."""
    separator = _SEPARATOR.match(text, at)
    return separator is not None and text[separator.end() - 1].isspace() and _IDENTIFIER.match(text, separator.end()) is not None


def _name_begins(text: str, at: int) -> int:
    least = max(0, at - _LONGEST_NAME)
    while at > least and (text[at - 1].isalnum() or text[at - 1] == "_"):
        at -= 1
    return at


def _stands_alone(text: str, begin: int, found: re.Match[str]) -> bool:
    """``pass``, ``db_pass``, ``DbPass``: a word of its own in the name."""
    at = found.start()
    return at == begin or not text[at - 1].isalpha() or (text[at].isupper() and text[at - 1].islower())


def _is_dashed(before: str) -> bool:
    """A dash or slash that begins a word: the name is a switch's."""
    return before.endswith(tuple(_DASHES)) and not (before[-2:-1].isalnum() or before[-2:-1] in ("\\", ".", "_"))


def _hash(text: str, found: re.Match[str], begin: int) -> Iterator[Span]:
    at = found.end()
    separator = _SEPARATOR.match(text, at)
    dashed = _is_dashed(text[max(0, begin - 2) : begin])
    if separator is not None:
        at = separator.end()
    elif dashed and text[at : at + 1].isspace():
        at = after_space(text, at)
    elif not (text[at : at + 1] == " " and found["hash"] in ("ntlm", "krbtgt", "hash ntlm")):
        match = re.compile(r"[^\S\r\n]*\(\d{1,6}\)[^\S\r\n]*:[^\S\r\n]*").match(text, at)
        if match is None:
            return
        at = match.end()
    else:
        at = after_space(text, at)
    at += text[at : at + 1] in ("'", '"')
    value = _HEX.match(text, at)
    if value is not None and (found["hash"] != "hash" or dashed):
        yield value.span()


def _paired(text: str, at: int, before: str, dialect: Dialect | None) -> Value | None:
    """After a sign: ``name = value``, ``"name": "value"``, ``-name:value``."""
    separator = _SEPARATOR.match(text, at)
    if separator is None:
        return None
    if separator["sign"] == "=" and _SEVERAL.search(before):
        return None
    begin = separator.end()
    json = separator["close"] != "" and separator["sign"] == ":"
    dashed = separator["close"] == "" and _is_dashed(before) and begin == separator.start() + 1
    if dashed:
        value = _glued(text, begin, dialect)
        return None if value is None or is_plain(value.text, dialect) else value
    if separator["close"] == "" and before[-1:] in ("'", '"') and separator["sign"] == "=" and text[begin : begin + 1] not in ("'", '"'):
        end = text.find(before[-1], begin, begin + 4096)
        if end > begin and "\n" not in text[begin:end] and ";" not in text[begin:end]:
            return _kept(Value((begin, end), text[begin:end], quoted=True), dialect)
    value = argument_at(text, begin, Dialect.POWERSHELL) if text[begin : begin + 1] in ("(", "[", "@", "N") else None
    value = quoted_at(text, begin, strict_json=json) or (value if value is not None and value.quoted else None)
    if value is not None:
        return _kept(value, dialect)
    return _bare(text, begin, before, separator, dialect)


def _glued(text: str, begin: int, dialect: Dialect | None) -> Value | None:
    """``/pass:value``, ``--password=value``: to the end of the word."""
    if begin >= len(text) or text[begin].isspace():
        at = after_space(text, begin)
        return argument_at(text, at, dialect)
    if text[begin] in "([{@" and dialect is not Dialect.CMD:
        return argument_at(text, begin, dialect)
    found = quoted_at(text, begin)
    word = argument_at(text, begin, dialect)
    return found if word is None and found is not None else word


def _bare(text: str, begin: int, before: str, separator: re.Match[str], dialect: Dialect | None) -> Value | None:
    variable = _VARIABLE.search(before) is not None
    if text[begin : begin + 1] in tuple("([{") or (variable and not text[begin : begin + 1].isdigit()):
        return None
    if dialect is not Dialect.CMD and _REFERENCE.match(text, begin):
        return None
    if _ASKS.search(before) and not re.search(r"[<|][^\r\n|]*$", before.rpartition("\n")[2]):
        return None
    if _SET.search(before):
        found = _SET_VALUE.match(text, begin)
    elif before.endswith(";") or (separator["sign"] == "=" and _in_connection_string(before)):
        found = _CONNECTION_VALUE.match(text, begin)
    elif _LINE_START.fullmatch(before.rpartition("\n")[2]) and len(before) < _LONGEST_NAME:
        found = _BARE_LINE.match(text, begin)
    else:
        found = _BARE.match(text, begin)
    if found is None:
        return None
    shown = found[0].rstrip(" \t")
    spaced = text[begin - 1 : begin].isspace()
    if spaced and _INVOKED.match(text, begin):
        return None
    if is_plain(shown.rstrip(";,)}"), dialect) or (spaced and (is_cmdlet(shown) or is_switch(shown))):
        return None
    return Value((begin, begin + len(shown)), shown, quoted=False)


def _in_connection_string(before: str) -> bool:
    return re.search(r";[^\S\r\n]{0,8}[\w ]{0,40}$", before) is not None


def _elsewhere(text: str, found: re.Match[str], begin: int, before: str) -> Value | None:
    """XML elements, values next to a quoted name, arguments after it."""
    at = found.end()
    if _TAG_BEFORE.search(before) and (tag := _TAG.match(text, at)):
        return _kept(Value(tag.span("value"), tag["value"], quoted=True), None)
    named = _NAMED_TAG.match(text, at)
    if named is not None:
        if named["value"] is not None:
            return _kept(Value(named.span("value"), named["value"], quoted=True), None)
        value = quoted_at(text, named.end())
        return None if value is None else _kept(value, None)
    in_call = _IN_CALL.match(text, at)
    if in_call is not None and re.search(r"(?<!@)\([\"']$", text[max(0, begin - 3) : begin]):
        value = quoted_at(text, in_call.end())
        if value is not None and re.compile(r"\s*[,)]").match(text, value.span[1]):
            return _kept(value, None)
    return None


def _kept(value: Value, dialect: Dialect | None) -> Value | None:
    return None if is_plain(value.text, dialect) else value


def in_calls(text: str, lower: str) -> Iterator[Span]:
    """Arguments of constructors and methods that take a secret. ``lower``: the text `folded`."""
    if not any(hint in lower for hint in CALL_HINTS):
        return
    for found in _CALL.finditer(lower):
        at, sign = found.end(), text[found.end() : found.end() + 1]
        if sign in ("'", '"') and text[found.start() - 1 : found.start()] == sign:
            at = _past_blanks(text, at + 1)
            at += text[at : at + 1] == ","
        begins = _BEGINS_CALL.match(text, at)
        if begins is not None:
            wanted = CALLS[found[0]]
            for place, value in _arguments(text, begins.end(), max(wanted)):
                if place in wanted and not is_plain(value.text, Dialect.POWERSHELL):
                    yield value.span


def _arguments(text: str, at: int, most: int) -> Iterator[tuple[int, Value]]:
    """The arguments that are texts in quotes, with their places from 1."""
    depth, place = 0, 1
    for _ in range(_MOST_ARGUMENTS * most):
        at = _past_blanks(text, at)
        sign = text[at : at + 1]
        if not sign or place > most or sign in ";|}":
            return
        if sign in "([{":
            depth += 1
        elif sign in {")", "]"}:
            depth -= 1
            if depth < 0:
                return
        elif sign == "," and depth == 0:
            place += 1
        value = quoted_at(text, at)
        if value is not None:
            if depth == 0 or re.search(r"[,(]\s*\(\s*$", text[max(0, at - 8) : at]):
                yield place, value
            at = value.span[1]
            continue
        word = re.compile(r"[^\s,;|(){}\[\]\"']++").match(text, at)
        if word is not None and depth == 0 and is_switch(word[0]):
            return
        at = at + 1 if word is None else word.end()


def _past_blanks(text: str, at: int) -> int:
    found = re.compile(r"\s{0,256}").match(text, at)
    return at if found is None else found.end()
