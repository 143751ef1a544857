"""Which incidents name an arrow of a drawing: those whose findings name one of its packets on its connection.

Notes and findings of low severity mark nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from analyzer.records.finding import Severity
from analyzer.records.result import Result
from analyzer.reports.sequence import Arrow
from analyzer.reports.sequence import Sequence as Drawing
from analyzer.tables.findings import finding_rows, rank
from analyzer.tables.packets import packet_set

_PIECE = re.compile(r"(\d+)(?:\.\.(\d+))?")
_MOST = 256
"""Packets of one range."""
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
    return drawing._replace(arrows=tuple(_marked(arrow, own, names) for arrow in drawing.arrows))


def _marked(arrow: Arrow, own: Marks, names: Mapping[int, str]) -> Arrow:
    ids = found(own, arrow.connection, arrow.packets, names.get(arrow.capture, ""))
    return arrow._replace(marks=ids) if ids else arrow
