"""Styled lines: made once, shown with colours on a terminal and without anywhere else.

Every text goes through `visible` when a line is rendered, so that no report can forget it; reports call it earlier where the width of the text matters. The
colours are put on by rich from whole `Text` objects, so that nothing in a text is ever taken for markup.
"""

import io
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from analyzer.formats.text import TEXT_CHARS, visible


class Span(NamedTuple):
    """A piece of a line: its text, a style as rich names it (empty for none), and whether it stays in one piece because it is there to be pasted."""

    text: str
    style: str = ""
    whole: bool = False


Line: TypeAlias = tuple[Span, ...]

BLANK: Line = ()
_CRAMPED = 8
"""Columns; a long word does not begin in fewer."""


def line(*pieces: str | Span) -> Line:
    """A line of plain texts and styled spans."""
    return tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces)


def paragraph(text: str, width: int, *, label: str = "", label_style: str = "", indent: int = 0, style: str = "", limit: int = TEXT_CHARS) -> Iterator[Line]:
    """``text`` made safe, cut after ``limit`` characters and wrapped; the label stands before its first line, and the others begin below the text."""
    prefix = " " * indent + label
    room = max(20, width - len(prefix))
    wrapped = textwrap.wrap(visible(text, limit), room, break_on_hyphens=False) or [""]
    for place, piece in enumerate(wrapped):
        yield line(" " * indent, Span(label if place == 0 else " " * len(label), label_style if place == 0 else ""), Span(piece, style))


def fitted(lines: Iterable[Line], width: int) -> Iterator[Line]:
    """The lines, none longer than ``width``: longer ones go on below, a little indented. Nothing is left out. What is to be pasted stays in one piece."""
    for one in lines:
        safe = tuple(span._replace(text=_safe(span.text)) for span in one)
        yield from [safe] if sum(len(span.text) for span in safe) <= width else _broken(safe, width)


def _broken(one: Line, width: int) -> Iterator[Line]:
    text = "".join(span.text for span in one)
    indent = min(len(text) - len(text.lstrip()) + 2, width // 3)
    made: list[Span] = []
    used = 0
    for span in one:
        for piece in [span.text] if span.whole else re.findall(r"\s+|\S+", span.text):
            left = piece
            while left:
                if used + len(left) <= width or span.whole:
                    made.append(span._replace(text=left))
                    used, left = used + len(left), ""
                elif used > indent and not (left.isspace() and not used):
                    if len(left) > width - indent and not left.isspace() and width - used > _CRAMPED:
                        made.append(span._replace(text=left[: width - used]))
                        left = left[width - used :]
                    yield _joined(made)
                    made, used = [Span(" " * indent)], indent
                    left = "" if left.isspace() else left
                else:
                    made.append(span._replace(text=left[: width - used]))
                    left = left[width - used :]
                    used = width
    if used > indent:
        yield _joined(made)


def _joined(pieces: Iterable[Span]) -> Line:
    """Pieces of one style that follow one another as one, without the blanks at the end."""
    made: list[Span] = []
    for piece in pieces:
        if made and made[-1].style == piece.style:
            made[-1] = piece._replace(text=made[-1].text + piece.text)
        else:
            made.append(piece)
    while made and not made[-1].text.strip():
        made.pop()
    return (*made[:-1], made[-1]._replace(text=made[-1].text.rstrip())) if made else BLANK


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
