"""Runs notebooks from top to bottom and writes their outputs: ``python notebooks/run.py [NAME...]``, all of them without a name. The extra ``test`` is enough.

What changes from one run to the next without any meaning (times of cells, the kernel's version) is left out, so that a difference is one of the outputs.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
SECONDS = 60
"""A cell that takes longer is a mistake."""


def renew(path: Path) -> None:
    """Run one notebook with the analyzer of this checkout, and write it."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(FOLDER.parent)})
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
        cell.metadata = {}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for one in sorted(FOLDER.glob("*.ipynb")):
        if not sys.argv[1:] or one.stem in sys.argv[1:] or one.name in sys.argv[1:]:
            renew(one)
            print(one.name)
