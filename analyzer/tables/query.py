"""SQL over the tables, and Parquet, through duckdb. No extension is ever loaded or fetched, and SQL reaches no file and no network.

Times are TIMESTAMP_NS in UTC: duckdb's zoned type has microseconds only.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from analyzer.errors import InputError, OutputError, UsageError
from analyzer.tables import frames
from analyzer.tables.column import Column, Dtype, Value
from analyzer.tables.registry import AnyTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import duckdb
    import pandas as pd

Frame: TypeAlias = "pd.DataFrame"

_Config: TypeAlias = "dict[str, str | bool | int | float | list[str]]"

_NO_EXTENSIONS: _Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_PLACE = "__place"


def connected(config: _Config, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A database that does not print how far it is: that would stand on standard output, in the middle of a result."""
    import duckdb

    connection = duckdb.connect(database, config=config)
    with suppress(duckdb.InvalidInputException):  # in a notebook it has none without ipywidgets, and refuses to be told so
        connection.execute("SET enable_progress_bar_print = false")
    return connection


def select(query: str, sources: Mapping[str, Callable[[], Frame]]) -> Frame:
    """The rows that a SQL query over the named tables gives. Tables whose names do not occur in the query are not built."""
    import duckdb

    with _sealed() as connection:
        for name, build in sources.items():
            if name in query.lower():
                connection.register(name, frames.storable(build()))
        try:
            done = connection.execute(query)
            whole = [place for place, told in enumerate(done.description or ()) if str(told[1]) in _WIDE]
            return frames.zoned(_counted(done.df(), whole))
        except duckdb.Error as error:
            raise _refused(error) from error


_WIDE = ("HUGEINT", "UHUGEINT")
"""What duckdb gives for the sum of a column of integers; its DataFrame has floats for it."""
_EXACT = 2.0**53


def _counted(found: Frame, whole: list[int]) -> Frame:
    """The frame with these columns as integers (nullable ``Int64``), where the floats hold them exactly."""
    for place in whole:
        column = found.iloc[:, place]
        if not (column.abs() >= _EXACT).any():
            found.isetitem(place, column.astype("Int64").array)
    return found


def matching(made: Frame, where: str) -> list[int]:
    """The places (from 0, ascending) of the rows for which the SQL condition holds."""
    import duckdb

    numbered = frames.storable(made)
    numbered[_PLACE] = range(len(numbered))
    with _sealed() as connection:
        connection.register("rows_", numbered)
        try:
            found = connection.sql(f"select {_PLACE} from rows_ where ({where}\n) order by 1").fetchall()  # noqa: S608 (the user's own SQL, without access to files)
        except duckdb.Error as error:
            raise _refused(error) from error
    return [int(row[0]) for row in found]


def write_parquet(made: Frame, path: Path) -> None:
    """The frame as a Parquet file, compressed with zstd. Equal frames give equal bytes: one thread writes the rows in their order, and no time is put in."""
    import duckdb

    with _files().cursor() as connection:
        connection.register("rows_", frames.storable(made))
        try:
            connection.sql("select * from rows_").write_parquet(str(path), compression="zstd")
        except duckdb.Error as error:
            msg = f"cannot write {path.name}: {str(error).splitlines()[0]}"
            raise OutputError(msg) from error


def join_parquet(pieces: Sequence[Path], path: Path, row_bytes: int = 0) -> None:
    """The rows of these Parquet files, one after the other, as one file. ``row_bytes``: about how large a row is."""
    import duckdb

    group = max(min(_ROW_GROUP, _GROUP_BYTES // max(row_bytes, 1)) // _VECTOR * _VECTOR, _VECTOR)
    megabytes = max(128, _COPIES * group * row_bytes >> 20)
    with connected(_NO_EXTENSIONS | {"threads": 1, "memory_limit": f"{megabytes}MB"}) as connection:
        try:
            connection.read_parquet([literally(one) for one in pieces]).write_parquet(str(path), compression="zstd", row_group_size=group)
        except duckdb.Error as error:
            msg = f"cannot write {path.name}: {str(error).splitlines()[0]}"
            raise OutputError(msg) from error


_VECTOR = 2_048
"""Rows that DuckDB takes together at least."""
_ROW_GROUP = 8 * _VECTOR
"""Rows that DuckDB holds before it writes them, in a file that is written piece by piece."""
_GROUP_BYTES, _COPIES = 16 << 20, 8
"""How many bytes these may be, about, and how often DuckDB has them meanwhile, at most."""


def write_database(made: Mapping[str, Frame], path: Path) -> None:
    """The frames as tables of a DuckDB database, which must not be there yet."""
    import duckdb

    try:
        with connected(_NO_EXTENSIONS | {"threads": 1}, str(path)) as connection:
            for name, one in made.items():
                connection.register("rows_", frames.storable(one))
                connection.execute(f'create table "{name}" as select * from rows_')  # noqa: S608  names of our own
                connection.unregister("rows_")
    except duckdb.Error as error:
        msg = f"cannot write the database: {str(error).splitlines()[0]}"
        raise OutputError(msg) from error


_SQL_TYPES = {Dtype.TEXT: "VARCHAR", Dtype.INTEGER: "BIGINT", Dtype.NUMBER: "DOUBLE", Dtype.FLAG: "BOOLEAN", Dtype.TIME: "TIMESTAMP_NS"}


def read_parquet(table: AnyTable, path: Path) -> list[tuple[Value, ...]]:
    """The table's cells out of a Parquet file, as `Table.values` gives them; null for a column that the file lacks. `InputError`: it cannot be read."""
    import duckdb

    with _files().cursor() as connection:
        try:
            file = connection.read_parquet(literally(path))
            cells = [read_cell(column, column.name in file.columns) for column in table.columns]
            found = file.project(", ".join(cells)).fetchall()
        except duckdb.Error as error:
            msg = f"cannot read {path}: {str(error).splitlines()[0]}"
            raise InputError(msg) from error
    return [tuple(row) for row in found]


def read_cell(column: Column[Any], there: bool) -> str:  # noqa: FBT001  whether the file has it is all that there is to say
    """The SQL for a cell of a Parquet file. Cast, since whoever made the file may have put anything under the name; times as nanoseconds since 1970."""
    name = '"' + column.name.replace('"', '""') + '"'
    if not there:
        return f"NULL AS {name}"
    cast = f"try_cast({name} AS {_SQL_TYPES[column.dtype]})"
    if column.dtype is Dtype.TIME:
        return f"epoch_ns({cast}) AS {name}"
    return f"nullif({cast}, 'NaN'::DOUBLE) AS {name}" if column.dtype is Dtype.NUMBER else f"{cast} AS {name}"


def literally(path: Path) -> str:
    """The path for a function that takes patterns."""
    return "".join(f"[{char}]" if char in "[*?" else char for char in str(path))


@cache
def _files() -> duckdb.DuckDBPyConnection:
    """A database that may read and write files. It stays, since a case has a dozen tables and a new database costs more than most of them."""
    return connected(_NO_EXTENSIONS | {"threads": 1})


def _sealed() -> duckdb.DuckDBPyConnection:
    sealed: _Config = {"enable_external_access": "false", "python_enable_replacements": "false"}
    connection = connected(_NO_EXTENSIONS | sealed)
    connection.execute("SET lock_configuration = true")
    return connection


def _refused(error: Exception) -> UsageError:
    return UsageError(f"the SQL was refused: {str(error).splitlines()[0]}")
