"""A part of a table: some of its columns, and the rows that an SQL condition keeps."""

from collections.abc import Sequence

from msgspec import Struct

from analyzer.errors import UsageError
from analyzer.tables.column import Value
from analyzer.tables.registry import AnyTable


class Selection(Struct, frozen=True, gc=False):
    """``rows`` hold the cells of all columns of the table; ``columns`` are the names to show, in order."""

    table: AnyTable
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]


def selection(table: AnyTable, rows: list[tuple[Value, ...]], columns: Sequence[str], where: str | None) -> Selection:
    """Those of the table's rows for which the condition holds (all without one); `UsageError` for a column that it does not have."""
    for name in columns:
        if name not in table.names:
            msg = f"the table {table.name} has no column {name!r}; it has {', '.join(table.names)}"
            raise UsageError(msg)
    if where is not None:
        from analyzer.tables import frames, query

        rows = [rows[place] for place in query.matching(frames.frame_of(table, rows), where)]
    return Selection(table, tuple(columns), rows)
