"""The ladders of the page: folded, marked with the incidents that name their packets, and split into parts that a screen and a sheet can hold."""

import re
from typing import NamedTuple

from analyzer.reports.drawings import Ladder
from analyzer.reports.folding import folded_ladder
from analyzer.reports.html.source import Room, Shown, Source, text
from analyzer.reports.marks import Marks, found, marks, thinned
from analyzer.reports.svg import Named, svg

_PART = 60
"""Arrows of a part."""
_BROKEN = ("medium", "high", "critical")


class Part(NamedTuple):
    """A drawing of some of the arrows, what it is called, and its anchor."""

    drawing: object
    words: str
    anchor: str


class Diagram(NamedTuple):
    """A ladder as it stands in the page; ``steps`` is what the table below it has; ``route`` its id, where it is one's."""

    title: str
    lanes: tuple[str, ...]
    parts: tuple[Part, ...]
    steps: Shown
    start_ns: int
    route: str = ""


def diagrams(source: Source, room: Room) -> tuple[list[Diagram], int]:
    """The ladders that the page has room for, those that the most severe findings name first. And how many are not drawn."""
    order: dict[str, int] = {}
    for row in source.rows("findings"):
        for name in text(row, "connections").split(","):
            order.setdefault(name, len(order))
    folded = [folded_ladder(one) for one in source.ladders]
    ordered = sorted(enumerate(folded), key=lambda item: min((order.get(step.connection, len(order)) for step in item[1].steps), default=len(order)))
    left = room.all_arrows
    made: list[Diagram] = []
    own = _marks(source)
    for _, ladder in ordered:
        count = min(room.arrows, len(ladder.steps))
        if count and count <= left:
            left -= count
            made.append(_diagram(ladder, len(made) + 1, room, own))
    return made, sum(bool(one.steps) for one in folded) - len(made)


def _marks(source: Source) -> Marks:
    rows = (row for row in source.rows("findings") if row["severity"] in _BROKEN)
    return marks((text(row, "connections"), text(row, "packets"), text(row, "capture"), text(row, "incident_id") or text(row, "finding_id")) for row in rows)


def _diagram(ladder: Ladder, place: int, room: Room, own: Marks) -> Diagram:
    from markupsafe import Markup

    drawn = ladder.steps[: room.arrows]
    ids = thinned([found(own, step.connection, step.packets, step.capture) for step in drawn])
    steps = tuple(step._replace(marks=one) if one else step for step, one in zip(drawn, ids, strict=True))
    lanes = tuple(f"{lane.title} {lane.host}" for lane in ladder.lanes)
    start, parts = ladder.steps[0].time_ns, []
    for first in range(0, len(steps), _PART):
        piece = ladder._replace(steps=steps[first : first + _PART])
        named = Named(f"ladder-{place}-{first}-title", f"ladder-{place}-{first}-text")
        words = f"{first + 1} to {first + len(piece.steps)}, from {(piece.steps[0].time_ns - start) / 1e9:+.3f} s"
        parts.append(Part(Markup(svg(piece, _PART, named, start=start)), words, f"ladder-{place}-{first}"))  # noqa: S704 (escaped there)
    route = re.match(r"r\d+(?=:)", ladder.title)
    return Diagram(ladder.title, lanes, tuple(parts), Shown(steps, len(ladder.steps)), start, route[0] if route else "")
