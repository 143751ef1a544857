"""Every notebook runs from top to bottom; its last cell asserts what its text claims. Committed notebooks have their outputs, and no secret in them."""

import os
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_SECONDS = 20
"""A reader waits for a notebook no longer than this; a busy machine may take longer, so a cell only fails after a minute."""


def _read(path: Path) -> NotebookNode:
    return NotebookNode(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))  # type: ignore[no-untyped-call]


def _secrets() -> frozenset[str]:
    """Every value of every sample's secrets: passwords, hashes and keys."""
    found = set()
    for path in (ROOT / "sample_pcaps").glob("*/secrets.toml"):
        for entries in tomllib.loads(path.read_text(encoding="utf-8")).values():
            found |= {entry["value"] for entry in entries if isinstance(entry, dict)} if isinstance(entries, list) else set()
    return frozenset(found)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_claims_hold(path: Path) -> None:
    client = NotebookClient(_read(path), timeout=3 * _SECONDS, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_outputs_and_ends_with_asserts(path: Path) -> None:
    cells = [cell for cell in _read(path).cells if cell.cell_type == "code"]
    assert "assert " in cells[-1].source
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) - 2
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for cell in cells for output in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_shows_a_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    secrets = _secrets()
    assert len(secrets) >= 3  # alice, bob and carol
    assert not [len(secret) for secret in secrets if secret in text or secret.replace('"', '\\"') in text]


def test_the_notebooks_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))
