"""The tables of a case as rows by column name."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from analyzer.tables.registry import table_named

Row: TypeAlias = Mapping[str, Any]


class Rows:
    """Each table is read once. ``cells``: the cells of a table by its name, row by row."""

    def __init__(self, name: str, cells: Callable[[str], Iterable[tuple[Any, ...]]]) -> None:
        self.name = name
        self._cells = cells
        self._read: dict[str, list[Row]] = {}

    def table(self, name: str) -> list[Row]:
        """Its rows in order."""
        if name not in self._read:
            names = table_named(name).names
            self._read[name] = [dict(zip(names, row, strict=True)) for row in self._cells(name)]
        return self._read[name]

    @cached_property
    def connections(self) -> dict[str, Row]:
        """By id."""
        return {str(row["connection_id"]): row for row in self.table("connections")}


def text(row: Row, name: str) -> str:
    """A text cell; empty for null."""
    value = row.get(name)
    return "" if value is None else str(value)


def number(row: Row, name: str) -> int:
    """A number cell; 0 for null."""
    return int(row.get(name) or 0)
