"""The timeline of the incident: what began when, in order of time, with the ids to look at."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.formats.text import visible
from analyzer.reports.facts import account_named, counted
from analyzer.reports.html.answers import told
from analyzer.reports.html.source import Row, Source, number, text

_COMMANDS, _CHARS = 20, 160
"""Commands that are listed one by one, and how much of each."""


class Moment(NamedTuple):
    """One line: when, what, the records, and a severity where it is a failure."""

    time_ns: int
    what: str
    ids: str
    severity: str = ""


def moments(source: Source) -> list[Moment]:
    """First and last packet, first logons of each outcome, first command, begin and end of each incident."""
    return sorted([*_captures(source), *_logons(source), *_commands(source), *_incidents(source)], key=lambda one: one.time_ns)


def _captures(source: Source) -> Iterator[Moment]:
    rows = [row for row in source.rows("captures") if row["first_time"] is not None and row["last_time"] is not None]
    if rows:
        first, last = min(rows, key=lambda row: number(row, "first_time")), max(rows, key=lambda row: number(row, "last_time"))
        yield Moment(number(first, "first_time"), f"First packet, in {first['capture']}", "")
        yield Moment(number(last, "last_time"), f"Last packet, in {last['capture']}", "")


def _logons(source: Source) -> Iterator[Moment]:
    first: dict[tuple[str, str], list[Row]] = {}
    for row in source.rows("authentications"):
        if row["first_time"] is not None:
            first.setdefault((text(row, "audience"), text(row, "outcome")), []).append(row)
    for (audience, outcome), rows in first.items():
        own = min(rows, key=lambda row: number(row, "first_time"))
        who = account_named(text(own, "user"), text(own, "domain")) or "an account that is not visible"
        what = f"First logon to the {audience} that was {outcome}: {who} with {own['mechanism'] or own['scheme']}"
        yield Moment(number(own, "first_time"), what, text(own, "authentication_id"))


def _commands(source: Source) -> Iterator[Moment]:
    """The commands, where they are few; else the first and the last."""
    rows = sorted((row for row in source.rows("commands") if row["time"] is not None), key=lambda row: number(row, "time"))
    for row in rows if len(rows) <= _COMMANDS else (rows[0], rows[-1]):
        account = text(row, "asked_as") or text(row, "user") or "An account that is not visible"
        run = " ".join((text(row, "text_decoded") or text(row, "text")).split())
        yield Moment(number(row, "time"), f"{account} ran {visible(run, limit=_CHARS) if run else 'a command'}", "")
    if len(rows) > _COMMANDS:
        yield Moment(number(rows[0], "time"), f"First of {counted(len(rows), 'command')}; What was run has all", "")


def _incidents(source: Source) -> Iterator[Moment]:
    for row in told(source):
        name, severity = text(row, "incident_id"), text(row, "severity")
        yield Moment(number(row, "first_time"), text(row, "title"), name, severity)
        if number(row, "last_time") > number(row, "first_time"):
            yield Moment(number(row, "last_time"), f"Last sign of {name}", name, severity)
