"""The sequence diagram as text and as Mermaid.

Text: one vertical bar per host, one arrow per message with its packet numbers, holes hatched, and at the left the seconds since the first message drawn, whose
time stands above. An arrow whose packets an incident names has the incident's id behind its text.
"""

import textwrap
from collections.abc import Iterator

from analyzer.formats.text import visible
from analyzer.reports.lines import Line, Span, fitted, line
from analyzer.reports.sequence import Arrow, Lane, Sequence
from analyzer.tables.times import on_screen

_CLOCK_CHARS = 11
_NARROWEST_LANE = 30
_STYLES = {"message": "", "gap": "yellow", "end": "red"}


def ladder(drawn: Sequence, width: int, limit: int) -> Iterator[Line]:
    """The drawing in ``width`` columns, its first ``limit`` arrows; a list of them where lanes have no room."""
    room = (width - _CLOCK_CHARS - len(drawn.lanes)) // (len(drawn.lanes) - 1)
    if room < max(_NARROWEST_LANE, *(len(visible(lane.host)) for lane in drawn.lanes[:-1])):
        yield from fitted(_listed(drawn, limit), width)
        return
    yield from fitted([line(Span(visible(drawn.title), "bold")), *_clock(drawn)], width)
    yield from _heading(room, [lane.title for lane in drawn.lanes])
    yield from _heading(room, [lane.host for lane in drawn.lanes])
    if any(lane.name for lane in drawn.lanes):
        names = [visible(lane.name) for lane in drawn.lanes]
        yield from _heading(room, [*(name if len(name) <= room else name[: room - 1] + "…" for name in names[:-1]), names[-1]])
    start = drawn.arrows[0].time_ns if drawn.arrows else 0
    for arrow in drawn.arrows[:limit]:
        yield from _rungs(arrow, len(drawn.lanes), room, f"{(arrow.time_ns - start) / 1e9:9.3f} s")
    if len(drawn.arrows) > limit:
        yield line(f"{'':{_CLOCK_CHARS}}{_more(drawn, limit)}")


def _host(lane: Lane) -> str:
    return visible(f"{lane.host} ({lane.name})" if lane.name else lane.host)


def _clock(drawn: Sequence) -> Iterator[Line]:
    """The time of the first arrow, from which the seconds count."""
    if drawn.arrows:
        yield line(Span(f"0.000 s is {on_screen(drawn.arrows[0].time_ns)}", "dim"))


def _more(drawn: Sequence, limit: int) -> str:
    return f"... {len(drawn.arrows) - limit:,} more, until {on_screen(drawn.arrows[-1].time_ns)}"


def _style(arrow: Arrow) -> str:
    """Red for what broke it, gray for other clients."""
    if arrow.tone == "foreign":
        return "dim"
    broke = arrow.marks and (arrow.kind == "end" or arrow.tone in {"refused", "reset"})
    return "bold red" if broke else _STYLES[arrow.kind]


def _words(arrow: Arrow) -> str:
    return visible(arrow.text) + (f" ◆ {', '.join(arrow.marks)}" if arrow.marks else "")


def _listed(drawn: Sequence, limit: int) -> Iterator[Line]:
    """For a terminal that is too narrow for lanes: each arrow in words."""
    yield line(Span(visible(drawn.title), "bold"))
    yield from _clock(drawn)
    for lane in drawn.lanes:
        yield line(f"  {lane.title}: {_host(lane)}")
    start = drawn.arrows[0].time_ns if drawn.arrows else 0
    for arrow in drawn.arrows[:limit]:
        near, far = (arrow.left, arrow.left + 1) if arrow.rightward else (arrow.left + 1, arrow.left)
        way = f"{drawn.lanes[near].title} → {drawn.lanes[far].title}"
        yield line(f"{(arrow.time_ns - start) / 1e9:.3f} s  {way}: ", Span(_words(arrow), _style(arrow)))
    if len(drawn.arrows) > limit:
        yield line(_more(drawn, limit))


def _heading(room: int, words: list[str]) -> Iterator[Line]:
    """Each word where its lane begins, but the last one, which ends where its lane is; below the others when it has no room beside them."""
    cells = [visible(word).ljust(room + 1) for word in words[:-1]]
    told = " " * _CLOCK_CHARS + "".join(cells) + " "
    first, *rest = textwrap.wrap(visible(words[-1]), len(told) - _CLOCK_CHARS, break_on_hyphens=False) or [""]
    if len(told.rstrip()) + 2 + len(first) <= len(told):
        yield line(told[: len(told) - len(first)] + first)
    else:
        yield line(told)
        rest = [first, *rest]
    for piece in rest:
        yield line(piece.rjust(len(told)))


def _rungs(arrow: Arrow, lanes: int, room: int, clock: str) -> Iterator[Line]:
    style = _style(arrow)
    pieces = textwrap.wrap(_words(arrow), room - 2, break_on_hyphens=False) or [""]
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
        yield line(f"  participant L{place} as {_entities(f'{lane.title} {_host(lane)}')}")
    for arrow in drawn.arrows[:limit]:
        near, far = (arrow.left, arrow.left + 1) if arrow.rightward else (arrow.left + 1, arrow.left)
        stroke = {"message": "->>", "gap": "--)", "end": "-x"}[arrow.kind]
        yield line(f"  L{near}{stroke}L{far}: {_entities(arrow.text)}")
        if arrow.marks:
            yield line(f"  Note over L{min(near, far)},L{max(near, far)}: {_entities(', '.join(arrow.marks))}")
    if len(drawn.arrows) > limit:
        yield line(f"  Note over L0: {len(drawn.arrows) - limit} more messages")


def _entities(text: str) -> str:
    """Characters that mean something to Mermaid or HTML as its numbered entities."""
    return "".join(f"#{ord(char)};" if char in "#;<>&\"'%{}`" else char for char in visible(text))
