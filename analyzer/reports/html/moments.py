"""The timeline of the incident: what began when, in order of time, with the ids to look at."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.formats.text import visible
from analyzer.reports.facts import account_named, counted
from analyzer.reports.html.answers import told
from analyzer.reports.html.source import Row, Source, text

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


def clocks(source: Source) -> str:
    """By whose clock the times are, where captures had clocks of their own; else empty."""
    off = {name: ahead for name, ahead in source.ahead.items() if ahead}
    first = next((name for name, ahead in source.ahead.items() if not ahead), None)
    if not off or first is None:
        return ""
    told = "; ".join(f"{name} was {abs(ahead) / 1e9:.3f} s {'ahead' if ahead > 0 else 'behind'}" for name, ahead in off.items())
    return f"Times here and in the strips below are by the clock of {visible(first)}: {visible(told)}. Tables keep each capture's own times."


def _captures(source: Source) -> Iterator[Moment]:
    rows = [row for row in source.rows("captures") if row["first_time"] is not None and row["last_time"] is not None]
    if rows:
        first, last = min(rows, key=lambda row: source.at(row, "first_time")), max(rows, key=lambda row: source.at(row, "last_time"))
        yield Moment(source.at(first, "first_time"), f"First packet, in {first['capture']}", "")
        yield Moment(source.at(last, "last_time"), f"Last packet, in {last['capture']}", "")


def _logons(source: Source) -> Iterator[Moment]:
    first: dict[tuple[str, str], list[Row]] = {}
    for row in source.rows("authentications"):
        if row["first_time"] is not None:
            first.setdefault((text(row, "audience"), text(row, "outcome")), []).append(row)
    for (audience, outcome), rows in first.items():
        own = min(rows, key=lambda row: source.at(row, "first_time"))
        who = account_named(text(own, "user"), text(own, "domain")) or "an account that is not visible"
        what = f"First logon to the {audience} that was {outcome}: {who} with {own['mechanism'] or own['scheme']}"
        yield Moment(source.at(own, "first_time"), what, text(own, "authentication_id"))


def _commands(source: Source) -> Iterator[Moment]:
    """The commands, where they are few; else the first and the last."""
    rows = sorted((row for row in source.rows("commands") if row["time"] is not None), key=lambda row: source.at(row, "time"))
    for row in rows if len(rows) <= _COMMANDS else (rows[0], rows[-1]):
        account = text(row, "asked_as") or text(row, "user") or "An account that is not visible"
        run = " ".join((text(row, "text_decoded") or text(row, "text")).split())
        yield Moment(source.at(row, "time"), f"{account} ran {visible(run, limit=_CHARS) if run else 'a command'}", "")
    if len(rows) > _COMMANDS:
        yield Moment(source.at(rows[0], "time"), f"First of {counted(len(rows), 'command')}; What was run has all", "")


def _incidents(source: Source) -> Iterator[Moment]:
    for row in told(source):
        name, severity = text(row, "incident_id"), text(row, "severity")
        yield Moment(source.at(row, "first_time"), text(row, "title"), name, severity)
        if source.at(row, "last_time") > source.at(row, "first_time"):
            yield Moment(source.at(row, "last_time"), f"Last sign of {name}", name, severity)
