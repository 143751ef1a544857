"""The command that compares two captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.case.writing import refuse
from analyzer.cli.analysis import exit_code, read_any
from analyzer.cli.options import given_options
from analyzer.cli.printing import colour, remark, width, write_to

if TYPE_CHECKING:
    from analyzer.cli.analysis import Given


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@given_options
@click.option("-f", "--format", "form", type=click.Choice(["text", "json", "csv", "html"]), help="Default: by the name of FILE, else text.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE when it exists.")
def compare(a: str, b: str, given: Given, form: str | None, output: Path | None, *, clobber: bool, strict: bool) -> int:
    """Compare two captures step by step: what works directly and fails through a proxy, or before and after a change.

    A and B are each a capture, a folder of captures, or a case folder. The first step at which they differ is told with its packets and the findings about it.
    """
    if output is not None:
        refuse(output, (a, b), clobber=clobber)
    left, right = read_any((a,), given), read_any((b,), given)
    made = left.compare(right, names=(a, b))
    form = form or {".json": "json", ".csv": "csv", ".html": "html", ".htm": "html"}.get(output.suffix.lower() if output else "", "text")
    if form == "json":
        pieces = [json.dumps(made.to_dict(), indent=2, ensure_ascii=False), "\n"]
    elif form == "csv":
        pieces = list(made.csv())
    elif form == "html":
        pieces = [made.html()]
    else:
        pieces = [made.text(width(), colour=colour() and output is None)]
    write_to(output, pieces, (a, b), clobber=clobber)
    if output is not None:
        remark(f"{output}")
    return max(exit_code(left, None, strict=strict), exit_code(right, None, strict=strict))
