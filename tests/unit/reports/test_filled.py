"""The notebook of a case is valid, runs from top to bottom, and asks nothing that the case cannot answer."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import analyzer
from analyzer.cli import start
from analyzer.reports.filled import SECTIONS, notebook
from analyzer.tables.registry import TABLES
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
ALL = {table.name: 1 for table in TABLES}


def saved(tmp_path: Path, name: str) -> Path:
    sample, secrets = SAMPLES / name, SAMPLES / name / "secrets.toml"
    analyzer.analyze(captures(sample, truth(sample)), secrets=secrets if secrets.exists() else None).save(tmp_path / "it's a case")
    return tmp_path / "it's a case"


@pytest.mark.parametrize("name", ["nginx-pooled-second-client", "evil-winrm-py-session", "direct-ntlm-healthy"])
def test_it_runs(tmp_path: Path, name: str) -> None:
    case = saved(tmp_path, name)
    assert start.run(["notebook", str(case), "--no-open"]) == 0
    made = nbformat.read(tmp_path / "it's a case.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(made)
    NotebookClient(made, timeout=120, kernel_name="python3").execute()
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    assert start.run(["notebook", str(case), "--no-open"]) == 2, "what exists is not overwritten"


def test_what_the_case_cannot_answer_is_left_out() -> None:
    empty, whole = (json.loads(notebook("case", rows))["cells"] for rows in ({}, ALL))
    assert len(whole) == 2 + 2 * len(SECTIONS)
    assert len(empty) == 4
    assert not any("commands" in cell["source"] for cell in empty)


def test_every_section_names_a_table() -> None:
    assert {section.table for section in SECTIONS} - {""} <= set(ALL)
