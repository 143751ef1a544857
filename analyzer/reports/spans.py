"""Places in a text, and the text without them."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
STARS = "***"


def found_in(text: str, values: Iterable[str]) -> Iterator[Span]:
    """Where one of the values stands."""
    for value in values:
        at = text.find(value)
        while at >= 0:
            yield at, at + len(value)
            at = text.find(value, at + len(value))


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order, those that touch as one."""
    made: list[Span] = []
    for begin, end in sorted(spans):
        if made and begin <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((begin, end))
    return made


def without(text: str, spans: Iterable[Span]) -> str:
    """The text with stars for the spans."""
    kept = merged(spans)
    return part(text, 0, len(text), kept) if kept else text


def part(text: str, begin: int, end: int, spans: Sequence[Span]) -> str:
    """``text[begin:end]`` with stars for the spans; a span that began earlier leaves nothing."""
    made, at = [], begin
    place = max(0, bisect.bisect_right(spans, (begin, len(text) + 1)) - 1)
    while place < len(spans) and spans[place][0] < end:
        first, last = spans[place]
        if last > at:
            made.append(text[at : max(at, first)])
            if first >= begin:
                made.append(STARS)
            at = min(end, last)
        place += 1
    return "".join([*made, text[at:end]])
