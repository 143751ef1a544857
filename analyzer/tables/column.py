"""What a table is: its columns, each with a name, a type, where its value comes from and what it means."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from analyzer.records.result import Result

Value: TypeAlias = str | int | float | bool | None
"""A cell. Times are int nanoseconds since 1970 UTC until a writer or a DataFrame shows them."""

Row = TypeVar("Row")


class Dtype(StrEnum):
    """The types of cells. All of them can be null."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"


class Column(Struct, Generic[Row], frozen=True, gc=False):
    """One column: ``get`` takes a row of its table; ``means`` is a sentence for docs/tables.md, with the unit when the name does not say it."""

    name: str
    dtype: Dtype
    get: Callable[[Row], Value]
    means: str


class Table(Struct, Generic[Row], frozen=True, gc=False):
    """One table. ``rows`` gives its rows in order; ``screen`` names the columns that a terminal shows when nobody asks for others."""

    name: str
    means: str
    columns: tuple[Column[Row], ...]
    rows: Callable[[Result], Iterable[Row]]
    screen: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    def values(self, result: Result) -> list[tuple[Value, ...]]:
        """All cells, row by row, in the order of the columns."""
        asked = [column.get for column in self.columns]
        return [tuple([get(row) for get in asked]) for row in self.rows(result)]


def through(filters: Mapping[int, Callable[[str], str]], rows: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """The rows with the texts at these places as their filters leave them. Each text is filtered once, however many rows have it."""
    changed: dict[int, dict[str, str]] = {}
    for place, kept in filters.items():
        made = {text: shown for text in {row[place] for row in rows} if isinstance(text, str) and (shown := kept(text)) != text}
        if made:
            changed[place] = made
    return [_with(changed, row) for row in rows] if changed else rows


def _with(changed: Mapping[int, Mapping[str, str]], row: tuple[Value, ...]) -> tuple[Value, ...]:
    cells = list(row)
    for place, made in changed.items():
        cell = cells[place]
        if isinstance(cell, str):
            cells[place] = made.get(cell, cell)
    return tuple(cells)
