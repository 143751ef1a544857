"""The command that shows the manual's pages, which come with the program."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli.printing import write
from analyzer.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_HERE = Path(__file__).resolve().parent.parent
_PLACES = (_HERE / "manual", _HERE.parent / "docs")
"""In an installed package, and in a checkout."""
_FIRST = "index"


def pages() -> dict[str, Path]:
    """The pages by name. `UsageError`: the installation has none."""
    for place in _PLACES:
        found = {path.stem: path for path in sorted(place.glob("*.md")) if path.stem != "site"}
        if found:
            return found
    msg = "this installation has no manual; it is the folder docs of the sources"
    raise UsageError(msg)


def _complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in pages() if name.startswith(begun)]


@click.command()
@click.argument("page", required=False, default=_FIRST, shell_complete=_complete)
@click.option("--search", "text", metavar="TEXT", help="List the lines of all pages that hold TEXT.")
def docs(page: str, text: str | None) -> int:
    """Show a page of the manual; without PAGE, what pages there are.

    The pages are Markdown: first-hour, concepts, how-to-capture, troubleshooting, opening, report, exports, story, commands, rules, tables and others.
    """
    found = pages()
    if text is not None:
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        for name, path in found.items():
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            write(f"{name}:{number}: {line.strip()}\n" for number, line in lines if wanted.search(line))
        return 0
    if page not in found:
        msg = f"there is no page {page!r}; the pages are {', '.join(found)}"
        raise UsageError(msg)
    whole = found[page].read_text(encoding="utf-8")
    if sys.stdout.isatty():
        click.echo_via_pager(whole)
    else:
        write([whole])
    return 0
