"""Rows of findings: all of them in order, or some by their ids, which are then the same rows."""

from pathlib import Path

from analyzer import analyze
from analyzer.tables.findings import finding_rows, in_order, rows_named

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"


def test_rows_by_id_are_those_of_the_table() -> None:
    result = analyze([SAMPLES / "badproxy-swap-clear"]).result
    rows = {row.id: row for row in finding_rows(result)}
    assert len(rows) > 2
    assert [row.finding for row in rows.values()] == in_order(result) == list(result.findings)
    wanted = {"f1", f"f{len(rows)}", "f999"}
    assert {row.id: row for row in rows_named(result, wanted)} == {name: row for name, row in rows.items() if name in wanted}
