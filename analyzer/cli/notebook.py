"""The command that writes a notebook for a case."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from analyzer.case import writing
from analyzer.cli.analysis import exit_code
from analyzer.cli.folders import opened
from analyzer.cli.printing import remark


@click.command()
@click.argument("case", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", metavar="FILE.ipynb", type=click.Path(dir_okay=False, path_type=Path), help="Default: CASE.ipynb next to the case folder.")
@click.option("--clobber", is_flag=True, help="Overwrite what exists.")
@click.option("--open/--no-open", "shown", default=True, help="Open it in Jupyter, where that is installed.")
def notebook(case: Path, output: Path | None, *, clobber: bool, shown: bool) -> int:
    """Write a notebook for a case folder, and open it.

    Its first cell opens the case; the others answer what the case can answer: incidents, logons, requests, commands, proxies.
    """
    folder = case.resolve()
    case_there = opened(str(folder))
    path = output or folder.with_name(f"{folder.name}.ipynb")
    writing.write_text(path, [case_there.notebook()], (), clobber=clobber)
    jupyter = shutil.which("jupyter-lab") or shutil.which("jupyter-notebook")
    if shown and jupyter:
        remark(f"{path}: opening it in Jupyter")
        return subprocess.run([jupyter, str(path)], check=False).returncode  # noqa: S603  the user's own Jupyter, with a file that was just written
    remark(f"{path}" + ("" if jupyter or not shown else "  (Jupyter is not installed: pip install 'winrm-analyzer[notebook]')"))
    return exit_code(case_there, None, strict=False)
