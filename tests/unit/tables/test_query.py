from pathlib import Path

import duckdb
import pytest

from analyzer.errors import UsageError
from analyzer.tables import query
from analyzer.tables.frames import frame
from analyzer.tables.query import matching, select, write_parquet
from analyzer.tables.registry import TABLES, AnyTable, table_named
from tests.build import evidence as build

CONNECTIONS = table_named("connections")


def test_rows_for_which_a_condition_holds() -> None:
    made = frame(table_named("exchanges"), build.direct())
    assert matching(made, "status = 401") == [0]
    assert matching(made, "request_time > '2026-01-02 03:04:05.015'") == [1]
    assert matching(made, "action is null -- a comment") == [0, 1]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to '/tmp/leak.csv'",
        "install httpfs",
        "load httpfs",
        "attach '/tmp/other.db'",
        "set enable_external_access = true",
        "select * from secret_frame",
        "select",
    ],
)
def test_sql_reaches_nothing_but_the_tables(sql: str) -> None:
    secret_frame = frame(CONNECTIONS, build.direct())
    assert len(secret_frame) == 1
    with pytest.raises(UsageError):
        select(sql, {})


def test_times_come_back_with_nanoseconds_and_zone() -> None:
    found = select("select first_time, exchanges from connections", {"connections": lambda: frame(CONNECTIONS, build.direct())})
    assert found["first_time"][0].value == build.T0
    assert str(found["first_time"].dtype) == "datetime64[ns, UTC]"


def test_sums_of_integers_are_integers() -> None:
    connections = {"connections": lambda: frame(CONNECTIONS, build.direct())}
    found = select("select sum(exchanges) as s, sum(null::bigint) as empty, 10::hugeint ** 20 as large, 1.5 as half from connections", connections)
    assert [str(kind) for kind in found.dtypes] == ["Int64", "Int64", "float64", "float64"]
    assert found["s"].tolist() == [2]
    assert found["empty"].isna().all()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_parquet_has_the_columns_and_their_types(table: AnyTable, tmp_path: Path) -> None:
    shapes = []
    for place, result in enumerate((build.direct(), build.nothing())):
        path = tmp_path / f"{place}.parquet"
        write_parquet(frame(table, result), path)
        shapes.append(duckdb.read_parquet(str(path)).description)
    assert shapes[0] == shapes[1]
    assert [field[0] for field in shapes[0]] == list(table.names)


def test_no_database_prints_how_far_it_is(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Standard output is the result's. DuckDB tells of what takes long; here all takes long."""

    for connection in (query._files(), query._sealed(), query.connected({}, str(tmp_path / "a.duckdb"))):
        told = connection.execute("select current_setting('enable_progress_bar_print')").fetchone()
        assert told == (False,)
    piece = tmp_path / "piece.parquet"
    with query.connected({}) as connection:
        connection.execute(f"copy (select i, repeat(md5(i::varchar), 20) as text from range(4000) t(i)) to '{piece}' (format parquet)")  # noqa: S608  a path of our own
    capfd.readouterr()
    query.join_parquet([piece] * 60, tmp_path / "whole.parquet", 700)
    assert capfd.readouterr().out == ""


def test_databases_are_opened_in_one_place() -> None:
    package = Path(query.__file__).parents[1]
    assert [path.name for path in package.rglob("*.py") if "duckdb.connect(" in path.read_text(encoding="utf-8")] == ["query.py"]
