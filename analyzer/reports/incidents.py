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
from analyzer.tables.findings import FindingRow, rank, rows_named
from analyzer.tables.packets import frame_filter, number_set, numbers_by_capture

_DETAILED, _LISTED = 3, 12
"""Incidents of the first screen: with what proves them (medium and more severe), and in one line each."""
_IDS_SHOWN = 4
_KINDS = {Kind.SOCKS: "proxy"}
_FEWEST, _AROUND = 12, 40
"""Characters of a packet set: at least so many; so many fewer than the screen is wide."""


def incident_lines(result: Result, width: int, *, products: bool = False) -> Iterator[Line]:
    """The incidents; notes that come with every healthy capture are one line."""
    told = [one for one in result.incidents if not one.background]
    counts = Counter(one.severity for one in told)
    shown = ", ".join(f"{counts[level]} {level.value}" for level in reversed(Severity) if counts[level])
    yield line(Span("INCIDENTS", "bold"), f"  {shown or 'none'}")
    detailed = _detailed(told)
    ids = {one.id for one in detailed}
    rows = {row.id: row for row in rows_named(result, {one.findings[0] for one in detailed})}
    whole = next((one.explained_by if one.explained_by in ids else one.id for one in detailed[:1]), None)
    for one in detailed:
        yield from _incident(result, one, rows[one.findings[0]], width, products=products, whole=one.id == whole)
    rest = [one for one in told if one not in detailed]
    kinds = _alike(rest)
    for group in kinds[:_LISTED]:
        yield _listed(result, group)
    if len(kinds) > _LISTED:
        yield line(f"  and {sum(map(len, kinds[_LISTED:])):,} more (table incidents)")
    yield from _background(result.incidents, width)
    yield BLANK


def _detailed(told: Sequence[Incident]) -> list[Incident]:
    """Those told at length, in their order: one of each kind first, so that a hundred servers with one fault hide no other fault."""
    grave = [one for one in told if rank(one.severity) >= rank(Severity.MEDIUM)]
    firsts = {one.id for one in {one.rule: one for one in reversed(grave)}.values()}
    chosen = {one.id for one in sorted(grave, key=lambda one: one.id not in firsts)[:_DETAILED]}
    return [one for one in grave if one.id in chosen]


def _alike(rest: Sequence[Incident]) -> list[list[Incident]]:
    """What differs in where it was found only, together, in the order of the first of each."""
    groups: dict[tuple[str, Severity, bool], list[Incident]] = {}
    for one in rest:
        groups.setdefault((one.rule, one.severity, one.explained_by is None), []).append(one)
    return list(groups.values())


def _listed(result: Result, group: Sequence[Incident]) -> Line:
    """One line: ``i4..i100  HIGH  Server srv4 accepts unencrypted requests, and 96 more servers (f4..f100)``."""
    first = group[0]
    more = f", and {counted(len(group) - 1, *_places(result, group))}" if len(group) > 1 else ""
    causes = list(dict.fromkeys(one.explained_by for one in group if one.explained_by))
    follows = f", probably {'follow' if more else 'follows'} from {_several(causes)}" if causes else ""
    ids, findings = _several([one.id for one in group]), _several([name for one in group for name in one.findings])
    graveness = Span(first.severity.value.upper(), STYLES[first.severity])
    return line("  ", Span(ids, "bold"), "  ", graveness, f"  {visible(first.title)}{more} ({findings}{follows})")


def _places(result: Result, group: Sequence[Incident]) -> tuple[str, str]:
    """What the others of a group are, one and several: machines of a kind, each with one incident, or incidents."""
    parties = {one.party for one in group}
    kinds = {_KINDS.get(party.kind, party.kind.value) for party in result.evidence.story.parties if party.id in parties}
    if len(kinds) != 1 or len(parties) != len(group):
        return "more incident of this kind", "more incidents of this kind"
    kind = next(iter(kinds))
    return f"more {kind}", "more proxies" if kind == "proxy" else f"more {kind}s"


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
        kind = _KINDS.get(party.kind, party.kind.value)
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
    return _several(one.findings)


def _several(names: Sequence[str]) -> str:
    """``i4``, ``i4..i50``, ``i4, i6, i7, i9 and 40 more``."""
    numbers = sorted(int(name[1:]) for name in names)
    if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{names[0][0]}{numbers[0]}..{names[0][0]}{numbers[-1]}"
    told = ", ".join(names[:_IDS_SHOWN])
    return f"{told} and {len(names) - _IDS_SHOWN:,} more" if len(names) > _IDS_SHOWN else told
