"""Captures added to a case: it becomes what one run over all its captures says. What the jobs of earlier runs found is not done again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from analyzer import api
from analyzer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.case.tables import CaseTables

_COUNTED = ("captures", "connections", "logons", "shells", "commands", "findings")
_FINDING = ("severity", "title", "source", "destination", "user")


class Before(NamedTuple):
    """What a case held before: how many rows of the tables, and its findings."""

    counts: dict[str, int]
    findings: Counter[tuple[object, ...]]


def all_captures(case: str, captures: Sequence[str]) -> tuple[str, ...]:
    """Those of the case, if there is one, and the others, by their whole paths. `InputError`: one of the case is not there any more."""
    there = api.captures_of(case) if api.is_case(case) else ()
    if "-" in captures:
        msg = "standard input cannot be read again, so it is not added to a case: give a file"
        raise UsageError(msg)
    return tuple(dict.fromkeys(one if "://" in one else str(Path(one).absolute()) for one in (*there, *captures)))


def store(case: str) -> str:
    """Where jobs leave what they find: next to the case."""
    return f"{Path(case)}.jobs"


def before(case: str) -> Before | None:
    """None where there is no case yet."""
    return _held(api.open_case(case)) if api.is_case(case) else None


def news(was: Before | None, case: CaseTables) -> Iterator[str]:
    """What a case holds now that it did not: a line of counts, and one for each finding."""
    if was is None:
        return
    now = _held(case)
    yield "Added: " + ", ".join(f"{name} {now.counts[name]:,} ({was.counts[name]:,} before)" for name in _COUNTED) + "\n"
    for (severity, title, source, destination, user), count in (now.findings - was.findings).items():
        where = " to ".join(str(end) for end in (source, destination) if end)
        yield f"New: {str(severity).upper()}  {title}{f', {where}' if where else ''}{f', {user}' if user else ''}{f' ({count:,} times)' if count > 1 else ''}\n"
    for (severity, title, *_), count in (was.findings - now.findings).items():
        yield f"No longer so: {str(severity).upper()}  {title}{f' ({count:,} times)' if count > 1 else ''}\n"


def _held(case: CaseTables) -> Before:
    findings = case.listed("findings")
    counts = {name: len(case.listed(name)) for name in _COUNTED}
    return Before(counts, Counter(tuple(row[name] for name in _FINDING) for row in findings))
