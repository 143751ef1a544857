"""All tables as a database in one file, to be asked by SQL elsewhere. Equal tables give equal contents; the bytes may differ."""

from collections.abc import Iterator

from analyzer.exports.registry import Source
from analyzer.system.outputs import scratch
from analyzer.tables.column import Dtype, Value
from analyzer.tables.registry import TABLES, AnyTable
from analyzer.tables.times import rfc3339

_TYPES = {Dtype.TEXT: "TEXT", Dtype.INTEGER: "INTEGER", Dtype.NUMBER: "REAL", Dtype.FLAG: "INTEGER", Dtype.TIME: "TEXT"}
"""SQLite has no type for times and flags: a time is its RFC 3339 text in UTC, which sorts as the times do; a flag is 0 or 1."""


def sqlite(source: Source) -> bytes:
    """A SQLite database."""
    import sqlite3

    with scratch() as folder:
        path = folder / "case.sqlite"
        database = sqlite3.connect(path)
        try:
            for table in TABLES:
                columns = ", ".join(f'"{column.name}" {_TYPES[column.dtype]}' for column in table.columns)
                database.execute(f'create table "{table.name}" ({columns})')
                places = ", ".join("?" for _ in table.columns)
                database.executemany(f'insert into "{table.name}" values ({places})', _rows(table, source))  # noqa: S608  names of our own
            database.commit()
        finally:
            database.close()
        return path.read_bytes()


def _rows(table: AnyTable, source: Source) -> Iterator[list[Value]]:
    times = [column.name for column in table.columns if column.dtype is Dtype.TIME]
    for row in source.rows.of(table.name):
        cells = {name: cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell for name, cell in row.items()}
        yield list((cells | {name: rfc3339(int(cell)) for name in times if (cell := cells[name]) is not None}).values())


def duckdb(source: Source) -> bytes:
    """A DuckDB database; times are TIMESTAMP_NS in UTC, as in the Parquet files."""
    from analyzer.tables.frames import frame_of
    from analyzer.tables.query import write_database

    with scratch() as folder:
        path = folder / "case.duckdb"
        write_database({table.name: frame_of(table, [tuple(row.values()) for row in source.rows.of(table.name)]) for table in TABLES}, path)
        return path.read_bytes()
