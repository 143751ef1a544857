"""The program as a command: what stands first is a command, or a capture for the main one; settings of the working folder are the options' defaults."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

import click

from analyzer.cli.names import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Program(click.Group):
    """`analyze` is what is meant where no command stands first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the command named."""
        return super().parse_args(ctx, ["analyze", *args] if self._means_analyze(args) else args)

    def _means_analyze(self, words: Sequence[str]) -> bool:
        first = next(iter(words), "")
        own = {option for parameter in self.params for option in parameter.opts} | {"-h", "--help"}
        if not first or first in COMMANDS or first in own:
            return False
        if first.startswith("-"):
            return first == "-" or any(_like_a_capture(one) for one in words[1:])
        return _like_a_capture(first)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; what is no command may have been meant for a capture."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            msg = f"{error.format_message()} And there is no file or folder of that name."
            raise click.UsageError(msg, ctx) from error


def _like_a_capture(word: str) -> bool:
    """It is there, or it is written as files and patterns are."""
    return word == "-" or os.path.lexists(word) or glob.has_magic(word) or any(mark in word for mark in "./\\")
