import pandas as pd
import pytest

from analyzer.tables.column import Column, Dtype, Table, Value
from analyzer.tables.frames import frame, storable
from analyzer.tables.registry import TABLES, AnyTable
from tests.build import evidence as build

KINDS: Table[tuple[Value, ...]] = Table(
    name="kinds",
    means="One column of each type.",
    columns=(
        Column("s", Dtype.TEXT, lambda row: row[0], "."),
        Column("i", Dtype.INTEGER, lambda row: row[1], "."),
        Column("f", Dtype.NUMBER, lambda row: row[2], "."),
        Column("b", Dtype.FLAG, lambda row: row[3], "."),
        Column("t", Dtype.TIME, lambda row: row[4], "."),
    ),
    rows=lambda _result: [("a\ud800\x1b", (1 << 62) + 1, 0.5, True, 1_767_323_045_123_456_789), (None,) * 5],
    screen=(),
)


def test_types_and_nulls() -> None:
    made = frame(KINDS, build.nothing())
    assert [str(dtype) for dtype in made.dtypes] == ["string", "Int64", "float64", "boolean", "datetime64[ns, UTC]"]
    assert made["i"][0] == (1 << 62) + 1
    assert made["t"][0] == pd.Timestamp(1_767_323_045_123_456_789, tz="UTC")
    assert made["s"][0] == "a\ud800\x1b"
    assert made.iloc[1].isna().all()


def test_what_parquet_cannot_hold_is_replaced() -> None:
    made = storable(frame(KINDS, build.nothing()))
    assert made["s"][0] == "a\ufffd\x1b"
    assert str(made["t"].dtype) == "datetime64[ns]"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_empty_and_full_frames_have_equal_types(table: AnyTable) -> None:
    full, empty = frame(table, build.direct()), frame(table, build.nothing())
    assert list(full.columns) == list(empty.columns) == list(table.names)
    assert full.dtypes.equals(empty.dtypes)
