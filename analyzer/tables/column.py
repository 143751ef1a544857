"""What a table is: its columns, each with a name, a type, where its value comes from and what it means."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from analyzer.records.result import Result

Value: TypeAlias = str | int | float | bool | None
"""A cell. Times are int nanoseconds since 1970 UTC until a writer or a DataFrame shows them."""

Row = TypeVar("Row")
_PIECE = 1000
"""Rows that are there at a time: of most tables they are made for their cells only."""


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


class ByColumn(Struct, frozen=True, gc=False):
    """The cells of a table, column by column."""

    cells: list[list[Value]]


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
        rows = iter(self.rows(result))
        made: list[tuple[Value, ...]] = []
        while piece := list(islice(rows, _PIECE)):
            made.extend(zip(*[map(column.get, piece) for column in self.columns], strict=True))
        return made

    def columns_of(self, result: Result) -> ByColumn:
        """All cells, column by column, in the order of the rows: what makes a frame, without a tuple for each row."""
        rows = iter(self.rows(result))
        made: list[list[Value]] = [[] for _ in self.columns]
        while piece := list(islice(rows, _PIECE)):
            for column, cells in zip(self.columns, made, strict=True):
                cells.extend(map(column.get, piece))
        return ByColumn(made)


def through(filters: Mapping[int, Callable[[str], str]], rows: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """The rows with the texts at these places as their filters leave them. Each text is filtered once, however many rows have it."""
    changed = {place: made for place, kept in filters.items() if (made := _changed(kept, (row[place] for row in rows)))}
    return [_with(changed, row) for row in rows] if changed else rows


def columns_through(filters: Mapping[int, Callable[[str], str]], columns: ByColumn) -> ByColumn:
    """The same of columns."""
    found = list(columns.cells)
    for place, kept in filters.items():
        made = _changed(kept, found[place])
        if made:
            found[place] = [made.get(cell, cell) if isinstance(cell, str) else cell for cell in found[place]]
    return ByColumn(found)


def _changed(kept: Callable[[str], str], cells: Iterable[Value]) -> dict[str, str]:
    return {text: shown for text in set(cells) if isinstance(text, str) and (shown := kept(text)) != text}


def _with(changed: Mapping[int, Mapping[str, str]], row: tuple[Value, ...]) -> tuple[Value, ...]:
    cells = list(row)
    for place, made in changed.items():
        cell = cells[place]
        if isinstance(cell, str):
            cells[place] = made.get(cell, cell)
    return tuple(cells)
