"""Reads a stream that is a map of extents with gaps between them. Decoders are straight-line code over it; only `Short` and `Hole` are raised, and only inside.

`Hole` says that the bytes wanted are not in the capture, `Short` that the stream ends. No stage function lets either of them out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import TypeAlias

from analyzer.records.transport import Stream

Fetch: TypeAlias = Callable[[int, int, int], bytes]
"""fetch(source, at, size): the bytes of a capture or spool file; shorter when the file has become shorter."""

_PIECE = 1 << 16


class Short(Exception):  # noqa: N818  the two words of the design
    """The stream ends before what was asked for."""


class TooLong(Short):
    """The limit was reached before the end that was looked for; the bytes are there."""


class Hole(Exception):  # noqa: N818
    """What was asked for is not wholly in the capture."""


class Reader:
    """A position in a stream. ``at`` may be anywhere in [0, size]."""

    __slots__ = ("_ends", "_fetch", "_starts", "_window", "_window_at", "at", "stream")

    def __init__(self, stream: Stream, fetch: Fetch, at: int = 0) -> None:
        self.stream = stream
        self.at = at
        self._fetch = fetch
        self._starts = stream.extents.stream_at
        self._window = b""
        self._window_at = 0

    def moved(self, at: int) -> "Reader":
        """A second position in the same stream."""
        return Reader(self.stream, self._fetch, at)

    def index(self, at: int) -> int:
        """The extent that holds ``at``, or -1 when a gap does (or nothing)."""
        i = bisect_right(self._starts, at) - 1
        return i if i >= 0 and at < self._starts[i] + self.stream.extents.size[i] else -1

    def peek(self, size: int) -> bytes:
        """At most ``size`` bytes from ``at`` on, up to the next gap or the end."""
        at, window_at = self.at, self._window_at
        if window_at <= at and at + size <= window_at + len(self._window):
            return self._window[at - window_at : at - window_at + size]
        window = b"".join(self.pieces(at, at + max(size, _PIECE), stop_at_gap=True))
        self._window, self._window_at = window, at
        return window[:size]

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, moving on."""
        data = self.peek(size)
        if len(data) < size:
            self._fail(self.at + len(data))
        self.at += size
        return data

    def until(self, end: bytes, limit: int) -> bytes:
        """The bytes before the next ``end``, moving past it. Raises `Short` or `Hole`, and `TooLong` when ``limit`` bytes hold none."""
        size = 4096
        while True:
            data = self.peek(min(size, limit))
            found = data.find(end)
            if found >= 0:
                self.at += found + len(end)
                return data[:found]
            if len(data) < min(size, limit):
                self._fail(self.at + len(data))
            if size >= limit:
                raise TooLong
            size *= 4

    def _fail(self, at: int) -> None:
        if at >= self.stream.size:
            raise Short
        raise Hole

    def pieces(self, start: int, end: int, *, stop_at_gap: bool = False) -> Iterator[bytes]:
        """The captured bytes of [start, end), extent by extent; gaps are left out (or end it)."""
        extents, starts, fetch = self.stream.extents, self._starts, self._fetch
        sizes, sources, places = extents.size, extents.source, extents.file_at
        i = bisect_right(starts, start) - 1
        if i < 0 or start >= starts[i] + sizes[i]:
            if stop_at_gap:
                return
            i += 1
        at, count = start, len(starts)
        while i < count and (begin := starts[i]) < end:
            if begin > at and stop_at_gap:
                return
            skip = at - begin if at > begin else 0
            stop = begin + sizes[i]
            size = min(stop, end) - begin - skip
            data = fetch(sources[i], places[i] + skip, size)
            yield data
            if len(data) < size:
                return
            at = begin + skip + size
            i += 1

    def read(self, start: int, end: int) -> bytes:
        """The bytes of [start, end) up to the next gap: out of what was looked at last where they are in it."""
        window_at = self._window_at
        if window_at <= start and end <= window_at + len(self._window):
            return self._window[start - window_at : end - window_at]
        return b"".join(self.pieces(start, end, stop_at_gap=True))

    def missing(self, start: int, end: int) -> int:
        """How many bytes of [start, end) are not in the capture."""
        first, last = self._touched(start, end)
        if first >= last:
            return max(end - start, 0)
        starts, sizes = self._starts, self.stream.extents.size
        before = max(start - starts[first], 0)
        behind = max(starts[last - 1] + sizes[last - 1] - end, 0)
        return end - start - (sum(sizes[first:last]) - before - behind)

    def _touched(self, start: int, end: int) -> tuple[int, int]:
        """The extents [first, last) of which bytes lie in [start, end). Some between may be empty."""
        starts, sizes = self._starts, self.stream.extents.size
        first, last = max(bisect_right(starts, start) - 1, 0), bisect_left(starts, end)
        while first < last and starts[first] + sizes[first] <= start:
            first += 1
        while first < last and not sizes[last - 1]:
            last -= 1
        return first, last

    def packets(self, start: int, end: int) -> tuple[int, ...]:
        """The packet keys that carried [start, end), sorted."""
        first, last = self._touched(start, max(end, start + 1))
        keys, sizes = self.stream.extents.packet[first:last], self.stream.extents.size[first:last]
        return tuple(sorted({key for key, size in zip(keys, sizes, strict=True) if size} if 0 in sizes else set(keys)))

    def near_packet(self, at: int) -> int | None:
        """The key of the packet that carried ``at``, or else of the last one before it in the stream; None when there is none."""
        i = bisect_right(self._starts, at) - 1
        return self.stream.extents.packet[i] if i >= 0 else None

    def times(self, start: int, end: int) -> tuple[int, int] | None:
        """When the first byte of [start, end) was seen, and when the last one was; None when none of it was."""
        first, last = self._touched(start, max(end, start + 1))
        times, sizes = self.stream.extents.ts_ns[first:last], self.stream.extents.size[first:last]
        found = [ts_ns for ts_ns, size in zip(times, sizes, strict=True) if size] if 0 in sizes else times
        return (found[0], max(found)) if found else None

    def acked(self, at: int) -> int:
        """How much of the other direction the sender of byte ``at`` had received; -1 unknown."""
        i = self.index(at)
        return self.stream.extents.acked[i] if i >= 0 else -1

    def next_data(self, at: int) -> int | None:
        """The first captured offset at or after ``at``; None when there is none."""
        if self.index(at) >= 0:
            return at
        i = bisect_right(self._starts, at)
        return self._starts[i] if i < len(self._starts) else None
