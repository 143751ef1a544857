"""Things along a line of time, by what they have in common: which of those that are left is nearest to an event, without a look at all of them.

Logs and captures both have as many of each as who made them likes; what compares every event with everything costs their product.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar

Window = tuple[int, int]
"""The first and the last time at which a thing may be what an event is about."""
Thing = TypeVar("Thing")


class Mark(NamedTuple):
    """A thing's time, its place in the evidence, and what it is."""

    at_ns: int
    place: int
    subject: str


class _Row:
    """Marks of one kind in order of time. ``after``: by who asks, where to look instead of a mark that is taken."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self.marks = sorted(marks)
        self.times = [mark.at_ns for mark in self.marks]
        self.after: dict[Hashable, dict[int, int]] = defaultdict(dict)
        self.before: dict[Hashable, dict[int, int]] = defaultdict(dict)

    def left(self, at: int, by: Hashable, taken: Collection[str], step: int) -> int:
        """The first mark from the place ``at`` on, in steps of 1 or -1, that is not taken; behind the last where there is none."""
        skips = (self.after if step > 0 else self.before)[by]
        passed = []
        while 0 <= at < len(self.marks) and (at in skips or self.marks[at].subject in taken):
            passed.append(at)
            at = skips.get(at, at + step)
        for one in passed:
            skips[one] = at
        return at


class Rows:
    """Marks by what they have in common. A mark may be in several rows."""

    def __init__(self) -> None:
        self._made: dict[Hashable, list[Mark]] = defaultdict(list)
        self._rows: dict[Hashable, _Row] = {}
        self._taken: dict[Hashable, set[str]] = defaultdict(set)

    def add(self, key: Hashable, mark: Mark) -> None:
        """Before anything is asked."""
        self._made[key].append(mark)

    def take(self, by: Hashable, subject: str) -> None:
        """``subject`` is not given to ``by`` again."""
        self._taken[by].add(subject)

    def nearest(self, asked: Iterable[tuple[Hashable, Window]], at_ns: int, by: Hashable) -> tuple[Mark, bool] | None:
        """Of the marks of these rows, in their windows, that ``by`` has not taken: the nearest, and whether it is the only one."""
        taken = self._taken[by]
        near: set[Mark] = set()
        for key, (first_ns, last_ns) in asked:
            row = self._row(key)
            if row is None:
                continue
            low, high = bisect_left(row.times, first_ns), bisect_right(row.times, last_ns)
            here = min(max(bisect_left(row.times, at_ns), low), high)
            later = row.left(here, by, taken, 1)
            if later < high:
                near.add(row.marks[later])
                another = row.left(later + 1, by, taken, 1)
                near.update(row.marks[another : another + 1] if another < high else ())
            earlier = row.left(here - 1, by, taken, -1)
            if earlier >= low:
                near.add(row.marks[earlier])
                first = row.left(max(bisect_left(row.times, row.times[earlier]), low), by, taken, 1)  # of those at that time
                near.add(row.marks[first])
                another = row.left(earlier - 1, by, taken, -1)
                near.update(row.marks[another : another + 1] if another >= low else ())
        if not near:
            return None
        best = min(near, key=lambda mark: (abs(mark.at_ns - at_ns), mark.place))
        return best, len(near) == 1

    def count(self, asked: Iterable[tuple[Hashable, Window]]) -> int:
        """How many marks these rows have in their windows, taken or not."""
        rows = ((self._row(key), window) for key, window in asked)
        return sum(bisect_right(row.times, last_ns) - bisect_left(row.times, first_ns) for row, (first_ns, last_ns) in rows if row is not None)

    def _row(self, key: Hashable) -> _Row | None:
        if key in self._made:
            self._rows[key] = _Row(self._made.pop(key))
        return self._rows.get(key)


class Spans(Generic[Thing]):
    """Things that last, in order of their beginnings: of connections with equal ends one comes after the other, and seldom two at a time."""

    def __init__(self, things: Iterable[Thing], times: Callable[[Thing], Window]) -> None:
        made = sorted(((times(thing)[0], place, thing, times(thing)[1]) for place, thing in enumerate(things)), key=lambda one: one[:2])
        self._things = [(place, thing) for _, place, thing, _ in made]
        self._begins = [one[0] for one in made]
        self._ends = [one[3] for one in made]
        self._latest = list(accumulate(self._ends, max))

    def nearest(self, at_ns: int, room_ns: int) -> tuple[Thing, bool] | None:
        """Of those that last at this time, or end or begin so little before or after it: what begins nearest to it, and whether it is the only one."""
        later = bisect_right(self._begins, at_ns)
        found = [place for place in (later, later + 1) if place < len(self._things) and self._begins[place] <= at_ns + room_ns]
        wanted, earlier = len(found) + 2, later - 1
        while earlier >= 0 and len(found) < wanted and self._latest[earlier] >= at_ns - room_ns:
            if self._ends[earlier] >= at_ns - room_ns:
                found.append(earlier)
            earlier -= 1
        if not found:
            return None
        nearest = min(found, key=lambda place: (abs(self._begins[place] - at_ns), self._things[place][0]))
        return self._things[nearest][1], len(found) == 1


class First:
    """Things that last, each with its place in a list: which of those that last at a moment comes first in it."""

    def __init__(self, things: Iterable[tuple[Window, int]]) -> None:
        begins: dict[int, list[tuple[int, int]]] = defaultdict(list)
        turns: set[int] = set()
        for (first_ns, last_ns), place in things:
            begins[first_ns].append((place, last_ns))
            turns |= {first_ns, last_ns + 1}
        going: list[tuple[int, int]] = []
        self._turns = sorted(turns)
        self._winners: list[int | None] = []
        for turn in self._turns:
            for one in begins.get(turn, ()):
                heapq.heappush(going, one)
            while going and going[0][1] < turn:
                heapq.heappop(going)
            self._winners.append(going[0][0] if going else None)

    def at(self, at_ns: int) -> int | None:
        """The place of the first one that lasts at this time."""
        turn = bisect_right(self._turns, at_ns) - 1
        return self._winners[turn] if turn >= 0 else None
