"""A table on a terminal: columns below their names, texts made visible and cut, numbers to the right."""

from collections.abc import Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.reports.lines import Line, Span, line
from analyzer.tables.column import Dtype, Value
from analyzer.tables.registry import AnyTable
from analyzer.tables.times import rfc3339

CELL_CHARS = 60
"""A cell longer than this is cut on the screen; the other formats have all of it."""


def grid(table: AnyTable, rows: Sequence[Sequence[Value]], columns: Sequence[str]) -> Iterator[Line]:
    """A heading, and one line per row."""
    places = [table.names.index(name) for name in columns]
    dtypes = [table.columns[place].dtype for place in places]
    cells = [[_cell(row[place], dtype) for place, dtype in zip(places, dtypes, strict=True)] for row in rows]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    yield line(Span("  ".join(_set(name, width, dtype) for name, width, dtype in zip(columns, widths, dtypes, strict=True)), "bold"))
    for row in cells:
        yield line("  ".join(_set(text, width, dtype) for text, width, dtype in zip(row, widths, dtypes, strict=True)))


def _cell(value: Value, dtype: Dtype) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        shown = visible(value, limit=len(value))
        return shown if len(shown) <= CELL_CHARS else shown[: CELL_CHARS - 3] + "..."
    if dtype is Dtype.TIME:
        return rfc3339(int(value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _set(text: str, width: int, dtype: Dtype) -> str:
    return text.rjust(width) if dtype in {Dtype.INTEGER, Dtype.NUMBER} else text.ljust(width)
