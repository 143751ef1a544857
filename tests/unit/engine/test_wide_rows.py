"""Tables of long texts are written piece by piece within the memory that DuckDB is given for it."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from analyzer.engine.store import _write_rows
from analyzer.tables.column import Value
from analyzer.tables.registry import table_named

COUNT = 20_000


def test_rows_of_long_texts_are_written_in_order(tmp_path: Path) -> None:
    """Findings with some hundred packets each: 16,384 of these are more than DuckDB may hold."""
    table = table_named("findings")
    place = table.names.index("why")

    def rows() -> Iterator[tuple[Value, ...]]:
        for number in range(COUNT):
            row: list[Value] = [None] * len(table.names)
            row[place] = f"{number:09d} " * 500
            yield tuple(row)

    path = tmp_path / "findings.parquet"
    assert _write_rows(table, rows(), path) == COUNT
    with duckdb.connect() as connection:
        found = connection.read_parquet(str(path)).select("why").fetchall()
    assert [int(row[0][:9]) for row in found] == list(range(COUNT))
    assert not list(tmp_path.glob("*.pieces"))
