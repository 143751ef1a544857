"""Cells column by column are those row by row, masked alike; fields read once are those of each look."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analyzer
from analyzer.api import Case
from analyzer.records.http import Header
from analyzer.reports.drawings import LADDERS
from analyzer.tables import headers
from analyzer.tables.registry import TABLES

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"
NAMES = ["nginx-http10-split", "direct-psrp-copy-fetch-healthy", "badproxy-close-after-200", "direct-basic"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["plain", "strict", "with keys", "shown"])
def test_the_same_cells(name: str, how: str) -> None:
    folder = SAMPLES / name
    asked: dict[str, Any] = {"mask": "strict"} if how == "strict" else {"secrets": folder / "secrets.toml"} if how in ("with keys", "shown") else {}
    if "secrets" in asked and not asked["secrets"].exists():
        pytest.skip("no keys")
    case = analyzer.analyze(folder, **asked)
    assert isinstance(case, Case)
    for table in (*TABLES, LADDERS):
        rows, columns = case.cells(table.name, show_secrets=how == "shown"), case.by_column(table.name, show_secrets=how == "shown").cells
        assert len(columns) == len(table.columns)
        assert list(zip(*columns, strict=True)) == rows, table.name


_FIELDS = st.lists(st.tuples(st.sampled_from(["Via", "via", "VIA", "Host", "X-A"]), st.sampled_from(["", " ", "a", "NTLM xyz", "Negotiate, NTLM", "b c"])))


@given(_FIELDS, _FIELDS)
def test_fields_read_once_are_those_of_each_look(some: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    found = headers.fields_of()
    for pairs in (some, other, some):
        head = tuple(Header(name, value, at) for at, (name, value) in enumerate(pairs))
        for name in ("via", "host", "x-a", "x-b"):
            fields = found(head)
            assert fields is found(head)
            assert (fields.first(name), fields.joined(name), fields.scheme(name)) == (
                headers.first(head, name),
                headers.joined(head, name),
                headers.scheme(head, name),
            )
