"""A long sequence diagram in parts, with an index that says what each part has."""

from collections.abc import Iterator

from analyzer.errors import UsageError
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, line
from analyzer.reports.sequence import Sequence
from analyzer.tables.times import rfc3339

_INCIDENTS = 4
"""Ids of incidents that a line of the index names."""
_LINES = 40
"""Of an index."""


def part_of(drawings: list[Sequence], size: int, part: int) -> list[Sequence]:
    """Part ``part`` (from 1), of ``size`` messages, of each drawing that has it; `UsageError` where none has."""
    if part == 1:
        return drawings
    begin = (part - 1) * size
    found = [_cut(one, begin, size) for one in drawings if len(one.arrows) > begin]
    if not found:
        longest = max((len(one.arrows) for one in drawings), default=0)
        msg = f"there is no part {part}: the longest drawing has {longest:,} messages, {counted(-(-longest // size), 'part')} of {size:,}"
        raise UsageError(msg)
    return found


def _cut(drawn: Sequence, begin: int, size: int) -> Sequence:
    told = f"{drawn.title} (messages {begin + 1:,} to {min(begin + size, len(drawn.arrows)):,} of {len(drawn.arrows):,})"
    return drawn._replace(title=told, arrows=drawn.arrows[begin : begin + size])


def index(drawn: Sequence, size: int, part: int) -> Iterator[Line]:
    """A line for each part of a drawing that has several: its number, messages, time, first packets and incidents."""
    if len(drawn.arrows) <= size:
        return
    yield BLANK
    yield line(f"{drawn.title}: {len(drawn.arrows):,} messages; --part N draws another part, --messages more of them at once")
    parts = -(-len(drawn.arrows) // size)
    for place in range(min(parts, _LINES)):
        own = drawn.arrows[place * size : (place + 1) * size]
        marks = list(dict.fromkeys(mark for arrow in own for mark in arrow.marks))
        named = f", {', '.join(marks[:_INCIDENTS])}{' and more' if len(marks) > _INCIDENTS else ''}" if marks else ""
        packets = next((f", packet {arrow.packets.partition(',')[0].partition('..')[0]}" for arrow in own if arrow.packets), "")
        here = " (drawn above)" if place + 1 == part else ""
        yield line(f"  part {place + 1:>3}  {place * size + 1:,} to {place * size + len(own):,}  from {rfc3339(own[0].time_ns)}{packets}{named}{here}")
    if parts > _LINES:
        yield line(f"  and {parts - _LINES:,} more parts")
