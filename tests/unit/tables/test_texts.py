import csv
import io
import json

import pytest

from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.texts import csv_lines, json_array, json_lines
from analyzer.tables.times import rfc3339
from tests.build.evidence import T0

TABLE: Table[str] = Table(
    name="texts",
    means="One text and one time.",
    columns=(Column("text", Dtype.TEXT, lambda row: row, "."), Column("time", Dtype.TIME, lambda _row: T0, ".")),
    rows=lambda _result: [],
    screen=(),
)
NAMES = ("text", "time")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\0x"])
def test_csv_cells_are_no_formulas(text: str) -> None:
    made = "".join(csv_lines(TABLE, [(text, T0)], NAMES))
    cell = list(csv.reader(io.StringIO(made)))[1][0]
    assert cell.startswith("'")
    assert all(char == "\n" or char.isprintable() for char in made)


def test_csv_tells_null_from_empty_and_quotes_quotes() -> None:
    rows = [(None, None), ("", T0), ('a "b", c', T0)]
    assert "".join(csv_lines(TABLE, rows, NAMES)) == ('text,time\n,\n"",2026-01-02T03:04:05.000000000Z\n"a ""b"", c",2026-01-02T03:04:05.000000000Z\n')


def test_json_is_exact_and_printable() -> None:
    text = "\x1b\x7f\u202e\ud800é=1"
    made = "".join(json_lines(TABLE, [(text, T0)], NAMES))
    assert made.isascii()
    assert made.rstrip("\n").isprintable()
    assert json.loads(made) == {"text": text, "time": "2026-01-02T03:04:05.000000000Z", "schema_version": 1}


def test_json_array_of_none_one_and_two() -> None:
    for rows in ([], [("a", T0)], [("a", T0), (None, None)]):
        assert [value["text"] for value in json.loads("".join(json_array(TABLE, rows, NAMES)))] == [row[0] for row in rows]


def test_nanoseconds() -> None:
    assert rfc3339(1_767_323_045_000_000_001) == "2026-01-02T03:04:05.000000001Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999999Z"
    assert rfc3339((1 << 63) - 1) == "2262-04-11T23:47:16.854775807Z"
