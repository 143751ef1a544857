"""Tables as text: CSV for spreadsheets and eyes, JSON and JSON lines for programs.

CSV is safe to open: cells that a spreadsheet would take for a formula get a leading ``'`` (OWASP ASVS 1.2.10), and characters that would steer a terminal are
shown as escapes. JSON is exact; everything outside of printable ASCII is escaped there, so that it is safe to look at as well.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.tables.column import Column, Dtype, Value
from analyzer.tables.registry import AnyTable
from analyzer.tables.times import rfc3339

_FORMULA_STARTS = tuple("=+-@\t\r\0")

SCHEMA = 1
"""Of our JSON; grows when a name in it changes its meaning. Objects have it as ``schema_version``."""

Cells = Sequence[Value]


def csv_lines(table: AnyTable, rows: Iterable[Cells], columns: Sequence[str]) -> Iterator[str]:
    """RFC 4180 lines with LF ends; texts are quoted, null is an empty cell without quotes (an empty text is ``""``)."""
    places = _places(table, columns)
    yield ",".join(columns) + "\n"
    for row in rows:
        yield ",".join(_csv_cell(row[place], table.columns[place].dtype) for place in places) + "\n"


def _csv_cell(value: Value, dtype: Dtype) -> str:
    return rfc3339(int(value)) if dtype is Dtype.TIME and value is not None else safe_cell(value)


def safe_cell(value: Value) -> str:
    """A CSV cell that a spreadsheet takes for no formula and that steers no terminal."""
    if value is None:
        return ""
    if isinstance(value, str):
        shown = visible(value, limit=len(value))
        if value.startswith(_FORMULA_STARTS):
            shown = "'" + shown
        return '"' + shown.replace('"', '""') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def json_lines(table: AnyTable, rows: Iterable[Cells], columns: Sequence[str]) -> Iterator[str]:
    """One JSON object a line, its keys in the order of the columns, then ``schema_version``."""
    for value in objects(table, rows, columns):
        yield dumps(value | {"schema_version": SCHEMA}) + "\n"


def json_array(table: AnyTable, rows: Iterable[Cells], columns: Sequence[str]) -> Iterator[str]:
    """One JSON array, an object a line."""
    yield "["
    separator = "\n"
    for value in objects(table, rows, columns):
        yield separator + dumps(value | {"schema_version": SCHEMA})
        separator = ",\n"
    yield "\n]\n"


def objects(table: AnyTable, rows: Iterable[Cells], columns: Sequence[str]) -> Iterator[dict[str, Value]]:
    """Rows as JSON values: times as RFC 3339 with nanoseconds, absent values as null."""
    chosen = [(table.columns[place], place) for place in _places(table, columns)]
    for row in rows:
        yield {column.name: _json_value(column, row[place]) for column, place in chosen}


def _json_value(column: Column[object], value: Value) -> Value:
    return rfc3339(int(value)) if column.dtype is Dtype.TIME and value is not None else value


def dumps(value: object) -> str:
    """JSON in printable ASCII only: also DEL, which JSON itself lets pass, is escaped."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False).replace("\x7f", "\\u007f")


def _places(table: AnyTable, columns: Sequence[str]) -> list[int]:
    names = table.names
    return [names.index(name) for name in columns]
