"""Rows of a case folder a page at a time, out of its Parquet files through duckdb, so that the size of a case does not matter.

SQL reaches the case's own files and nothing else: no other file, no network, no extension, and only to read.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from analyzer.errors import InputError, UsageError
from analyzer.tables.column import Dtype, Value
from analyzer.tables.query import connected, literally, read_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from analyzer.tables.registry import AnyTable

Cells: TypeAlias = "list[tuple[Value, ...]]"
MEMORY = "1GB"
"""Of all queries together."""
SECONDS = 10.0
"""How long one query may take."""
_THREADS = 2


class Answer(NamedTuple):
    """What a query gave: names of columns, rows of plain values, and whether there are more than were asked for."""

    names: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


class StoredTables:
    """The tables of a case folder. `InputError`: one of its files cannot be read."""

    def __init__(self, files: Mapping[AnyTable, Path]) -> None:
        settings: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "python_enable_replacements": "false"}
        self._tables = {table.name: table for table in files}
        self._database = connected(settings | {"memory_limit": MEMORY, "threads": _THREADS})
        paths = ", ".join(_quoted(str(path)) for path in files.values())
        self._database.execute(f"SET allowed_paths = [{paths}]")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")
        for table, path in files.items():
            self._view(table, path)

    def _view(self, table: AnyTable, path: Path) -> None:
        """Two views: the cells as `analyzer.tables.query.read_parquet` gives them, and, for people's SQL, the file as it is."""
        import duckdb

        source = f"read_parquet({_quoted(literally(path))})"
        try:
            there = set(self._database.sql(f"SELECT * FROM {source} LIMIT 0").columns)  # noqa: S608  our own path, quoted
            cells = ", ".join(read_cell(column, column.name in there) for column in table.columns)
            self._database.execute(f"CREATE VIEW {_name(table.name)} AS SELECT * FROM {source}")  # noqa: S608  as above
            self._database.execute(f"CREATE VIEW {_name('cells of ' + table.name)} AS SELECT {cells} FROM {source}")  # noqa: S608  names of our own table
        except duckdb.Error as error:
            msg = f"cannot read {path}: {str(error).splitlines()[0]}"
            raise InputError(msg) from error

    @property
    def names(self) -> list[str]:
        """The tables, in their order."""
        return list(self._tables)

    def count(self, table: str, containing: str = "", where: Mapping[str, str] | None = None) -> int:
        """How many rows hold ``containing`` in one of their texts (in any case of letters), and have these values in these columns."""
        condition, values = self._condition(table, containing, where or {})
        found = self._run(f"SELECT count(*) FROM {_name('cells of ' + table)} WHERE {condition}", values, 1)  # noqa: S608  values are parameters
        return int(found.rows[0][0])

    def page(
        self, table: str, first: int, rows: int, *, containing: str = "", where: Mapping[str, str] | None = None, order: str = "", down: bool = False
    ) -> Cells:
        """Rows from place ``first`` (from 0) on. ``order``: a column. `UsageError`: there is no such column."""
        condition, values = self._condition(table, containing, where or {})
        if order and order not in self._tables[table].names:
            msg = f"the table {table} has no column {order!r}"
            raise UsageError(msg)
        ordered = f"ORDER BY {_name(order)} {'DESC' if down else 'ASC'} NULLS LAST" if order else ""
        query = f"SELECT * FROM {_name('cells of ' + table)} WHERE {condition} {ordered} LIMIT {rows:d} OFFSET {first:d}"  # noqa: S608  names are checked
        return self._run(query, values, rows).rows

    def listing(self, table: str, column: str, member: str, rows: int) -> Cells:
        """Rows whose ``column`` is a comma-joined list with this member."""
        query = f"SELECT * FROM {_name('cells of ' + table)} WHERE list_contains(string_split({_name(column)}, ','), ?) LIMIT {rows:d}"  # noqa: S608
        return self._run(query, [member], rows).rows

    def drawings_of(self, connection: str, most: int) -> Cells:
        """The arrows of the diagrams that show a connection."""
        cells = _name("cells of ladders")
        query = (
            f"SELECT * FROM {cells} WHERE drawing IN "  # noqa: S608  the value is a parameter
            f"(SELECT drawing FROM {cells} WHERE record = ? OR starts_with(record, ? || '.')) LIMIT {most:d}"
        )
        return self._run(query, [connection, connection], most).rows

    def sql(self, query: str, rows: int, seconds: float = SECONDS) -> Answer:
        """What one SELECT gives, at most so many rows. `UsageError`: it is none, it is wrong, or it takes too long."""
        import duckdb

        try:
            statements = self._database.extract_statements(query)
        except duckdb.Error as error:
            raise _refused(error) from error
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            msg = "the SQL was refused: it has to be one SELECT"
            raise UsageError(msg)
        return self._run(query, [], rows, seconds)

    def _condition(self, table: str, containing: str, where: Mapping[str, str]) -> tuple[str, list[str]]:
        names = self._tables[table].names
        if unknown := [name for name in where if name not in names]:
            msg = f"the table {table} has no column {unknown[0]!r}"
            raise UsageError(msg)
        parts, values = [f"{_name(name)}::VARCHAR = ?" for name in where], list(where.values())
        if containing:
            texts = [column.name for column in self._tables[table].columns if column.dtype is Dtype.TEXT]
            parts.append("(" + " OR ".join(f"contains(lower({_name(name)}), lower(?))" for name in texts) + ")")
            values += [containing] * len(texts)
        return " AND ".join(parts) or "true", values

    def _run(self, query: str, values: Sequence[str], rows: int, seconds: float = SECONDS) -> Answer:
        import duckdb

        with self._database.cursor() as cursor, _stopped(cursor, seconds):
            try:
                found = cursor.execute(query, values)
                names = [item[0] for item in found.description or ()]
                got = found.fetchmany(rows + 1)
            except duckdb.InterruptException as error:
                msg = f"the SQL was stopped: it took more than {seconds:g} s"
                raise UsageError(msg) from error
            except (duckdb.Error, OverflowError, ValueError) as error:
                raise _refused(error) from error
        return Answer(names, got[:rows], len(got) > rows)


@contextmanager
def _stopped(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = Timer(seconds, cursor.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _refused(error: Exception) -> UsageError:
    return UsageError(f"the SQL was refused: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
