"""What looks like a secret in a text that somebody typed or a program printed: best effort, by what is declared in `table`.

`words` are the quoting rules of cmd.exe and PowerShell, `programs` applies the table of command lines, `pairs` finds values by their names, `orders`
by their place, `layers` looks into base64. `secrets_in` puts them together; `arguments_in` is the strict form, which leaves only the names of programs.
All of it is linear in the text.
"""

import re
from collections.abc import Iterator
from functools import cache, partial

from analyzer.reports.typed.layers import DEPTH, INFLATED_IN_ALL, in_layers, in_streams
from analyzer.reports.typed.markup import in_markup
from analyzer.reports.typed.orders import in_orders
from analyzer.reports.typed.pairs import in_calls, in_pairs
from analyzer.reports.typed.programs import in_programs
from analyzer.reports.typed.table import SHAPES
from analyzer.reports.typed.values import Span
from analyzer.reports.typed.words import Dialect, folded, statements

__all__ = ["Dialect", "Span", "arguments_in", "secrets_in"]

_SIGNS = "$_=<:-"
_PROGRAM = re.compile(r"[\w.:\\/$%~() -]+")


def secrets_in(text: str, dialect: Dialect | None = None, depth: int = 0, room: list[int] | None = None) -> Iterator[Span]:
    """Where secrets stand; spans may overlap and come in no order. ``dialect``: whose command line it is, None where that is not known. ``room``: see
    `analyzer.reports.typed.layers.in_layers`."""
    room = [INFLATED_IN_ALL] if room is None else room
    lower = folded(text)
    known = sorted((*in_programs(text, lower, dialect), *in_calls(text, lower), *in_orders(text, lower)))
    yield from known
    yield from in_pairs(text, lower, None if dialect is Dialect.CMD and ("powershell" in lower or "pwsh" in lower) else dialect, _joined(known))
    by_sign, patterns = _shapes()
    for place in {place for sign, hints in by_sign if sign in lower for hint, place in hints if hint in lower}:
        for found in patterns[place].finditer(text):
            yield found.span("value") if "value" in patterns[place].groupindex else found.span()
    if depth < DEPTH:
        inner = partial(secrets_in, depth=depth + 1, room=room)
        yield from in_streams(text, inner)
        yield from in_markup(text, inner)
        yield from in_layers(text, inner, room)


def _joined(spans: list[Span]) -> list[Span]:
    """Sorted spans, those that overlap as one."""
    made: list[Span] = []
    for begin, end in spans:
        if made and begin <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((begin, end))
    return made


@cache
def _shapes() -> tuple[tuple[tuple[str, tuple[tuple[str, int], ...]], ...], tuple[re.Pattern[str], ...]]:
    """The hints with the places of their patterns, by a sign that is in them and in few texts (none: empty); and the patterns."""
    by_sign: dict[str, list[tuple[str, int]]] = {}
    for place, shape in enumerate(SHAPES):
        for hint in shape.hints:
            by_sign.setdefault(next((sign for sign in _SIGNS if sign in hint), ""), []).append((hint, place))
    return tuple((sign, tuple(hints)) for sign, hints in by_sign.items()), tuple(re.compile(shape.pattern) for shape in SHAPES)


def arguments_in(text: str, dialect: Dialect) -> Iterator[Span]:
    """Everything but the name of the program that each statement begins with: one span for each statement."""
    for told in statements(text, dialect):
        first, *rest = told.words
        name = _PROGRAM.match(first.value) if not first.quoted or dialect is Dialect.CMD else None
        whole = name is not None and name.end() == len(first.value)
        begin = (rest[0].begin if rest else None) if whole else first.begin + (0 if name is None or first.quoted else name.end())
        if begin is not None:
            yield begin, (rest or [first])[-1].end
