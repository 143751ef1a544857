"""The connections, each with a strip of its life on one time axis: when it was open, where logons began, what findings name, and how it ended."""

from collections.abc import Callable, Iterator
from html import escape
from typing import NamedTuple

from analyzer.reports.html.source import Row, Source, text

WIDTH, HEIGHT = 240, 18
_LEVELS = ("medium", "high", "critical")
_MARKS = 24
"""Of one strip."""


class Life(NamedTuple):
    """A connection's row, the findings of medium severity and more that name it, and its strip."""

    row: Row
    findings: tuple[str, ...]
    strip: str


def lives(source: Source, most: int) -> tuple[list[Life], int]:
    """The WinRM connections, those that findings name first, and how many there are."""
    rows = list(source.winrm.values())
    named: dict[str, list[Row]] = {}
    for row in source.rows("findings"):
        if row["severity"] in _LEVELS:
            for one in text(row, "connections").split(","):
                named.setdefault(one, []).append(row)
    logons: dict[str, list[Row]] = {}
    for row in source.rows("authentications"):
        logons.setdefault(text(row, "connection_id"), []).append(row)
    first = min((source.at(row, "first_time") for row in rows), default=0)
    span = max((source.at(row, "last_time") for row in rows), default=1) - first or 1
    ordered = sorted(rows, key=lambda row: text(row, "connection_id") not in named)[:most]
    made = [_life(row, named.get(text(row, "connection_id"), []), logons.get(text(row, "connection_id"), []), source, first, span) for row in ordered]
    return made, len(rows)


def _life(row: Row, findings: list[Row], logons: list[Row], source: Source, first: int, span: int) -> Life:
    def at(of: Row, name: str) -> str:
        return f"{4 + (source.at(of, name) - first) * (WIDTH - 12) / span:.1f}"

    ids = tuple(text(one, "finding_id") for one in findings)
    return Life(row, ids, "".join(_strip(row, findings, logons, at)))


def _strip(row: Row, findings: list[Row], logons: list[Row], at: Callable[[Row, str], str]) -> Iterator[str]:
    begin, end = at(row, "first_time"), at(row, "last_time")
    words = f"{row['connection_id']}: {len(logons)} logons, {len(findings)} findings, {row['close'] or 'open'}"
    yield f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(words)}">'
    yield f'<path class="open" d="M{begin} 9H{max(float(end), float(begin) + 2):.1f}"/>'
    for one in logons[:_MARKS]:
        if one["first_time"] is not None:
            kind = "refused" if one["outcome"] == "refused" else "logon"
            yield f'<path class="{kind}" d="M{at(one, "first_time")} 3v12"/>'
    for one in findings[:_MARKS]:
        yield f'<path class="found" d="M{at(one, "time")} 1l3 4h-6z"/>'
    if row["close"] == "reset":
        yield f'<path class="cut" d="M{float(end) - 3:.1f} 6l6 6m0 -6l-6 6"/>'
    elif row["close"] == "fin":
        yield f'<path class="{"cut" if findings else "closed"}" d="M{end} 5v8"/>'
    yield "</svg>"
