"""The user's settings: winrm-analyzer.toml of the working folder, or the file of --config. Its [options] are the defaults of the command line's options.

Only options that cannot run anything and cannot show a secret may stand there: the working folder may be one that somebody else has filled.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from analyzer.cli.names import CONFIG
from analyzer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

FILES = ("secrets", "keylog", "keytab")
"""Options that name a file; in the settings a path is relative to their file."""
ALLOWED = (*FILES, "mask", "proxy", "scope", "tz")


def defaults(words: Sequence[str], commands: Mapping[str, click.Command]) -> dict[str, Any]:
    """By command, the defaults of its options, as click takes them; none without settings. `UsageError`: the file is not as it should be."""
    path = _named(words)
    found = path or (CONFIG if os.path.lexists(CONFIG) and "--no-config" not in words else None)
    if found is None:
        return {}
    options = _options(found)
    if path is None:
        options["config"] = found
    return {name: _of(command, options) for name, command in commands.items()}


def _of(command: click.Command, options: dict[str, Any]) -> dict[str, Any]:
    known = {parameter.name for parameter in command.params}
    return {name: value for name, value in options.items() if name in known}


def _named(words: Sequence[str]) -> str | None:
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--config":
            return value if equals else next(iter(words[place + 1 :]), None)
    return None


def _options(path: str) -> dict[str, Any]:
    import tomllib
    from pathlib import Path

    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8-sig")).get("options", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    if not isinstance(told, dict):
        msg = f"{path}: options has to be a table: [options]"
        raise UsageError(msg)
    for name, value in told.items():
        if name not in ALLOWED:
            msg = f"{path}: [options] can have {', '.join(sorted(ALLOWED))}; {name!r} has to be given on the command line"
            raise UsageError(msg)
        if not isinstance(value, str):
            msg = f"{path}: {name} has to be a text"
            raise UsageError(msg)
    folder = Path(path).parent
    return {name: str(folder / value) if name in FILES else value for name, value in told.items()}
