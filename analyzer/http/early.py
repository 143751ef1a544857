"""Messages of the other side that come while a body is said to go on: it did not wait for the length that the sender declared.

A declared length is the sender's word. Where it is larger than what was sent, the messages behind it would be read as a part of the body, and what they ask
or answer would not be seen. Two messages of the other side tell otherwise: a server that is still waiting for the rest of one body does not answer twice (RFC
9112 section 9.3.2), and a client that is still waiting for the rest of an answer does not ask twice.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from analyzer.formats.reader import Reader
from analyzer.records.arrays import Ints

FINAL = re.compile(rb"HTTP/1\.[01] (?:101|[2-5]\d\d)[ \r\n]")
"""An answer that is not interim."""
_WORD, _LETTERS = re.compile(rb"[A-Z]{3}"), 3
"""The cheap test before the dear one."""


class Begun(NamedTuple):
    """Where the next message begins inside of a declared body; ``proved``: the other side went on from it, too."""

    at: int
    proved: bool


class Other:
    """The messages of the other side that begin as ``start`` does, by how many bytes it had received when it sent them."""

    def __init__(self, far: Reader, start: "re.Pattern[bytes]", ahead: int) -> None:
        self._far, self._start, self._ahead = far, start, ahead
        self._acked: Ints | None = None
        """Of every segment of the other side, sorted; numbers only, as most bodies are answered when they are whole."""
        self._final: list[int] | None = None

    def acked(self) -> Ints:
        """What the other side had received at each of its segments, sorted."""
        if self._acked is None:
            acked = self._far.stream.extents.acked
            self._acked = acked if len(acked) == 1 and acked[0] >= 0 else array("q", sorted([one for one in acked if one >= 0]))
        return self._acked

    def inside(self, near: Reader, begin: int, end: int, start: "re.Pattern[bytes]", ahead: int) -> Begun | None:
        """The first message that begins a segment of the body [begin, end) after the other side went on; None where it did not meanwhile."""
        acked = self.acked()
        if bisect_left(acked, begin) == bisect_left(acked, end):
            return None
        answered = self._answered(begin, end)
        if answered is None:
            return None
        extents = near.stream.extents
        for index in range(bisect_left(extents.stream_at, answered), bisect_left(extents.stream_at, end)):
            place = extents.stream_at[index]
            if place >= begin and _WORD.match(near.read(place, place + _LETTERS)) and start.match(near.moved(place).peek(ahead)):
                return Begun(place, bisect_right(self._begun(), place) < len(self._begun()))
        return None

    def _answered(self, begin: int, end: int) -> int | None:
        """What the other side had received when it sent its first message between the two."""
        final = self._begun()
        place = bisect_left(final, begin)
        return final[place] if place < len(final) and final[place] < end else None

    def _begun(self) -> list[int]:
        if self._final is None:
            extents = self._far.stream.extents
            begins = (i for i, acked in enumerate(extents.acked) if acked >= 0 and self._start.match(self._far.moved(extents.stream_at[i]).peek(self._ahead)))
            self._final = sorted(extents.acked[i] for i in begins)
        return self._final
