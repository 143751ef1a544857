"""What `analyzer.reports.typed` finds, loaded when there is a text to look at: most captures that are searched for WinRM have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from analyzer.records.wsman import Command
    from analyzer.reports.spans import Span
    from analyzer.reports.typed import Dialect

_DIALECTS = {"winrs": "CMD", "cim": "CMD", "powershell": "POWERSHELL"}
"""Whose quoting rules a kind of command has, as `typed.Dialect` names them."""
_SHORTEST, _MOST = 6, 1000
"""Characters, of at least two kinds, of a secret that is looked for elsewhere, too; how many such."""


def secrets_in(text: str, dialect: Dialect | None = None) -> Iterator[Span]:
    """As `typed.secrets_in`, which is loaded when there is a text to look at: most captures that are searched for WinRM have none."""
    from analyzer.reports.typed import secrets_in as found

    return found(text, dialect)


def arguments_in(text: str, dialect: Dialect | None) -> Iterator[Span]:
    """As `typed.arguments_in`; PowerShell's rules where the dialect is not known."""
    from analyzer.reports.typed import Dialect
    from analyzer.reports.typed import arguments_in as found

    return found(text, dialect or Dialect.POWERSHELL)


def dialect_of(kind: str) -> Dialect | None:
    """Of a kind of command (``winrs``, ``powershell``); None where its quoting rules are not known."""
    from analyzer.reports.typed import Dialect

    return Dialect[_DIALECTS[kind]] if kind in _DIALECTS else None


def inside(one: Command) -> Iterator[str]:
    """The secrets in a command's text and in its decoded layers, without their quotes."""
    for text, dialect in ((one.text, dialect_of(one.kind)), (one.decoded or "", dialect_of("powershell"))):
        for begin, end in secrets_in(text, dialect):
            yield text[begin:end].strip("\"'")


def learned(values: Iterable[str]) -> list[str]:
    """Those that no ordinary word can be: long enough, with digits or signs among letters."""
    kept = dict.fromkeys(value for value in values if len(value) >= _SHORTEST and not value.isalpha() and not value.isdigit() and " " not in value)
    return list(kept)[:_MOST]
