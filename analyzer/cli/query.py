"""The command that asks the tables by SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.case.writing import refuse
from analyzer.cli.analysis import exit_code, read_any
from analyzer.cli.options import input_options, show_secrets_option
from analyzer.cli.printing import colour, width, write_to

if TYPE_CHECKING:
    from analyzer.case.tables import TextFormat
    from analyzer.cli.analysis import Given


@click.command()
@click.argument("query", metavar="QUERY")
@input_options
@click.option("-f", "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl"]), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file instead.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE when it exists.")
@click.option("--full", is_flag=True, help="Do not cut long cells of a table on the screen.")
@show_secrets_option
def sql(  # noqa: PLR0913 (one parameter per option)
    query: str,
    captures: tuple[str, ...],
    given: Given,
    form: TextFormat,
    output: Path | None,
    *,
    clobber: bool,
    full: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Ask all tables of a case or of captures by SQL (DuckDB's).

    \b
    winrm-analyzer sql "select user, count(*) from logons group by 1 order by 2 desc" CASE

    The tables and columns are those of `show`. The query reaches no file and no network, and changes nothing.
    """  # noqa: D301 (the backspace is click's mark for lines that stay as they are)
    if output is not None:
        refuse(output, captures, clobber=clobber)
    case = read_any(captures, given)
    shown = colour() and output is None
    room = width() if output is None and sys.stdout.isatty() else None
    write_to(output, case.answer(query, form, width=room, full=full, colour=shown, show_secrets=show_secrets), captures, clobber=clobber)
    return exit_code(case, None, strict=strict)
