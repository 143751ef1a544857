"""A part of a table: some of its columns, and the rows that an SQL condition keeps."""

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.errors import UsageError
from analyzer.records.result import Result
from analyzer.tables.column import Value
from analyzer.tables.registry import AnyTable


class Selection(NamedTuple):
    """``rows`` hold the cells of all columns of the table; ``columns`` are the names to show, in order."""

    table: AnyTable
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]


def selection(table: AnyTable, result: Result, columns: Sequence[str], where: str | None) -> Selection:
    """The table's rows for which the condition holds (all without one); `UsageError` for a column that it does not have."""
    for name in columns:
        if name not in table.names:
            msg = f"the table {table.name} has no column {name!r}; it has {', '.join(table.names)}"
            raise UsageError(msg)
    rows = table.values(result)
    if where is not None:
        from analyzer.tables import frames, query

        rows = [rows[place] for place in query.matching(frames.frame(table, result), where)]
    return Selection(table, tuple(columns), rows)
