"""Which incidents name an arrow of a drawing: those whose findings name one of its packets on its connection.

Notes and findings of low severity mark nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from analyzer.records.finding import Severity
from analyzer.records.result import Result
from analyzer.reports.sequence import Sequence as Drawing
from analyzer.tables.findings import finding_rows, rank
from analyzer.tables.packets import packet_set

_PIECE = re.compile(r"(\d+)(?:\.\.(\d+))?")
_MOST = 256
"""Packets of one range."""
_FEW, _SHARE = 6, 4
"""An incident that marks more arrows than this, and more than one in four, marks the first only."""
Packets: TypeAlias = frozenset[tuple[str, int]]


class Mark(NamedTuple):
    """The packets of a finding (capture, number), and its incident."""

    packets: Packets
    incident: str


Marks: TypeAlias = Mapping[str, list[Mark]]
"""By connection."""


def packets_of(told: str, capture: str) -> Packets:
    """The packets of a set as tables write it: ``12..17,21``, or ``leg-a.pcapng:12..17;leg-b.pcapng:5``."""
    return frozenset(_each(told, capture))


def _each(told: str, capture: str) -> Iterator[tuple[str, int]]:
    for part in told.split(";"):
        name, _, numbers = part.rpartition(":")
        for first, last in _PIECE.findall(numbers):
            yield from ((name or capture, number) for number in range(int(first), min(int(last or first), int(first) + _MOST) + 1))


def marks(named: Iterable[tuple[str, str, str, str]]) -> dict[str, list[Mark]]:
    """Of findings as (connections, packets, capture, incident), comma-joined as in their table."""
    made: dict[str, list[Mark]] = {}
    for connections, packets, capture, incident in named:
        mark = Mark(packets_of(packets, capture), incident)
        for name in connections.split(","):
            made.setdefault(name, []).append(mark)
    return made


def found(own: Marks, connection: str, packets: str, capture: str) -> tuple[str, ...]:
    """The incidents that name these packets of the connection; none for rounds that are drawn as one, which are harmless."""
    there = own.get(connection, ())
    if not there or " to " in packets:
        return ()
    numbers = packets_of(packets, capture)
    return tuple(dict.fromkeys(mark.incident for mark in there if not numbers.isdisjoint(mark.packets)))


def of_result(result: Result) -> dict[str, list[Mark]]:
    """The marks of a run."""
    captures = result.evidence.captures
    rows = (row for row in finding_rows(result) if rank(row.finding.severity) >= rank(Severity.MEDIUM))
    return marks((",".join(row.finding.connections), packet_set(row.finding.packets, captures, named=True) or "", "", row.incident or row.id) for row in rows)


def marked(drawing: Drawing, own: Marks, names: Mapping[int, str]) -> Drawing:
    """The drawing with its marks. ``names``: captures by ordinal; "" for the only one."""
    ids = thinned([found(own, arrow.connection, arrow.packets, names.get(arrow.capture, "")) for arrow in drawing.arrows])
    return drawing._replace(arrows=tuple(arrow._replace(marks=one) if one else arrow for arrow, one in zip(drawing.arrows, ids, strict=True)))


def thinned(ids: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The incidents of each arrow; one that would stand at most arrows (clear text, say) stands at the first of them only."""
    counts = Counter(name for one in ids for name in one)
    broad = {name for name, number in counts.items() if number > max(_FEW, len(ids) // _SHARE)}
    told: set[str] = set()
    made: list[tuple[str, ...]] = []
    for one in ids:
        made.append(tuple(name for name in one if name not in told))
        told |= broad & set(one)
    return made
