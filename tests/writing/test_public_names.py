"""What pages and the changelog call of the package is there."""

import re
from pathlib import Path

import pytest

import analyzer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_CALLED = re.compile(r"(?<![\w./-])analyzer\.([a-z_]+)\(")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_names_that_pages_call_are_public(page: Path) -> None:
    assert set(_CALLED.findall(page.read_text(encoding="utf-8"))) <= set(analyzer.__all__)


def test_every_public_name_is_there() -> None:
    assert [name for name in analyzer.__all__ if getattr(analyzer, name) is None] == []
