"""SQL over the tables, and Parquet, through duckdb. No extension is ever loaded or fetched, and SQL reaches no file and no network.

Times are TIMESTAMP_NS in UTC: duckdb's zoned type has microseconds only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from analyzer.errors import OutputError, UsageError
from analyzer.tables import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd

Frame: TypeAlias = "pd.DataFrame"

_Config: TypeAlias = "dict[str, str | bool | int | float | list[str]]"

_NO_EXTENSIONS: _Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_PLACE = "__place"


def select(query: str, sources: Mapping[str, Callable[[], Frame]]) -> Frame:
    """The rows that a SQL query over the named tables gives. Tables whose names do not occur in the query are not built."""
    import duckdb

    with _sealed() as connection:
        for name, build in sources.items():
            if name in query.lower():
                connection.register(name, frames.storable(build()))
        try:
            return frames.zoned(connection.execute(query).df())
        except duckdb.Error as error:
            raise _refused(error) from error


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
    """The frame as a Parquet file, compressed with zstd."""
    import duckdb

    with duckdb.connect(config=_NO_EXTENSIONS) as connection:
        connection.register("rows_", frames.storable(made))
        try:
            connection.sql("select * from rows_").write_parquet(str(path), compression="zstd")
        except duckdb.Error as error:
            msg = f"cannot write {path}: {error}"
            raise OutputError(msg) from error


def _sealed() -> duckdb.DuckDBPyConnection:
    import duckdb

    sealed: _Config = {"enable_external_access": "false", "python_enable_replacements": "false", "lock_configuration": "true"}
    return duckdb.connect(config=_NO_EXTENSIONS | sealed)


def _refused(error: Exception) -> UsageError:
    return UsageError(f"the SQL was refused: {str(error).splitlines()[0]}")
