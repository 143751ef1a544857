"""Answers that come while a body is said to go on: the server did not wait for the length that the client declared.

A declared length is the sender's word. Where it is larger than what was sent, the requests behind it would be read as a part of the body, and what they ask
would not be seen. Two answers tell otherwise: a server that is still waiting for the rest of one body does not answer twice (RFC 9112 section 9.3.2).
"""

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from analyzer.formats.reader import Reader

_FINAL = re.compile(rb"HTTP/1\.[01] (?:101|[2-5]\d\d)[ \r\n]")
_LOOKED_AT = 16


class Begun(NamedTuple):
    """Where the next request begins inside of a declared body; ``proved``: the server answered it, too."""

    at: int
    proved: bool


class Answers:
    """The final answers of one connection, by how much of the client's bytes the server had received when it sent them."""

    def __init__(self, far: Reader) -> None:
        self._far = far
        self._acked: list[int] | None = None
        """Of every segment of the server, sorted; numbers only, as most bodies are answered when they are whole."""
        self._final: list[int] = []

    def inside(self, near: Reader, begin: int, end: int, start: "re.Pattern[bytes]", ahead: int) -> Begun | None:
        """The first request that begins a segment of the body [begin, end) after the server answered; None where it answered nothing meanwhile."""
        if self._acked is None:
            self._acked = sorted(acked for acked in self._far.stream.extents.acked if acked >= 0)
        if bisect_right(self._acked, begin) == bisect_left(self._acked, end):
            return None
        answered = self._answered(begin, end)
        if answered is None:
            return None
        extents = near.stream.extents
        for index in range(bisect_left(extents.stream_at, answered), bisect_left(extents.stream_at, end)):
            place = extents.stream_at[index]
            if place > begin and start.match(near.moved(place).peek(ahead)):
                return Begun(place, bisect_right(self._final, place) < len(self._final))
        return None

    def _answered(self, begin: int, end: int) -> int | None:
        """What the server had received when it sent the first final answer between the two."""
        if not self._final:
            extents = self._far.stream.extents
            begins = (i for i, acked in enumerate(extents.acked) if acked >= 0 and _FINAL.match(self._far.moved(extents.stream_at[i]).peek(_LOOKED_AT)))
            self._final = sorted(extents.acked[i] for i in begins)
        place = bisect_right(self._final, begin)
        return self._final[place] if place < len(self._final) and self._final[place] < end else None
