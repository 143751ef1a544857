"""The incidents on the first screen, each with what proves it and what to change."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.records.finding import Severity
from analyzer.records.incident import Incident
from analyzer.records.result import Result
from analyzer.records.story import Kind
from analyzer.reports.advice import STYLES, setting_lines
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line, paragraph
from analyzer.reports.naming import named
from analyzer.tables.findings import FindingRow, finding_rows, rank
from analyzer.tables.packets import frame_filter, number_set, numbers_by_capture

_DETAILED, _LISTED = 3, 12
"""Incidents of the first screen: with what proves them (medium and more severe), and in one line each."""
_IDS_SHOWN = 4
_FEWEST, _AROUND = 12, 40
"""Characters of a packet set: at least so many; so many fewer than the screen is wide."""


def incident_lines(result: Result, width: int, *, products: bool = False) -> Iterator[Line]:
    """The incidents; notes that come with every healthy capture are one line."""
    rows = {row.id: row for row in finding_rows(result)}
    told = [one for one in result.incidents if not one.background]
    counts = Counter(one.severity for one in told)
    shown = ", ".join(f"{counts[level]} {level.value}" for level in reversed(Severity) if counts[level])
    yield line(Span("INCIDENTS", "bold"), f"  {shown or 'none'}")
    detailed = [one for one in told if rank(one.severity) >= rank(Severity.MEDIUM)][:_DETAILED]
    ids = {one.id for one in detailed}
    whole = next((one.explained_by if one.explained_by in ids else one.id for one in detailed[:1]), None)
    for one in detailed:
        yield from _incident(result, one, rows[one.findings[0]], width, products=products, whole=one.id == whole)
    rest = [one for one in told if one not in detailed]
    for one in rest[:_LISTED]:
        follows = f", probably follows from {one.explained_by}" if one.explained_by else ""
        yield line("  ", Span(one.id, "bold"), "  ", Span(one.severity.value.upper(), STYLES[one.severity]), f"  {visible(one.title)} ({_ids(one)}{follows})")
    if len(rest) > _LISTED:
        yield line(f"  and {len(rest) - _LISTED:,} more")
    yield from _background(result.incidents, width)
    yield BLANK


def _background(incidents: Sequence[Incident], width: int) -> Iterator[Line]:
    notes = [one for one in incidents if one.background]
    if notes:
        names = ", ".join(dict.fromkeys(one.rule for one in notes))
        yield from paragraph(
            f"{counted(sum(len(one.findings) for one in notes), 'note')} ({names}); --full shows them", width, label="background: ", indent=2, style="dim"
        )


def _incident(result: Result, one: Incident, first: FindingRow, width: int, *, products: bool, whole: bool) -> Iterator[Line]:
    yield line("  ", Span(one.id, "bold"), "  ", Span(one.severity.value.upper(), STYLES[one.severity]), "  ", Span(visible(one.title), "bold"))
    yield from paragraph(_whom(result, one), width, label="who      ", indent=6)
    if one.explained_by:
        yield from paragraph(f"probably follows from {one.explained_by}", width, label="cause    ", indent=6)
    if whole:
        yield from paragraph(first.finding.why, width, label="why      ", indent=6)
    yield from _where(first, width, with_filter=whole)
    if not one.explained_by:
        yield from paragraph(f"{one.change}.", width, label="to do    ", indent=6)
    if whole or products:
        yield from setting_lines(first.finding, width, products=products, seen=False)


def _where(row: FindingRow, width: int, *, with_filter: bool) -> Iterator[Line]:
    for ordinal, numbers in numbers_by_capture(row.finding.packets).items():
        told, room = number_set(numbers), max(_FEWEST, width - _AROUND)
        if len(told) > room:  # one line: a number is never broken
            told = f"{told[:room].rpartition(',')[0]} and more, {len(numbers):,} named"
        named = f"  of {visible(row.captures[ordinal].name)}" if len(row.captures) > 1 else ""
        yield from paragraph(told + named, width, label="packets  ", indent=6, limit=len(told + named))
        if with_filter:
            yield line("      filter   ", Span(frame_filter(row.finding.packets, ordinal) or "", "green", whole=True))


def _whom(result: Result, one: Incident) -> str:
    """``50 of 50 clients of proxy 10.0.0.5 (squid); f1, f2, f3 and 47 more findings``."""
    party = next((found for found in result.evidence.story.parties if found.id == one.party), None)
    place = ""
    if party is not None:
        kind = "proxy" if party.kind in (Kind.PROXY, Kind.SOCKS) else party.kind.value
        host = party.listens[0].host if party.listens else next(iter(party.hosts), "")
        place = f"{kind} {named(result.evidence, host)}" + (f" ({party.product})" if party.product else "")
    parts = []
    if one.clients:
        number = f"{one.clients:,} of {one.clients_total:,} clients" if one.clients_total > 1 else "1 client"
        parts.append(number + (f" of {place}" if place else ""))
    elif place:
        parts.append(place)
    if one.cost_ns:
        parts.append(f"{one.cost_ns / 1e9:,.1f} s spent waiting" if one.cost_ns >= 100_000_000 else "")
    return "; ".join([*(part for part in parts if part), _ids(one)])


def _ids(one: Incident) -> str:
    """``f1``, ``f1..f50``."""
    names = [int(name[1:]) for name in one.findings]
    if len(names) > 1 and names == list(range(names[0], names[-1] + 1)):
        return f"f{names[0]}..f{names[-1]}"
    told = ", ".join(one.findings[:_IDS_SHOWN])
    return f"{told} and {len(names) - _IDS_SHOWN:,} more" if len(names) > _IDS_SHOWN else told
