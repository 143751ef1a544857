"""The command that shows a case folder in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Literal

import click

from analyzer.case import viewing
from analyzer.cli.folders import opened
from analyzer.cli.options import hiding_options, show_secrets_option


@click.command()
@click.argument("case", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Listen on this port of loopback. Default: a free one.")
@click.option("--open/--no-open", "shown", default=True, help="Open the page in the browser.")
@hiding_options
@show_secrets_option
def serve(
    case: Path, port: int, secrets: str | None, keylog: str | None, keytab: str | None, mask: Literal["usual", "strict"], *, shown: bool, show_secrets: bool
) -> int:
    """Show a case folder in the browser: incidents, connections, logons, commands, diagrams, search, SQL.

    For cases too large for one report. The pages are read-only, on this computer only (127.0.0.1), below an address that no one can guess. Ctrl-C ends it.
    """
    opened(str(case))
    with viewing.server(case, port, show_secrets=show_secrets, secrets=secrets, keylog=keylog, keytab=keytab, mask=mask) as (address, run):
        click.echo(f"{address}  (Ctrl-C ends it)")
        if shown:
            webbrowser.open(address)
        run()
    return 0
