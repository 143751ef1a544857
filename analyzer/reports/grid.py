"""A table on a terminal: columns below their names, texts made visible and cut, numbers to the right."""

from collections.abc import Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.reports.lines import Line, Span, fitted, line
from analyzer.tables.column import Dtype, Value
from analyzer.tables.registry import AnyTable
from analyzer.tables.times import on_screen

_CUT = "..."
CELL_CHARS = 60
"""A cell longer than this is cut on the screen; the other formats have all of it."""


def grid(table: AnyTable, rows: Sequence[Sequence[Value]], columns: Sequence[str], width: int | None = None, *, full: bool = False) -> Iterator[Line]:
    """A heading, and one line per row; where that is wider than ``width``, a block per row, with a line for each column.

    ``full`` shows cells whole; without it a cut one ends in ``...``, and a last line tells the way out.
    """
    places = [table.names.index(name) for name in columns]
    dtypes = [table.columns[place].dtype for place in places]
    cells = [[_cell(row[place], dtype, full=full) for place, dtype in zip(places, dtypes, strict=True)] for row in rows]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        yield from fitted(_blocks(columns, cells), width)
    else:
        yield from _lines(columns, cells, widths, dtypes)
    if any(cell.endswith(_CUT) for row in cells for cell in row):
        yield line(Span("(some cells are cut: --full shows them, as do the other formats)", "dim"))


def _blocks(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[Line]:
    longest = max(map(len, columns), default=0)
    if not cells:
        yield line(Span("  ".join(columns), "bold"))
    for place, row in enumerate(cells, start=1):
        yield line(Span(f"row {place} of {len(cells)}", "bold"))
        for name, cell in zip(columns, row, strict=True):
            yield line(Span(f"  {name:{longest}}  ", "dim"), cell)


def _lines(columns: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], dtypes: Sequence[Dtype]) -> Iterator[Line]:
    yield line(Span("  ".join(_set(name, width, dtype) for name, width, dtype in zip(columns, widths, dtypes, strict=True)), "bold"))
    for row in cells:
        yield line("  ".join(_set(text, width, dtype) for text, width, dtype in zip(row, widths, dtypes, strict=True)))


def _cell(value: Value, dtype: Dtype, *, full: bool) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        shown = visible(value, limit=len(value))
        return shown if full or len(shown) <= CELL_CHARS else shown[: CELL_CHARS - len(_CUT)] + _CUT
    if dtype is Dtype.TIME:
        return on_screen(int(value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _set(text: str, width: int, dtype: Dtype) -> str:
    return text.rjust(width) if dtype in {Dtype.INTEGER, Dtype.NUMBER} else text.ljust(width)
