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
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(shell: str) -> int:
    """Print what makes the shell complete commands, options, tables and rules.

    \b
    bash   eval "$(winrm-analyzer completion bash)"       in ~/.bashrc
    zsh    eval "$(winrm-analyzer completion zsh)"        in ~/.zshrc
    fish   winrm-analyzer completion fish > ~/.config/fish/completions/winrm-analyzer.fish
    PowerShell   winrm-analyzer completion powershell | Out-String | Invoke-Expression       in $PROFILE
    """  # noqa: D301 (the backspace is click's mark for lines that stay as they are)
    from click.shell_completion import get_completion_class

    _with_powershell()
    root = click.get_current_context().find_root().command
    maker = get_completion_class(shell)
    if maker is None:
        msg = f"no completion for {shell}"
        raise click.UsageError(msg)
    write([maker(root, {}, "winrm-analyzer", _VARIABLE).source() + "\n"])
    return 0


_POWERSHELL = r"""Register-ArgumentCompleter -Native -CommandName %(prog_name)s, '%(prog_name)s.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | Select-Object -Skip 1 |
        ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text } })
    if ($wordToComplete -and $words.Count) { $words = @($words | Select-Object -SkipLast 1) }
    $before = $env:%(complete_var)s, $env:WINRM_ANALYZER_WORDS, $env:WINRM_ANALYZER_BEGUN
    try {
        $env:%(complete_var)s = 'powershell_complete'
        $env:WINRM_ANALYZER_WORDS = ConvertTo-Json -Compress -InputObject @($words)
        $env:WINRM_ANALYZER_BEGUN = $wordToComplete
        $found = & $commandAst.CommandElements[0].Extent.Text 2>$null
    } finally {
        $env:%(complete_var)s, $env:WINRM_ANALYZER_WORDS, $env:WINRM_ANALYZER_BEGUN = $before
    }
    foreach ($line in $found) {
        $kind, $value, $help = $line -split "`t", 3
        if ($kind -ne 'plain') { continue }
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
"""
"""Registers what asks the program for the words that can stand where the cursor is; where it answers that a file can, PowerShell completes files by itself."""


def _with_powershell() -> None:
    """PowerShell is one of click's shells from now on."""
    from click.shell_completion import ShellComplete, add_completion_class

    class PowerShell(ShellComplete):
        """The words come as JSON, so that no quoting is lost; the answer is lines of kind, value and help."""

        name = "powershell"
        source_template = _POWERSHELL

        def get_completion_args(self) -> tuple[list[str], str]:
            """The words before the one that is begun, and that one."""
            import json
            import os

            try:
                told = json.loads(os.environ.get("WINRM_ANALYZER_WORDS") or "[]")
            except ValueError:
                told = []
            return [str(word) for word in told] if isinstance(told, list) else [], os.environ.get("WINRM_ANALYZER_BEGUN", "")

        def format_completion(self, item: CompletionItem) -> str:
            """One line; a help of several lines is one."""
            return "\t".join((item.type, item.value, " ".join((item.help or "").split())))

    add_completion_class(PowerShell)


def prepared() -> None:
    """What a shell that asks for words needs, before click looks at it."""
    import os

    if os.environ.get(_VARIABLE, "").startswith("powershell"):
        _with_powershell()


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
