# ruff: noqa: ANN401  what the parser of the standard library gives has no types
"""Texts that make a backtracking pattern work: made of the pattern's own repeatable pieces, pumped, with an end that does not fit.

    for attack in attacks(pattern): attack.text(1000)

A pattern is taken apart by the parser of the standard library. Of each run of its items that holds a repetition, one text that fits it is repeated;
before it stands a text that fits what comes before, behind it something that fits nowhere.
"""

import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_LETTERS = [*"aZ0_ -=\"'<>&;:/\\\n\r\t.,+()[]{}%$@!#^`|~*?", "\x01", "\xe9", "\u2028"]
_LONGEST_RUN = 5
_VARIANTS = 2


class Attack(NamedTuple):
    """A beginning, what is repeated, and an end; of characters, also for a pattern of bytes."""

    begin: str
    pump: str
    end: str

    def text(self, count: int) -> str:
        return self.begin + self.pump * count + self.end


def attacks(pattern: "re.Pattern[Any]") -> Iterator[Attack]:
    """Distinct ones; not every order of pieces, but each run of items of one sequence that repeats something."""
    seen = set()
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    for begin, pump in _sequence(list(tree), "", pattern):
        for end in ("\x00", "", "<", "\x00\n", '"'):
            found = Attack(begin, pump, end)
            if pump and found not in seen:
                seen.add(found)
                yield found


def _sequence(items: "list[Any]", before: str, pattern: "re.Pattern[Any]") -> Iterator[tuple[str, str]]:
    units = _units(items)
    prefix = before
    for i, unit in enumerate(units):
        for j in range(i + 1, min(i + _LONGEST_RUN, len(units)) + 1):
            run = [one for some in units[i:j] for one in some]
            if any(_repeats(one) for one in run):
                for variant in range(_VARIANTS):
                    yield prefix, "".join(_sample(one, variant, some=True) for one in run)
                yield prefix, "".join(_sample(one, 0) for one in run)
        for item in unit:
            for inner in _inner(item):
                yield from _sequence(inner, prefix, pattern)
        prefix += "".join(_sample(one, 0) for one in unit)


def _units(items: "list[Any]") -> "list[list[Any]]":
    """The items, with letters that stand next to each other as one."""
    found: list[list[Any]] = []
    for item in items:
        if item[0] is op.LITERAL and found and found[-1][-1][0] is op.LITERAL:
            found[-1].append(item)
        else:
            found.append([item])
    return found


def _inner(item: Any) -> "Iterator[list[Any]]":
    kind, value = item
    if kind in _REPEATS:
        yield list(value[2])
    elif kind is op.SUBPATTERN:
        yield list(value[3])
    elif kind is op.BRANCH:
        yield from (list(branch) for branch in value[1])
    elif kind is op.ATOMIC_GROUP:
        yield list(value)


def _repeats(item: Any) -> bool:
    kind, value = item
    if kind in _REPEATS and value[1] is op.MAXREPEAT:
        return True
    return any(_repeats(one) for inner in _inner(item) for one in inner)


def _sample(item: Any, variant: int, *, some: bool = False) -> str:  # noqa: PLR0911  a case for each kind
    """A text that fits the item; ``some``: repetitions that may be empty are not."""
    kind, value = item
    if kind is op.LITERAL:
        return chr(int(value))
    if kind is op.NOT_LITERAL:
        return "b" if value == ord("a") else "a"
    if kind is op.ANY:
        return "ax"[variant % 2]
    if kind is op.IN:
        return _of_set(value, variant)
    if kind in _REPEATS:
        least = max(value[0], 1 if some else 0)
        return "".join(_sample(one, variant, some=some) for one in value[2]) * int(least)
    if kind is op.SUBPATTERN:
        return "".join(_sample(one, variant, some=some) for one in value[3])
    if kind is op.ATOMIC_GROUP:
        return "".join(_sample(one, variant, some=some) for one in value)
    if kind is op.BRANCH:
        branch = value[1][variant % len(value[1])]
        return "".join(_sample(one, variant, some=some) for one in branch)
    return ""


def _of_set(parts: Any, variant: int) -> str:
    compiled = re.compile("[" + _source(parts) + "]")
    fits = [letter for letter in _LETTERS if compiled.match(letter)]
    if not fits:
        fits = [chr(code) for code in range(0x3000) if compiled.match(chr(code))][:4] or ["a"]
    return fits[variant * (len(fits) // _VARIANTS) % len(fits)]


_CLASSES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _source(parts: Any) -> str:
    out = ""
    for kind, value in parts:
        if kind is op.NEGATE:
            out += "^"
        elif kind is op.LITERAL:
            out += f"\\U{value:08x}"
        elif kind is op.RANGE:
            out += f"\\U{value[0]:08x}-\\U{value[1]:08x}"
        else:
            out += _CLASSES[value]
    return out


class TooLongError(Exception):
    """One attempt took longer than `_PATIENCE_S`."""


_PATIENCE_S = 5.0
_MEASURABLE_S = 0.003
_MOST_CHARACTERS = 1 << 15


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooLongError


def growth(pattern: "re.Pattern[Any]", attack: Attack, way: str) -> float:
    """How many times as much CPU four times the text costs, at the largest size that is tried; infinite where an attempt does not end."""
    known: list[float] = []
    count = 8
    before = signal.signal(signal.SIGALRM, _stop)
    try:
        while True:
            text = attack.text(count)
            if len(text) > _MOST_CHARACTERS and known:
                break
            known.append(_spent(pattern, text, way))
            if known[-1] > 8 * _MEASURABLE_S:
                break
            count *= 2
    except TooLongError:
        return float("inf")
    finally:
        signal.signal(signal.SIGALRM, before)
    if len(known) < 3 or known[-1] < _MEASURABLE_S:
        return 0.0
    return known[-1] / max(known[-3], 1e-6)


def _spent(pattern: "re.Pattern[Any]", text: str, way: str) -> float:
    data: Any = text.encode("utf-8", "surrogatepass") if isinstance(pattern.pattern, bytes) else text
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
    try:
        begin = time.process_time()
        if way == "search":
            for _ in pattern.finditer(data):
                pass
        else:
            getattr(pattern, way)(data)
        return time.process_time() - begin
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
