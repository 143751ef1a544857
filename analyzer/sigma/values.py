"""Values and modifiers of a Sigma detection as tests of a text (Sigma specification 2, "Value Modifiers").

Strings have wildcards (``*``, ``?``) unless a backslash stands before, and are compared without case unless ``cased``. Regular expressions are run by RE2,
whose time is in proportion to the text whatever the expression is: the rule comes from one stranger and the text from another. Those that look around, which
RE2 does not have, are run by Python's engine within limits.
"""

import base64
import ipaddress
import operator
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

Test = Callable[[str], bool]
Part = str | None
"""A piece of a pattern: literal text, ``None`` for any run of characters, ``"\\0?"`` for any one character."""

_ONE = "\0?"
_REGEX = 1024
_REPEATS = 8
_WINDOW, _OVERLAP = 2048, 512
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]|\\[1-9]|\(\?P=|\(\?>|[*+?}]\+")
"""What only an engine can do that goes back: look-around, references to groups, possessive quantifiers."""
_DASHES = ("-", "/", "\u2013", "\u2014", "\u2015")
_DASH = re.compile(r"\B[-/]\b")
_MOST_DASHES = 3
_WIDE = {"utf16": "utf-16", "utf16le": "utf-16-le", "wide": "utf-16-le", "utf16be": "utf-16-be"}
_COMPARE = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}
_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
_PLACES = ("contains", "startswith", "endswith")
KNOWN = {*_PLACES, *_WIDE, *_COMPARE, *_FLAGS, "all", "neq", "re", "cased", "base64", "base64offset", "windash", "cidr", "exists"}


class UnsupportedError(ValueError):
    """A part of the language that is not known here, or that would take too long."""


class Pattern(NamedTuple):
    """A string with wildcards."""

    parts: tuple[Part, ...]

    @property
    def plain(self) -> str | None:
        """The text when it has no wildcards."""
        return None if any(part is None or part == _ONE for part in self.parts) else "".join(part or "" for part in self.parts)


def pattern(text: str) -> Pattern:
    """A backslash takes the meaning of ``*``, ``?`` and of another backslash away; before anything else it is a backslash."""
    parts: list[Part] = []
    escaped = False
    for character in text:
        if escaped:
            parts.append(character if character in "*?\\" else f"\\{character}")
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append(None if character == "*" else _ONE if character == "?" else character)
    return Pattern((*parts, "\\") if escaped else tuple(parts))


def alternatives(value: object, modifiers: Sequence[str]) -> list[Test]:
    """The alternatives that a value means: one test, or several where a modifier makes variants."""
    if "re" in modifiers:
        return [_regex(str(value), modifiers)]
    if "cidr" in modifiers:
        return [_network(str(value))]
    compared = next((name for name in modifiers if name in _COMPARE), None)
    if compared is not None:
        return [_number(value, _COMPARE[compared])]
    patterns = [pattern(value if isinstance(value, str) else str(value))]
    for name in modifiers:
        patterns = [changed for one in patterns for changed in _changed(one, name, modifiers)]
    return [_wildcards(one, cased="cased" in modifiers) for one in patterns]


def _changed(one: Pattern, name: str, modifiers: Sequence[str]) -> list[Pattern]:
    if name == "contains":
        return [Pattern((None, *one.parts, None))]
    if name == "startswith":
        return [Pattern((*one.parts, None))]
    if name == "endswith":
        return [Pattern((None, *one.parts))]
    if name == "windash":
        return _dashed(one)
    if name in ("base64", "base64offset"):
        plain = one.plain
        if plain is None:
            msg = "base64 of a text with wildcards"
            raise UnsupportedError(msg)
        wide = next((encoding for word, encoding in _WIDE.items() if word in modifiers), "utf-8")
        return [Pattern(tuple(text)) for text in _base64(plain.encode(wide), offsets=name == "base64offset")]
    return [one]


def _base64(data: bytes, *, offsets: bool) -> list[str]:
    """With offsets: what the text is in base64 when nothing, one or two bytes stand before it, without what depends on its neighbours."""
    if not offsets:
        return [base64.b64encode(data).decode()]
    ends = (None, -3, -2)
    return [base64.b64encode(b" " * before + data)[(0, 2, 3)[before] : ends[(len(data) + before) % 3]].decode() for before in range(3)]


def _dashed(one: Pattern) -> list[Pattern]:
    text = "".join("*" if part is None else "?" if part == _ONE else part for part in one.parts)
    places = [match.start() for match in _DASH.finditer(text)]
    if len(places) > _MOST_DASHES:
        msg = f"windash over more than {_MOST_DASHES} dashes in one value"
        raise UnsupportedError(msg)
    characters: list[Part] = [inner for part in one.parts for inner in ([part] if part is None or part == _ONE else list(part))]
    made = []
    for chosen in product(_DASHES, repeat=len(places)):
        varied = list(characters)
        for place, dash in zip(places, chosen, strict=True):
            varied[place] = dash
        made.append(Pattern(tuple(varied)))
    return made


def _wildcards(one: Pattern, *, cased: bool) -> Test:
    """Pieces between runs are looked for one after the other, so that the time is linear in the text for each piece."""
    pieces: list[list[str]] = [[]]
    for part in one.parts:
        if part is None:
            pieces.append([])
        else:
            pieces[-1].append("." if part == _ONE else re.escape(part))
    flags = re.DOTALL if cased else re.DOTALL | re.IGNORECASE
    compiled = [re.compile("".join(piece), flags) for piece in pieces]
    size = _tail(one)

    def fits(text: str) -> bool:
        if len(compiled) == 1:
            return compiled[0].fullmatch(text) is not None
        first = compiled[0].match(text)
        if first is None:
            return False
        at = first.end()
        for piece in compiled[1:-1]:
            found = piece.search(text, at)
            if found is None:
                return False
            at = found.end()
        return len(text) - size >= at and compiled[-1].fullmatch(text, len(text) - size) is not None

    return fits


def _tail(one: Pattern) -> int:
    """How many characters stand after the last run."""
    size = 0
    for part in reversed(one.parts):
        if part is None:
            break
        size += 1 if part == _ONE else len(part)
    return size


def _regex(text: str, modifiers: Sequence[str]) -> Test:
    if len(text) > _REGEX:
        msg = f"a regular expression of more than {_REGEX} characters"
        raise UnsupportedError(msg)
    shortened = re.sub(r"^(?:\.\*\??)+|(?:\.\*\??)+$", "", text) if not re.search(r"\\\.\*\??$", text) else text
    flags = "".join(sorted({_FLAGS[name] for name in modifiers if name in _FLAGS}))
    shortened = f"(?{flags}){shortened}" if flags else shortened
    return _backtracking(shortened) if _LOOKS_AROUND.search(shortened) else _linear(shortened)


def _linear(text: str) -> Test:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        msg = f"a regular expression that cannot be read: {error}"
        raise UnsupportedError(msg) from None

    def fits(value: str) -> bool:
        return compiled.search(value if value.isascii() else value.encode("utf-8", "replace").decode()) is not None

    return fits


def _backtracking(text: str) -> Test:
    """What RE2 does not have, by Python's engine. That goes back and tries again, so repetitions inside of repetitions are refused, and texts are cut into
    windows that overlap."""
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        msg = f"a regular expression that cannot be read: {error}"
        raise UnsupportedError(msg) from None
    if _costly(text):
        msg = "a regular expression that looks around, with a repetition or a choice inside of a repetition, or with too many"
        raise UnsupportedError(msg)

    def fits(value: str) -> bool:
        return any(compiled.search(value[at : at + _WINDOW]) for at in range(0, max(len(value) - _OVERLAP, 1), _WINDOW - _OVERLAP))

    return fits


def _costly(text: str) -> bool:
    """Whether an unbounded repetition, or a choice, stands inside of a group that is itself repeated without bound, or there are too many of them."""
    bare = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "c", re.sub(r"\\.", "c", text))
    if len(re.findall(r"[*+]|\{\d*,\}", bare)) > _REPEATS:
        return True
    opened: list[bool] = []
    for place, character in enumerate(bare):
        if character == "(":
            opened.append(False)
        elif character == ")" and opened:
            inside = opened.pop()
            repeated = re.match(r"[*+]|\{\d*,\d*\}", bare[place + 1 :]) is not None
            if inside and repeated:
                return True
            if opened:
                opened[-1] = opened[-1] or inside or repeated
        elif opened and (character in "*+|" or re.match(r"\{\d*,\}", bare[place:])):
            opened[-1] = True
    return False


def _network(text: str) -> Test:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        msg = f"{text!r} is no network"
        raise UnsupportedError(msg) from None

    def fits(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return fits


def _number(value: object, compare: Callable[[float, float], bool]) -> Test:
    try:
        bound = float(str(value))
    except ValueError:
        msg = f"{value!r} is no number"
        raise UnsupportedError(msg) from None

    def fits(text: str) -> bool:
        try:
            return compare(float(text), bound)
        except ValueError:
            return False

    return fits
