"""The commands around a case folder: the report, made of a case or of captures, and the check of a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer import api
from analyzer.case.writing import refuse
from analyzer.cli.analysis import INTEGRITY, exit_code, read_any
from analyzer.cli.options import input_options, show_secrets_option
from analyzer.cli.printing import remark, write
from analyzer.formats.text import visible

if TYPE_CHECKING:
    from analyzer.cli.analysis import Given


@click.command()
@input_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", required=True, help="Write the page to this file.")
@click.option("--title", help="What stands above the page.")
@click.option("--case-id", default="", help="The number of the case, on the page.")
@click.option("--examiner", default="", help="Who made the report, on the page.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE.html when it exists.")
@show_secrets_option
def report(  # noqa: PLR0913  one for each option
    captures: tuple[str, ...],
    given: Given,
    output: Path,
    title: str | None,
    case_id: str,
    examiner: str,
    *,
    clobber: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Write the report: one HTML page that needs nothing else.

    CAPTURE can be a case folder. The page opens offline, loads nothing, and is safe to open whatever the capture holds.
    """
    refuse(output, captures, clobber=clobber)
    case = read_any(captures, given)
    case.report(output, show_secrets=show_secrets, clobber=clobber, title=title, case_id=case_id, examiner=examiner)
    remark(f"{output}")
    return exit_code(case, None, strict=strict)


@click.command()
@click.argument("case", metavar="CASE")
def verify(case: str) -> int:
    """Hash a case and its inputs again.

    Exits with 0 when everything is as the manifest says, with 4 when something differs (it is named), with 2 when CASE is not a case folder.
    """
    differs = api.verify(case)
    write(f"{visible(line)}\n" for line in differs or ("everything is as the manifest says",))
    return INTEGRITY if differs else 0
