"""The first screen of a case whose connections were looked at in groups: what tables tell, as there are no records."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from analyzer.formats.text import visible
from analyzer.records.result import Result
from analyzer.reports.facts import counted
from analyzer.reports.grid import grid
from analyzer.reports.incidents import incident_lines
from analyzer.reports.lines import BLANK, Line, Span, fitted, line, paragraph
from analyzer.reports.next_steps import Asked, given_words, quoted
from analyzer.reports.proxies import proxy_lines
from analyzer.tables.registry import table_named

_ROWS = 12
"""Incidents and proxies that are shown."""
_COUNTED = ("connections", "exchanges", "logons", "commands", "operations", "events")
_LEVELS = ("error", "warning")
Cells = Sequence[tuple[Any, ...]]


def overview(
    cells: Callable[[str], Cells], manifest: Mapping[str, object], commands: Sequence[str], width: int, result: Result | None = None
) -> Iterator[Line]:
    """Diagnosis, incidents, proxies, evidence, what was odd, and the commands to go on with. ``result``: findings, incidents and parties; where there are
    none, tables tell of them."""
    yield from fitted(_sections(cells, manifest, commands, width, result), width)


def on_folder(folder: str) -> list[str]:
    """The commands that go on from a case folder."""
    return [f"winrm-analyzer {words} {quoted(folder)}" for words in ("findings", "show requests", "show exchanges", "report -o report.html")]


def written(memory: int, asked: Asked) -> str:
    """The command that writes a case folder of what was looked at without one: the tables that there were are gone with the run."""
    return f"winrm-analyzer analyze --memory {memory} -o CASE {given_words(asked)}"


def _sections(cells: Callable[[str], Cells], manifest: Mapping[str, object], commands: Sequence[str], width: int, result: Result | None) -> Iterator[Line]:
    told = manifest.get("diagnosis")
    yield line(Span("DIAGNOSIS", "bold"))
    for sentence in told if isinstance(told, list) else []:
        yield from paragraph(visible(str(sentence)), width, indent=2)
    yield BLANK
    if result is None:
        yield from _table("INCIDENTS", "incidents", cells("incidents"), width)
        yield from _table("PROXIES", "proxies", cells("proxies"), width)
    else:
        yield from incident_lines(result, width)
        yield from proxy_lines(result, width, full=False)
        yield BLANK
    yield line(Span("EVIDENCE", "bold"))
    rows = manifest.get("rows")
    counts = rows if isinstance(rows, dict) else {}
    captures = cells("captures")
    shown = ", ".join(counted(int(counts[name]), name.removesuffix("s")) for name in _COUNTED if counts.get(name))
    yield from paragraph(f"{counted(len(captures), 'capture')}: {shown or 'no connections'}", width, indent=2)
    text = f"connections were looked at in {counted(int(str(manifest.get('groups'))), 'group')}, to stay within --memory: the case has tables, and no records"
    yield from paragraph(text, width, indent=2)
    yield from _issues(cells("issues"), width)
    yield BLANK
    yield line(Span("NEXT", "bold"))
    for command in commands:
        yield line("  ", Span(command, whole=True))


def _table(title: str, name: str, rows: Cells, width: int) -> Iterator[Line]:
    table = table_named(name)
    yield line(Span(title, "bold"), f"  {len(rows):,}" if rows else "  none")
    if rows:
        yield from grid(table, list(rows[:_ROWS]), table.screen, width)
        if len(rows) > _ROWS:
            yield line(f"  and {len(rows) - _ROWS:,} more (winrm-analyzer show {name})")
    yield BLANK


def _issues(rows: Cells, width: int) -> Iterator[Line]:
    """What was odd, by kind, each with an example."""
    names = table_named("issues").names
    code, level, detail, repeats = (names.index(name) for name in ("code", "level", "detail", "repeats"))
    kinds = Counter[tuple[str, str]]()
    for row in rows:
        if row[level] in _LEVELS:
            kinds[row[level], row[code]] += row[repeats]
    for (word, name), number in sorted(kinds.items(), key=lambda item: (_LEVELS.index(item[0][0]), -item[1])):
        example = next(row[detail] for row in rows if row[code] == name)
        yield from paragraph(f"{word}: {visible(name)}, {number:,} x: {visible(str(example or ''))}", width, indent=2)
