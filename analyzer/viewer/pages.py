"""What the viewer's pages hold: rows of tables as cells with links, and what belongs to a row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from analyzer.formats.text import visible
from analyzer.tables.column import Dtype, Value
from analyzer.tables.registry import TABLES, AnyTable, table_named
from analyzer.tables.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ID = re.compile(r"c\d+(?:\.\d+)*(?:\.(?:x|a|m)\d+)?(?:\.[qs])?|[a-z]+\d+(?:\.[a-z]+\d+)*")
_LIST = re.compile(r"[a-z][a-z0-9.]*(?:,[a-z][a-z0-9.]*)*")
_SHORT = 40
LONG = 400
"""Characters of a cell in a list; a row's own page has all of it."""


class Piece(NamedTuple):
    """Text of a cell; ``table`` and ``name`` where it is the id of a row."""

    text: str
    table: str = ""
    name: str = ""


class Cell(NamedTuple):
    """A cell as pages show it: pieces, whether it is a number, and whether it was cut."""

    pieces: tuple[Piece, ...]
    number: bool = False
    cut: bool = False

    @property
    def long(self) -> bool:
        """It needs room to be read."""
        return sum(len(piece.text) for piece in self.pieces) > _SHORT


class Related(NamedTuple):
    """Rows of another table that name a row: how many there are in all, and the first ones. ``column``: which names it."""

    table: str
    column: str
    total: int
    rows: list[list[Cell]]
    more: bool


def id_column(table: AnyTable) -> str | None:
    """The column that names the table's own rows: the first one, where that is an id."""
    first = table.names[0]
    return first if first.endswith("_id") else None


ID_TABLES = {name: table.name for table in reversed(TABLES) if (name := id_column(table)) is not None}
"""The column that is some table's id to that table (the first one: `tls` is named by connections, too). Its values are links wherever it stands."""
LISTS = {"findings": "findings", "connections": "connections", "explained_by": "incidents", "near_connections": "connections", "far_connections": "connections"}
"""Columns that hold ids of another table, comma-joined or alone."""


def cells(table: AnyTable, names: Sequence[str], row: Sequence[Value], longest: int | None = LONG) -> list[Cell]:
    """The cells of a row in the order of ``names``."""
    by_name = dict(zip(table.names, row, strict=True))
    kinds = {column.name: column.dtype for column in table.columns}
    return [cell(table.name, name, kinds[name], by_name[name], longest) for name in names]


def cell(table: str, name: str, kind: Dtype, value: Value, longest: int | None = LONG) -> Cell:
    """One cell. Captured text is shown by `visible`, so that no control character acts."""
    if value is None:
        return Cell(())
    if kind is Dtype.TIME:
        return Cell((Piece(rfc3339(int(value))),), number=True)
    if kind is Dtype.FLAG:
        return Cell((Piece("yes" if value else "no"),))
    if kind in (Dtype.INTEGER, Dtype.NUMBER):
        return Cell((Piece(str(value) if kind is Dtype.INTEGER else f"{value:.6g}"),), number=True)
    text = str(value)
    to = ID_TABLES.get(name) or (LISTS.get(name) if table != name else None)
    if to is not None and _LIST.fullmatch(text):
        return Cell(tuple(Piece(one, to, one) for one in text.split(",")[:64]), cut=text.count(",") >= 64)
    shown = visible(text)
    cut = longest is not None and len(shown) > longest
    return Cell((Piece(shown[:longest] if cut else shown),), cut=cut)


def naming(table: AnyTable) -> Iterable[tuple[str, str, bool]]:
    """(table, column, is a list) of every place that can name a row of this table."""
    own = id_column(table)
    for other in TABLES:
        for column in other.columns:
            if other.name != table.name and column.name == own:
                yield other.name, column.name, False
            elif LISTS.get(column.name) == table.name and column.name != own and other.name != table.name:
                yield other.name, column.name, True


def screen(name: str) -> tuple[str, ...]:
    """The columns of a table that fit a screen; all of them where it names none."""
    table = table_named(name)
    return table.screen or tuple(table.names)
