"""Shell completion: of commands and options by click, of tables, rules and issues by ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyzer import api
from analyzer.cli.printing import write

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_VARIABLE = "_WINRM_ANALYZER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what makes the shell complete commands, options, tables and rules.

    \b
    bash   eval "$(winrm-analyzer completion bash)"       in ~/.bashrc
    zsh    eval "$(winrm-analyzer completion zsh)"        in ~/.zshrc
    fish   winrm-analyzer completion fish > ~/.config/fish/completions/winrm-analyzer.fish
    """  # noqa: D301 (the backspace is click's mark for lines that stay as they are)
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    maker = get_completion_class(shell)
    if maker is None:
        msg = f"no completion for {shell}"
        raise click.UsageError(msg)
    write([maker(root, {}, "winrm-analyzer", _VARIABLE).source() + "\n"])
    return 0


def complete_table(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The tables whose names begin so."""
    from analyzer.tables.registry import TABLES

    return _items([table.name for table in TABLES], begun)


def complete_rule(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The rules and issues whose ids begin so."""
    from analyzer.records.issues import KINDS

    return _items([*(name for name, _, _ in api.rule_rows()), *KINDS], begun)


def _items(names: list[str], begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(begun)]
