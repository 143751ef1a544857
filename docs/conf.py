"""How Sphinx makes the manual's site of the pages in this folder: ``make site``. The pages are Markdown (MyST) and read as they are, too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from analyzer.version import __version__

project = "winrm-analyzer"
author = "the winrm-analyzer project"
copyright = "GPL-2.0-or-later"  # noqa: A001  Sphinx's name
version = release = __version__

extensions = ["myst_parser"]
master_doc = "site"
exclude_patterns = ["index.md"]
myst_heading_anchors = 4
"""Headings are linked as forges link them, so that the same links work in both places."""
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
"""Links to files of the project that are no pages of the manual (samples, notebooks): tests/unit/test_pages.py holds them to what exists."""

html_theme = "furo"
html_title = f"winrm-analyzer {__version__}"
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
