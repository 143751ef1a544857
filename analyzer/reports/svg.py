"""The sequence diagram as SVG: one vertical line per host, one arrow per message, with its packets, its start line and what it carries.

Drawn by hand and without any style of its own, so that a page can give it colours by class; `STYLE` is for a drawing that stands alone. Every text goes through
`visible` and is escaped; what is too long for its lane is cut, and whole in the tooltip of the arrow.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from msgspec import Struct

from analyzer.formats.text import visible
from analyzer.reports.drawings import Ladder, Step
from analyzer.reports.sequence import Lane
from analyzer.tables.times import rfc3339

WIDTH = 1000
_SIZE = f'xmlns="http://www.w3.org/2000/svg" width="{WIDTH}"'
_LEFT, _RIGHT = 160, 930
_TOP, _ROW = 62, 44
_CLOCK, _BETWEEN = 114, 4
"""Where the date and time of the first arrow end, and half of what is between two hosts' names, in pixels."""
_HEAD_CHAR, _DETAIL_CHAR = 7.3, 6.2
"""Pixels of a character of the two sizes."""
_TONES = frozenset({"clear", "sealed", "tls", "empty", "none", "refused", "reset", "foreign"})
_KINDS = frozenset({"message", "gap", "end"})
_COLORS, _MARKS = 6, 3
"""Colors of chips; incidents that a row names."""

STYLE = """
svg{background:#fff;color:#1a2330;font:12px ui-monospace,monospace}text{fill:#1a2330}.host{font-weight:700}.dim{fill:#55616f;font-size:10.5px}
.lane{stroke:#9aa7b5;stroke-width:1.5}.shaft{stroke:#3b4a5a;stroke-width:1.5;fill:none}.tip{fill:#3b4a5a}
.sealed .shaft{stroke:#1f6f43}.sealed .tip{fill:#1f6f43}
.clear .shaft{stroke:#8a4b00;stroke-dasharray:7 3}.clear .tip{fill:#8a4b00}
.tls .shaft{stroke:#1d5c8f}.tls .tip{fill:#1d5c8f}
.refused .shaft,.reset .shaft{stroke:#b3261e}.refused .tip,.reset .tip{fill:#b3261e}.gap .shaft{stroke:#8a4b00;stroke-dasharray:2 3}.gap .tip{fill:#8a4b00}
.foreign .shaft{stroke:#8a94a0}.foreign .tip{fill:#8a94a0}.foreign text{fill:#6a7480}
.end.broke .shaft{stroke:#b3261e;stroke-width:2.5}.end.broke .tip{fill:#b3261e}
.row{fill:#fdecea}.chip{fill:#e3e8ee}text.chip{fill:#1a2330;font-size:10.5px}rect.hit{fill:#fff;stroke:#b3261e}rect.hit+text.chip{fill:#b3261e}
.chip0{fill:#d5e5f7}.chip1{fill:#dcefdf}.chip2{fill:#f6e6cc}.chip3{fill:#e8ddf3}.chip4{fill:#f7d9dc}.chip5{fill:#d3eeee}
"""


class Named(Struct, frozen=True, gc=False):
    """The ids of the title and the description, which must be unique in a page."""

    title: str
    description: str


def alone(drawn: Ladder, limit: int) -> str:
    """The drawing as a file of its own."""
    return svg(drawn, limit, Named("title", "description"), STYLE) + "\n"


def svg(drawn: Ladder, limit: int, named: Named, style: str = "", start: int | None = None) -> str:
    """The drawing with its first ``limit`` arrows; seconds count from ``start``, or from the first of them."""
    steps = drawn.steps[:limit]
    height = _TOP + _ROW * len(steps) + 24
    places = lane_places(len(drawn.lanes))
    pieces = [
        f'<svg {_SIZE} viewBox="0 0 {WIDTH} {height}" height="{height}" role="img" aria-labelledby="{named.title} {named.description}">',
        f'<title id="{named.title}">{_safe(f"Sequence diagram {drawn.title}")}</title>',
        f'<desc id="{named.description}">{_safe(_described(drawn, len(steps)))}</desc>',
        f"<style>{style}</style>" if style else "",
        *_lanes(drawn.lanes, places, height),
    ]
    start = start if start is not None else drawn.steps[0].time_ns if drawn.steps else 0
    date, _, clock = rfc3339(start).partition("T")
    pieces += [f'<text class="dim" x="6" y="16">{date}</text>', f'<text class="dim" x="6" y="30">{clock[:15]}Z</text>']
    chips = _chips(drawn)
    for place, step in enumerate(steps):
        pieces.extend(_arrow(step, _TOP + _ROW * place, places, start, chips))
    return "\n".join([*(piece for piece in pieces if piece), "</svg>"])


def lane_places(count: int) -> list[int]:
    """Where the lanes stand, from left to right."""
    return [_LEFT + (_RIGHT - _LEFT) * place // (count - 1) for place in range(count)]


def _described(drawn: Ladder, number: int) -> str:
    lanes = ", ".join(f"{lane.title} {lane.host}" for lane in drawn.lanes)
    more = f", the first {number:,} drawn" if number < len(drawn.steps) else ""
    return f"{len(drawn.steps):,} messages between {lanes}{more}. The table below the drawing has the same rows."


def _lanes(lanes: Sequence[Lane], places: Sequence[int], height: int) -> Iterator[str]:
    for place, (lane, x) in enumerate(zip(lanes, places, strict=True)):
        begin = (places[place - 1] + x) // 2 + _BETWEEN if place else _CLOCK
        end = (x + places[place + 1]) // 2 - _BETWEEN if place + 1 < len(places) else WIDTH - 6
        yield _name("dim", 16, lane.title, _DETAIL_CHAR, (begin, x, end))
        yield _name("host", 33, lane.host, _HEAD_CHAR, (begin, x, end))
        yield f'<line class="lane" x1="{x}" y1="42" x2="{x}" y2="{height - 8}"/>'


def _name(style: str, y: int, words: str, char: float, room: tuple[int, int, int]) -> str:
    """Words over a lane, in the middle of it where there is room on both sides; ``room``: where they may begin, the lane, where they have to end."""
    begin, x, end = room
    text = _cut(words, end - begin, char)
    half = len(text) * char / 2
    at, anchor = (begin, "start") if x - half < begin else (end, "end") if x + half > end else (x, "middle")
    return f'<text class="{style}" x="{at}" y="{y}" text-anchor="{anchor}">{_safe(text)}</text>'


def _chips(drawn: Ladder) -> dict[str, int]:
    """The connections that share their lanes with another one, numbered; each has a chip on its arrows."""
    lanes: dict[int, dict[str, None]] = {}
    for step in drawn.steps:
        lanes.setdefault(step.left, {}).setdefault(step.connection)
    shared = [name for names in lanes.values() if len(names) > 1 for name in names]
    return {name: place % _COLORS for place, name in enumerate(dict.fromkeys(shared))}


def _chip(words: str, kind: str, right: int, y: int) -> str:
    wide = round(len(words) * 6.4) + 9
    box = f'<rect class="chip {kind}" x="{right - wide}" y="{y}" width="{wide}" height="15" rx="4"/>'
    return f'{box}<text class="chip" x="{right - wide + 4.5}" y="{y + 11}">{_safe(words)}</text>'


def _arrow(step: Step, y: int, places: Sequence[int], start: int, chips: Mapping[str, int]) -> Iterator[str]:
    """Start line, what it carries, chips of its connection and of the incidents that name it, and the shaft below."""
    left, right = places[step.left], places[step.left + 1]
    labels = [(visible(one), "hit") for one in reversed(step.marks[:_MARKS])]
    labels += [(visible(step.connection), f"chip{chips[step.connection]}")] if step.connection in chips else []
    at, chipped = right - 10, []
    for label, kind in labels:
        chipped.append(_chip(label, kind, at, y + 3))
        at -= round(len(label) * 6.4) + 13
    room = at - left - 16
    tone = step.tone if step.tone in _TONES else ""
    words = " ".join(word for word in (step.kind if step.kind in _KINDS else "message", tone, "broke" if step.marks else "") if word)
    number = f"#{step.packets} " if step.packets else ""
    whole = ", ".join(part for part in (f"{number}{step.head}", step.details) if part) + (f" [{step.record}]" if step.record else "")
    line = y + 34
    near, far = (left + 3, right - 3) if step.rightward else (right - 3, left + 3)
    back = -9 if step.rightward else 9
    yield f'<g class="{words}"><title>{_safe(whole)}</title>'
    if step.marks and (step.kind == "end" or tone in {"refused", "reset"}):
        yield f'<rect class="row" x="2" y="{y}" width="{WIDTH - 4}" height="{_ROW - 3}"/>'
    yield from chipped
    yield f'<text class="dim" x="6" y="{line + 4}">{(step.time_ns - start) / 1e9:+.6f} s</text>'
    yield f'<text x="{left + 12}" y="{y + 14}">{_safe(_cut(number + step.head, room, _HEAD_CHAR))}</text>'
    yield f'<text class="dim" x="{left + 12}" y="{y + 27}">{_safe(_cut(step.details, room, _DETAIL_CHAR))}</text>'
    yield f'<path class="shaft" d="M{near} {line}H{far}"/>'
    if step.kind == "end":
        yield f'<path class="shaft" d="M{far + 2 * back - 4} {line - 4}l8 8m0 -8l-8 8"/>'
    yield f'<path class="tip" d="M{far} {line}l{back} -4.5v9z"/></g>'


def _cut(text: str, room: int, char: float) -> str:
    most, shown = int(room / char), visible(text, limit=400)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _safe(text: str) -> str:
    return escape(visible(text))
