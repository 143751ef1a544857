"""Tables on a terminal: as lines where they fit, as blocks where they do not, whole when that is asked for."""

import pytest

from analyzer.reports.grid import grid
from analyzer.reports.lines import plain
from analyzer.tables.registry import TABLES, table_named
from tests.build import evidence as build

EXCHANGES = table_named("exchanges")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_line_is_wider_than_the_terminal_and_nothing_is_lost(table: object, width: int) -> None:
    name = getattr(table, "name", "")
    found = table_named(name)
    rows = found.values(build.proxied())
    wide = plain(grid(found, rows, found.names, full=True))
    shown = plain(grid(found, rows, found.names, width, full=True))
    assert max(map(len, shown.splitlines())) <= width
    words = "".join(shown.split())
    assert all("".join(cell.split()) in words for line in wide.splitlines() for cell in line.split("  "))
    assert shown.count("\nrow ") + shown.startswith("row ") == len(rows)


def test_a_cut_cell_tells_the_way_out() -> None:
    rows = EXCHANGES.values(build.hostile("x" * 200))
    assert "--full shows them" in plain(grid(EXCHANGES, rows, ("exchange_id", "target")))
    shown = plain(grid(EXCHANGES, rows, ("exchange_id", "target"), full=True))
    assert "x" * 200 in shown
    assert "--full" not in shown
