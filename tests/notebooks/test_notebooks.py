"""Every notebook runs from top to bottom, prints what is committed, and its last cell asserts what its text claims. No notebook and no page holds a secret."""

import json
import os
import re
import tomllib
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.golden.test_secrets import secrets

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_SECONDS = 600
"""A cell that hangs is ended; how long one takes is not asked."""


def _read(path: Path) -> NotebookNode:
    return NotebookNode(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))  # type: ignore[no-untyped-call]


@cache
def _secrets() -> frozenset[bytes]:
    """Every spelling of every secret of the samples: passwords, keys of keytabs and key logs, credentials of Basic in the packets."""
    folders = sorted(path for path in (ROOT / "sample_pcaps").iterdir() if path.is_dir())
    return frozenset(form for folder in folders for form in secrets([path for path in folder.iterdir() if path.suffix not in {".md", ".json"}]))


def _shown(path: Path) -> bytes:
    """A page with its pictures, which are base64."""
    text = path.read_text(encoding="utf-8")
    pictures = [b64decode(data) for data in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)]
    return b"\n".join([text.encode(), json.dumps(json.loads(text), ensure_ascii=False).encode() if path.suffix == ".ipynb" else b"", *pictures])


def _printed(notebook: NotebookNode) -> list[str]:
    """What each cell prints, in one text: how many messages the kernel sends it in depends on how busy the machine is.

    Tables are left out, since pandas draws them differently from version to version.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join("".join(output.text) for output in cell.outputs if output.get("name") == "stdout") for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_claims_hold(path: Path) -> None:
    notebook = _read(path)
    committed = _printed(notebook)
    client = NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert _printed(notebook) == committed, "the committed outputs are of another time: make notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_outputs_and_ends_with_asserts(path: Path) -> None:
    cells = [cell for cell in _read(path).cells if cell.cell_type == "code"]
    assert "assert " in cells[-1].source
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) - 2
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for cell in cells for output in cell.outputs)


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem)
def test_no_notebook_and_no_page_shows_a_secret(path: Path) -> None:
    shown = _shown(path)
    assert [len(secret) for secret in _secrets() if secret in shown] == []


def test_the_search_for_secrets_can_fail(tmp_path: Path) -> None:
    secret = tomllib.loads((ROOT / "sample_pcaps" / "wrong-password" / "secrets.toml").read_text(encoding="utf-8"))["password"][0]["value"]
    for text in (secret, b64encode(secret.encode()).decode(), "data:image/svg+xml;base64," + b64encode(f"<svg>{secret}</svg>".encode()).decode()):
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        assert any(form in _shown(page) for form in _secrets())


def test_the_notebooks_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))
