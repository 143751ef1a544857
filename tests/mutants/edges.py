"""The edges of a source file, each with a change that some test should notice: comparisons, numbers, truth values, and what joins conditions.

A change is made in the text at the place that the syntax tree gives, so everything else of the file stays as it is.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: (r"<", "<="),
    ast.LtE: (r"<=", "<"),
    ast.Gt: (r">", ">="),
    ast.GtE: (r">=", ">"),
    ast.Eq: (r"==", "!="),
    ast.NotEq: (r"!=", "=="),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
}
"""How each comparison is written, and what is put in its place: at an edge the neighbor, else the opposite."""
JOINS: dict[type[ast.boolop], tuple[str, str]] = {ast.And: (r"\band\b", "or"), ast.Or: (r"\bor\b", "and")}
STEPS = (1, -1)
"""What is added to a number."""


class Mutant(NamedTuple):
    """One change of one file: the text from ``at`` to ``end`` becomes ``after``."""

    path: str
    line: int
    at: int
    end: int
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The file with the change."""
        return text[: self.at] + self.after + text[self.end :]

    def told(self, text: str) -> str:
        """For people: where it is, what was changed, and the line."""
        return f"{self.path}:{self.line}: {self.before} -> {self.after}: {text.splitlines()[self.line - 1].strip()}"


def mutants(path: str, text: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    found = {(at, end, after): line for line, at, end, after in _changes(ast.parse(text), _Places(text))}
    return [Mutant(path, line, at, end, text[at:end], after) for (at, end, after), line in sorted(found.items())]


def drawn(root: Path, folders: tuple[str, ...], number: int, seed: int) -> list[Mutant]:
    """As many of each folder, whatever its size; always the same ones for a seed and a state of the sources."""
    dice = Random(seed)
    chosen: list[Mutant] = []
    for place, folder in enumerate(folders):
        share = number // len(folders) + (place < number % len(folders))
        files = sorted((root / folder).rglob("*.py"))
        every = [one for file in files for one in mutants(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))]
        chosen += dice.sample(every, min(share, len(every)))
    return chosen


class _Places:
    """Turns lines and columns (in bytes of UTF-8) of the tree to offsets in the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)

    def begin(self, node: ast.expr) -> int:
        return self.at(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        return self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def between(self, left: ast.expr, right: ast.expr, pattern: str) -> tuple[int, int] | None:
        """Where an operator stands between its operands; comments between them are not looked into."""
        start, stop = self.end(left), self.begin(right)
        gap = re.sub(r"#[^\n]*", lambda match: " " * len(match[0]), self.text[start:stop])
        found = re.search(pattern, gap)
        return None if found is None else (start + found.start(), start + found.end())

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1


Change = tuple[int, int, int, str]
"""Line, begin, end, and the text that is put there."""


def _changes(tree: ast.AST, places: _Places) -> Iterator[Change]:
    for node in _looked_at(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
                pattern, after = COMPARISONS[type(operator)]
                yield from _replaced(places.between(left, right, pattern), after, places)
        elif isinstance(node, ast.BoolOp):
            pattern, after = JOINS[type(node.op)]
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from _replaced(places.between(left, right, pattern), after, places)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from _replaced((places.begin(node), places.begin(node.operand)), "", places)
        elif isinstance(node, ast.Constant):
            span = places.begin(node), places.end(node)
            for other in _others(node.value):
                yield from _replaced(span, other, places)


def _replaced(span: tuple[int, int] | None, after: str, places: _Places) -> Iterator[Change]:
    if span is not None:
        yield places.line(span[0]), *span, after


def _others(value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (str(not value),)
    if isinstance(value, int):
        return tuple(str(value + step) for step in STEPS if value + step >= 0)
    if isinstance(value, float):
        return (repr(value * 1.01), repr(value * 0.99))
    return ()


def _looked_at(node: ast.AST) -> Iterator[ast.AST]:
    """Not looked at: annotations, formatted texts (Python 3.11 has no places inside of them), and what a class statement is told (frozen, gc)."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"} or (isinstance(node, ast.ClassDef) and name == "keywords"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from _looked_at(child)
