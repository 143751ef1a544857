"""How a notebook shows a case, its findings, its ladders and its transcript: as HTML of our own tags, without script; the only style is where cells begin.

Every text goes through `visible` and is escaped. A ladder is a picture (``<img>``), so that nothing in it can reach the page: neither its style nor a link.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Protocol, Self

from analyzer.formats.text import visible
from analyzer.reports.drawings import Ladder
from analyzer.reports.facts import counted
from analyzer.reports.svg import alone
from analyzer.tables.column import Value

_DRAWINGS = 8
"""Ladders shown one below the other."""
_GRAVEST = 5
"""Incidents in the summary of a case."""
_FINDINGS = 100
"""Findings in the list of them."""
_TEXT_CHARS = 200_000
_LEFT = ' style="text-align:left;vertical-align:top"'
"""Jupyter sets cells to the right, which is for numbers."""
_HEADS = ("", "what", "who", "why", "advice", "Wireshark filter")


class Printer(Protocol):
    """What IPython prints with."""

    def text(self, words: str) -> None:
        """Print."""
        ...


class Rich(str):
    """A text with another form for notebooks. ``print`` gives the text; the last line of a cell gives the other, made when it is asked for."""

    __slots__ = ("_html",)
    _html: Callable[[], str]

    def __new__(cls, text: str, html: Callable[[], str]) -> Self:
        """The text, and what makes its HTML."""
        made = super().__new__(cls, text)
        made._html = html
        return made

    def _repr_html_(self) -> str:
        return self._html()

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:  # noqa: FBT001 (IPython's name and arguments)
        """IPython without a browser shows the lines, not their repr."""
        del cycle
        printer.text(str(self))


def summary(captures: Sequence[str], counts: Mapping[str, int], incidents: Sequence[Mapping[str, Value]], diagnosis: str = "") -> str:
    """A case: its files, how much is in it, the diagnosis, and its most severe incidents."""
    names = ", ".join(captures[:_GRAVEST]) + (f" and {len(captures) - _GRAVEST} more" if len(captures) > _GRAVEST else "")
    numbers = ", ".join(counted(count, name) for name, count in counts.items())
    told = [row for row in incidents if not row["background"]]
    rows = [f"<tr>{_cells(_bold(row['severity']), _safe(row['title']), _clients(row), _code(row['rule']))}</tr>" for row in told[:_GRAVEST]]
    more = f"<p>and {len(told) - _GRAVEST:,} more incidents</p>" if len(told) > _GRAVEST else ""
    said = "".join(f"<p>{_safe(sentence)}</p>" for sentence in diagnosis.splitlines())
    return f"<p><b>Case</b> {_safe(names)}: {_safe(numbers)}</p>{said}" + (f"<table>{''.join(rows)}</table>{more}" if rows else "")


def _clients(row: Mapping[str, Value]) -> str:
    return _safe(f"{row['clients']} of {row['clients_total']} clients" if row["clients"] and row["clients_total"] != 1 else "")


def findings(rows: Sequence[Mapping[str, Value]]) -> str:
    """The findings with their facts, a row each."""
    if not rows:
        return "<p>no findings</p>"
    head = "".join(f'<th scope="col"{_LEFT}>{name}</th>' for name in _HEADS)
    more = f"<p>{len(rows) - _FINDINGS:,} more are in the table findings</p>" if len(rows) > _FINDINGS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(_finding(row) for row in rows[:_FINDINGS])}</tbody></table>{more}"


def _finding(row: Mapping[str, Value]) -> str:
    ends = " → ".join(str(row[name]) for name in ("source", "destination") if row[name])
    shown = _cells(
        f"{_bold(row['severity'])}<br>{_safe(row['finding_id'])}",
        f"{_safe(row['title'])}<br>{_code(row['rule'])}",
        "<br>".join(_safe(part) for part in (row["user"], ends) if part),
        _safe(row["why"]),
        _safe(row["advice"]),
        _code(row["filter"]) if row["filter"] else "",
    )
    return f"<tr>{shown}</tr>"


def _cells(*contents: str) -> str:
    return "".join(f"<td{_LEFT}>{content}</td>" for content in contents)


def _bold(value: Value) -> str:
    return f"<b>{_safe(value)}</b>"


def _code(value: Value) -> str:
    return f"<code>{_safe(value)}</code>"


def drawings(ladders: Iterable[Ladder], limit: int) -> str:
    """The first ladders as pictures."""
    shown = list(islice(ladders, _DRAWINGS + 1))
    pictures = "".join(_picture(ladder, limit) for ladder in shown[:_DRAWINGS])
    return pictures + ("<p>There are more ladders: name a connection.</p>" if len(shown) > _DRAWINGS else "")


def _picture(ladder: Ladder, limit: int) -> str:
    data = b64encode(alone(ladder, limit).encode("utf-8", "backslashreplace")).decode("ascii")
    return f'<p><img alt="{_safe(f"Sequence diagram {ladder.title}")}" src="data:image/svg+xml;base64,{data}"></p>'


def preformatted(text: str) -> str:
    """A text of several lines as it is, as much of it as a notebook bears."""
    return f'<pre style="font-family:monospace">{escape(visible(text, _TEXT_CHARS, keep=chr(10)))}</pre>'


def _safe(value: Value) -> str:
    return escape(visible("" if value is None else str(value)))
