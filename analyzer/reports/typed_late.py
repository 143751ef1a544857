"""What `analyzer.reports.typed` finds, loaded when there is a text to look at: most captures that are searched for WinRM have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.reports.spans import Span
    from analyzer.reports.typed import Dialect

_DIALECTS = {"winrs": "CMD", "cim": "CMD", "powershell": "POWERSHELL"}
"""Whose quoting rules a kind of command has, as `typed.Dialect` names them."""


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
