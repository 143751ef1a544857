"""The sequence diagrams as a table, so that a case folder has them and a report of the folder draws the same as one of the captures.

It is written beside the public tables as ``ladders.parquet``: one row per arrow, in the order drawn.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.reports.sequence import Arrow, Lane, connection_named, sequences
from analyzer.reports.sequence import Sequence as Drawing
from analyzer.tables.column import Column, Dtype, Table, Value


class Rung(Struct, frozen=True, gc=False):
    """An arrow of a drawing, with what the drawing says of its lanes (None where it has two), and the captures of the run."""

    title: str
    lanes: tuple[str | None, ...]
    hosts: tuple[str | None, ...]
    arrow: Arrow
    captures: Sequence[Capture]


_LANES = 3


def _rows(result: Result) -> Iterator[Rung]:
    for drawing in sequences(result.evidence):
        yield from _rungs(drawing, result.evidence.captures)


def _rungs(drawing: Drawing, captures: Sequence[Capture]) -> Iterator[Rung]:
    none: tuple[None, ...] = (None,) * (_LANES - len(drawing.lanes))
    lanes = (*(lane.title for lane in drawing.lanes), *none)
    hosts = (*(f"{lane.host} ({lane.name})" if lane.name else lane.host for lane in drawing.lanes), *none)
    for arrow in drawing.arrows:
        yield Rung(drawing.title, lanes, hosts, arrow, captures)


def _capture(row: Rung) -> str | None:
    ordinal = row.arrow.capture
    return row.captures[ordinal].name if ordinal < len(row.captures) else None


_COLUMNS: tuple[Column[Rung], ...] = (
    Column("drawing", Dtype.TEXT, lambda row: row.title, "The route or the connection that is drawn."),
    Column("lane_1", Dtype.TEXT, lambda row: row.lanes[0], "The leftmost lane."),
    Column("host_1", Dtype.TEXT, lambda row: row.hosts[0], "Its host, with its name."),
    Column("lane_2", Dtype.TEXT, lambda row: row.lanes[1], "The second lane."),
    Column("host_2", Dtype.TEXT, lambda row: row.hosts[1], "Its host, with its name."),
    Column("lane_3", Dtype.TEXT, lambda row: row.lanes[2], "The third lane; null when there are two."),
    Column("host_3", Dtype.TEXT, lambda row: row.hosts[2], "Its host, with its name."),
    Column("time", Dtype.TIME, lambda row: row.arrow.time_ns, "When, by the clock of the reference capture."),
    Column("left_lane", Dtype.INTEGER, lambda row: row.arrow.left, "The arrow lies between this lane (from 0) and the next."),
    Column("rightward", Dtype.FLAG, lambda row: row.arrow.rightward, "It points to the right."),
    Column("kind", Dtype.TEXT, lambda row: row.arrow.kind, "`message`, `gap` or `end`."),
    Column("head", Dtype.TEXT, lambda row: row.arrow.head, "The start line."),
    Column("details", Dtype.TEXT, lambda row: row.arrow.details, "What it carries."),
    Column("record", Dtype.TEXT, lambda row: row.arrow.record, "The exchange or connection."),
    Column("tone", Dtype.TEXT, lambda row: row.arrow.tone, "The word of its protection, or `refused`, `reset` or `foreign` (of another client)."),
    Column("capture", Dtype.TEXT, _capture, "The capture's name."),
    Column("packets", Dtype.TEXT, lambda row: row.arrow.packets, "Its packets."),
)

LADDERS = Table(name="ladders", means="One row per arrow of the sequence diagrams.", columns=_COLUMNS, rows=_rows, screen=("time", "head", "details"))


class Step(NamedTuple):
    """An arrow out of the table."""

    time_ns: int
    left: int
    rightward: bool
    kind: str
    head: str
    details: str
    record: str
    tone: str
    capture: str
    packets: str
    marks: tuple[str, ...] = ()

    @property
    def connection(self) -> str:
        """The connection that it travels on."""
        return connection_named(self.record)


class Ladder(NamedTuple):
    """A drawing out of the table."""

    title: str
    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]


def ladder_of(drawing: Drawing, captures: Sequence[Capture]) -> Ladder:
    """One drawing as it comes out of the table."""
    made = next(ladders(rungs_of(drawing, captures)), Ladder(drawing.title, drawing.lanes, ()))
    if len(made.steps) != len(drawing.arrows):
        return made
    return made._replace(steps=tuple(step._replace(marks=arrow.marks) for step, arrow in zip(made.steps, drawing.arrows, strict=True)))


def rungs_of(drawing: Drawing, captures: Sequence[Capture]) -> list[tuple[Value, ...]]:
    """The cells of the arrows of one drawing."""
    return [tuple(column.get(row) for column in _COLUMNS) for row in _rungs(drawing, captures)]


def ladders(cells: Iterable[tuple[Value, ...]]) -> Iterator[Ladder]:
    """The drawings of the table's cells. The file may come from anywhere: an arrow that lies outside of its lanes is left out."""
    names = LADDERS.names
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    for title, group in groupby(rows, key=lambda row: row["drawing"]):
        own = list(group)
        lanes = tuple(Lane(str(own[0][f"lane_{place}"]), str(own[0][f"host_{place}"] or "?")) for place in (1, 2, 3) if own[0][f"lane_{place}"] is not None)
        steps = tuple(_step(row) for row in own if row["left_lane"] is not None and 0 <= int(row["left_lane"]) < len(lanes) - 1)
        if len(lanes) > 1:
            yield Ladder(str(title or ""), lanes, steps)


def _step(row: dict[str, Value]) -> Step:
    def text(name: str) -> str:
        return str(row[name] or "")

    words = [text(name) for name in ("kind", "head", "details", "record", "tone", "capture", "packets")]
    return Step(int(row["time"] or 0), int(row["left_lane"] or 0), bool(row["rightward"]), *words)  # type: ignore[arg-type]  # seven words
