"""Styled lines: made once, shown with colours on a terminal and without anywhere else.

Every text goes through `visible` when a line is rendered, so that no report can forget it; reports call it earlier where the width of the text matters. The
colours are put on by rich from whole `Text` objects, so that nothing in a text is ever taken for markup.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from analyzer.formats.text import visible


class Span(NamedTuple):
    """A piece of a line: its text and a style as rich names it (empty for none)."""

    text: str
    style: str = ""


Line: TypeAlias = tuple[Span, ...]

BLANK: Line = ()


def line(*pieces: str | Span) -> Line:
    """A line of plain texts and styled spans."""
    return tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)


def paragraph(text: str, width: int, *, label: str = "", label_style: str = "", indent: int = 0, style: str = "") -> Iterator[Line]:
    """``text`` made safe and wrapped; the label stands before its first line, and the others begin below the text."""
    prefix = " " * indent + label
    room = max(20, width - len(prefix))
    wrapped = textwrap.wrap(visible(text), room, break_on_hyphens=False) or [""]
    for place, piece in enumerate(wrapped):
        yield line(" " * indent, Span(label if place == 0 else " " * len(label), label_style if place == 0 else ""), Span(piece, style))


def plain(lines: Iterable[Line]) -> str:
    """The lines without colours, without blanks at their ends."""
    return "".join("".join(_safe(span.text) for span in one).rstrip() + "\n" for one in lines)


def coloured(lines: Iterable[Line]) -> str:
    """The lines with the terminal's colours."""
    from rich.console import Console
    from rich.text import Text

    made = io.StringIO()
    console = Console(file=made, force_terminal=True, color_system="standard", markup=False, highlight=False, emoji=False, soft_wrap=True)
    for one in lines:
        text = Text(no_wrap=True, end="")
        for span in one:
            text.append(_safe(span.text), span.style or None)
        console.print(text, soft_wrap=True)
    return made.getvalue()


def _safe(text: str) -> str:
    return visible(text, limit=len(text))
