"""All tables as an Excel workbook, a sheet each. Cells are texts and numbers, never formulas or links, whatever a capture holds.

Excel has 1,048,576 rows and 32,767 characters a cell: what is longer goes on in another sheet, or is cut; the first sheet tells where.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from analyzer.exports.registry import Source
from analyzer.formats.text import visible
from analyzer.tables.column import Column, Dtype, Value
from analyzer.tables.registry import TABLES
from analyzer.tables.times import rfc3339

_ROWS, _CHARS = 1_048_575, 32_767
_EXACT = 1 << 53
"""Whole numbers from here on are texts: Excel counts in floating point."""
_CUT = " [...]"


def workbook(source: Source, most_rows: int = _ROWS) -> bytes:
    """The workbook. Equal tables give equal bytes. ``most_rows`` of a sheet, its heading left out."""
    import xlsxwriter

    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    book.set_properties({"title": "WinRM", "author": f"winrm-analyzer {source.version}", "created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    bold = book.add_format({"bold": True})
    first = book.add_worksheet("contents")
    told: list[tuple[Value, ...]] = []
    for table in TABLES:
        rows = [tuple(row.values()) for row in source.rows.of(table.name)]
        cut = 0
        for place, part in enumerate(_parts(rows, most_rows)):
            sheet = book.add_worksheet(table.name if place == 0 else f"{table.name} {place + 1}")
            sheet.freeze_panes(1, 1)
            sheet.write_row(0, 0, table.names, bold)
            for number, row in enumerate(part, start=1):
                for at, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
                    shown, whole = _cell(column, cell)
                    cut += not whole
                    if isinstance(shown, str):
                        sheet.write_string(number, at, shown)
                    elif isinstance(shown, bool):
                        sheet.write_boolean(number, at, shown)
                    elif shown is not None:
                        sheet.write_number(number, at, shown)
        told.append((table.name, len(rows), cut or None, table.means))
    _contents(first, told, bold)
    book.close()
    return made.getvalue()


def _contents(sheet: "object", told: Sequence[tuple[Value, ...]], bold: object) -> None:
    names = ("table", "rows", "cells that were cut (the Parquet file has them whole)", "what a row is")
    for place, row in enumerate([names, *told]):
        sheet.write_row(place, 0, row, bold if place == 0 else None)  # type: ignore[attr-defined]


def _parts(rows: Sequence[tuple[Value, ...]], most: int) -> Iterator[Sequence[tuple[Value, ...]]]:
    """At least one, which may be empty."""
    for begin in range(0, max(len(rows), 1), most):
        yield rows[begin : begin + most]


def _cell(column: Column[object], value: Value) -> tuple[Value, bool]:
    """What Excel is given, and whether that is all of it."""
    if value is None or isinstance(value, bool):
        return value, True
    if column.dtype is Dtype.TIME:
        return rfc3339(int(value)), True
    if isinstance(value, str):
        shown = visible(value, limit=len(value), keep="\n\t")
        return (shown, True) if len(shown) <= _CHARS else (shown[: _CHARS - len(_CUT)] + _CUT, False)
    return (str(value), True) if isinstance(value, int) and abs(value) >= _EXACT else (value, True)
