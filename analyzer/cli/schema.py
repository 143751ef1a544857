"""The command that prints the schema of a JSON output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer import api
from analyzer.cli.printing import write

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in api.schemas() if name.startswith(begun)]


@click.command()
@click.argument("name", required=False, shell_complete=_complete)
def schema(name: str | None) -> int:
    """Print the JSON Schema of a JSON output; without NAME, which there are.

    NAME is analyze, analyze-line, extract, hashes, manifest, a timeline's profile, an export's format, or a table. Each object of ours has the field
    schema_version, which grows when a name in it changes its meaning.
    """
    if name is None:
        found = api.schemas()
        widest = max(map(len, found))
        write(f"{one:{widest}}  {means}\n" for one, means in found.items())
        return 0
    import json

    write([json.dumps(api.schema(name), indent=2) + "\n"])
    return 0
