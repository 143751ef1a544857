"""The manual comes with the program: every page is shown, found, and part of the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from analyzer.cli import start
from analyzer.cli.manual import pages

ROOT = Path(__file__).parents[2]


def test_every_page_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(pages()) == {path.stem for path in (ROOT / "docs").glob("*.md")} - {"site"}
    for name, path in pages().items():
        assert start.run(["docs", name]) == 0
        assert capsys.readouterr().out == path.read_text(encoding="utf-8")


def test_without_a_page_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["docs"]) == 0
    told = capsys.readouterr().out
    assert "first-hour.md" in told
    assert "tables.md" in told


def test_pages_are_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["docs", "--search", "KEYTAB"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("keytab" in line.lower() for line in lines)


def test_a_page_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["docs", "nope"]) == 2
    assert "first-hour" in capsys.readouterr().err


def test_the_site_names_every_page() -> None:
    site = (ROOT / "docs" / "site.md").read_text(encoding="utf-8")
    assert {line for line in site.splitlines() if line.isascii() and (ROOT / "docs" / f"{line}.md").is_file()} == set(pages()) - {"index"}


@pytest.mark.slow
def test_the_wheel_has_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from setuptools import build_meta; print(build_meta.build_wheel(__import__('sys').argv[1]))", str(tmp_path)]
    copy = tmp_path / "sources"
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(copy)], check=True)
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "WINRM_ANALYZER_NO_COMPILER": "1"})
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"analyzer/manual/{name}.md" for name in pages()} <= names
    assert {"analyzer/cli/help_80.txt", "analyzer/viewer/templates/base.html.j2", "analyzer/viewer/templates/style.css", "analyzer/codes/codes.tsv"} <= names
