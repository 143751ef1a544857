"""The sequence diagram as text and as Mermaid.

Text: one vertical bar per host, one arrow per message with its packet numbers, holes hatched, and at the left the seconds since the first message drawn.
"""

import textwrap
from collections.abc import Iterator

from analyzer.formats.text import visible
from analyzer.reports.lines import Line, Span, line
from analyzer.reports.sequence import Arrow, Sequence

_CLOCK_CHARS = 11
_NARROWEST_LANE = 30
_STYLES = {"message": "", "gap": "yellow", "end": "red"}


def ladder(drawn: Sequence, width: int, limit: int) -> Iterator[Line]:
    """The drawing in ``width`` columns, its first ``limit`` arrows."""
    room = max(_NARROWEST_LANE, (width - _CLOCK_CHARS - len(drawn.lanes)) // (len(drawn.lanes) - 1))
    yield line(Span(visible(drawn.title), "bold"))
    yield _heading(drawn, room, [lane.title for lane in drawn.lanes])
    yield _heading(drawn, room, [lane.host for lane in drawn.lanes])
    start = drawn.arrows[0].time_ns if drawn.arrows else 0
    for arrow in drawn.arrows[:limit]:
        yield from _rungs(arrow, len(drawn.lanes), room, f"{(arrow.time_ns - start) / 1e9:9.3f} s")
    if len(drawn.arrows) > limit:
        yield line(f"{'':{_CLOCK_CHARS}}... {len(drawn.arrows) - limit:,} more; --messages shows them")


def _heading(drawn: Sequence, room: int, words: list[str]) -> Line:
    last = len(drawn.lanes) - 1
    cells = [visible(word)[:room].ljust(room + 1) for word in words[:last]]
    return line(" " * _CLOCK_CHARS + "".join(cells), visible(words[last]))


def _rungs(arrow: Arrow, lanes: int, room: int, clock: str) -> Iterator[Line]:
    style = _STYLES[arrow.kind]
    pieces = textwrap.wrap(visible(arrow.text), room - 2, break_on_hyphens=False) or [""]
    for place, piece in enumerate(pieces):
        yield _row(clock if place == 0 else "", arrow.left, lanes, Span(f" {piece}".ljust(room), style))
    yield _arrow_row(arrow, lanes, room, style)


def _row(clock: str, left: int, lanes: int, middle: Span) -> Line:
    room = len(middle.text)
    cells: list[str | Span] = [clock.ljust(_CLOCK_CHARS)]
    for lane in range(lanes - 1):
        cells.extend(("│", middle if lane == left else " " * room))
    return line(*cells, "│")


def _arrow_row(arrow: Arrow, lanes: int, room: int, style: str) -> Line:
    stroke = "░" if arrow.kind == "gap" else "─"
    shaft = stroke * (room - 1) + "▶" if arrow.rightward else "◀" + stroke * (room - 1)
    cells: list[str | Span] = [" " * _CLOCK_CHARS]
    for lane in range(lanes - 1):
        from_here = lane == arrow.left and arrow.rightward
        cells.extend(("├" if from_here else "│", Span(shaft, style) if lane == arrow.left else " " * room))
    from_end = arrow.left == lanes - 2 and not arrow.rightward
    cells.append("┤" if from_end else "│")
    if lanes == 3 and arrow.left == 0 and not arrow.rightward:
        cells[3] = "┤"
    return line(*cells)


def mermaid(drawn: Sequence, limit: int) -> Iterator[Line]:
    """The drawing as a Mermaid ``sequenceDiagram``."""
    yield line("sequenceDiagram")
    yield line(f"  %% {_entities(drawn.title)}")
    for place, lane in enumerate(drawn.lanes):
        yield line(f"  participant L{place} as {_entities(f'{lane.title} {lane.host}')}")
    for arrow in drawn.arrows[:limit]:
        near, far = (arrow.left, arrow.left + 1) if arrow.rightward else (arrow.left + 1, arrow.left)
        stroke = {"message": "->>", "gap": "--)", "end": "-x"}[arrow.kind]
        yield line(f"  L{near}{stroke}L{far}: {_entities(arrow.text)}")
    if len(drawn.arrows) > limit:
        yield line(f"  Note over L0: {len(drawn.arrows) - limit} more messages")


def _entities(text: str) -> str:
    """Characters that mean something to Mermaid or HTML as its numbered entities."""
    return "".join(f"#{ord(char)};" if char in "#;<>&\"'%{}`" else char for char in visible(text))
