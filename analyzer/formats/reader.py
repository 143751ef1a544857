"""Reads a stream that is a map of extents with gaps between them. Decoders are straight-line code over it; only `Short` and `Hole` are raised, and only inside.

`Hole` says that the bytes wanted are not in the capture, `Short` that the stream ends. No stage function lets either of them out. One source, two ways to
run, as `analyzer.capture.kernel`: reader.pxd has the types for Cython's compiler. Bounds checks are on.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from analyzer.records.transport import Stream

Fetch: TypeAlias = Callable[[int, int, int], bytes]
"""fetch(source, at, size): the bytes of a capture or spool file; shorter when the file has become shorter."""

_LEAST, _MOST = 1 << 12, 1 << 18
"""Bytes of a window that reads ahead."""
_NEAR = 1 << 12
"""Reading goes on where it was when no more than this was passed over."""
_APART = 1 << 11
"""Bytes of a file between two pieces of a stream that are read with them: headers of packets, an acknowledgement, a short message of the other side."""


class Short(Exception):  # noqa: N818  the two words of the design
    """The stream ends before what was asked for."""


class TooLong(Short):
    """The limit was reached before the end that was looked for; the bytes are there."""


class Hole(Exception):  # noqa: N818
    """What was asked for is not wholly in the capture."""


class Reader:
    """A position in a stream. ``at`` may be anywhere in [0, size].

    ``window`` are bytes of the stream that were looked at, from ``window_at`` on. What is read one after the other is read ahead, in pieces that grow; no
    window is larger than what was asked for, or 256 KiB.
    """

    def __init__(self, stream: Stream, fetch: Fetch, at: int = 0) -> None:
        self.stream = stream
        self.at = at
        self.window = b""
        self.window_at = 0
        self._closed = False
        """A gap or the end of the stream ends the window."""
        self._ahead = 0
        self._fetch = fetch
        extents = stream.extents
        self._starts, self._sizes, self._sources, self._places = extents.stream_at, extents.size, extents.source, extents.file_at
        self._keys, self._times, self._acked = extents.packet, extents.ts_ns, extents.acked
        self._count = len(extents.stream_at)

    def moved(self, at: int) -> "Reader":
        """A second position in the same stream."""
        return Reader(self.stream, self._fetch, at)

    def _begun(self, at: int) -> int:
        """How many extents begin at ``at`` or before."""
        starts, low, high = self._starts, 0, self._count
        while low < high:
            middle = (low + high) >> 1
            if starts[middle] <= at:
                low = middle + 1
            else:
                high = middle
        return low

    def index(self, at: int) -> int:
        """The extent that holds ``at``, or -1 when a gap does (or nothing)."""
        i = self._begun(at) - 1
        return i if i >= 0 and at < self._starts[i] + self._sizes[i] else -1

    def holds(self, at: int, size: int) -> bool:
        """The window tells all that the capture has of [at, at + size) up to the next gap."""
        end = self.window_at + len(self.window)
        return self.window_at <= at and (at + size <= end or (self._closed and at <= end))

    def reads_on(self, at: int, size: int) -> bool:
        """`look` would find more of [at, at + size) than the window holds."""
        return not self.holds(at, size)

    def look(self, at: int, size: int, least: int = _LEAST) -> None:
        """Makes the window hold ``size`` bytes from ``at`` on, as far as they were captured without a gap."""
        if self.holds(at, size):
            return
        goes_on = bool(self.window) and self.window_at <= at <= self.window_at + len(self.window) + _NEAR
        self._ahead = min(max(2 * self._ahead, _LEAST), _MOST) if goes_on else least
        wanted = max(size, self._ahead)
        self.window = self._gathered(at, at + wanted)
        self.window_at = at
        self._closed = len(self.window) < wanted

    def peek(self, size: int) -> bytes:
        """At most ``size`` bytes from ``at`` on, up to the next gap or the end."""
        at = self.at
        if not self.holds(at, size):
            self.look(at, size)
        at -= self.window_at
        return self.window[at : at + size]

    def read(self, start: int, end: int) -> bytes:
        """The bytes of [start, end) up to the next gap."""
        size = end - start
        if size <= 0:
            return b""
        if size > _MOST and not self.holds(start, size):
            return self._gathered(start, end)
        self.look(start, size, 0)
        start -= self.window_at
        return self.window[start : start + size]

    def _gathered(self, at: int, end: int) -> bytes:
        """The captured bytes of [at, end) up to the first gap. What lies close together in one file is fetched at once."""
        i = self.index(at)
        if i < 0:
            return b""
        starts, sizes, sources, places, count = self._starts, self._sizes, self._sources, self._places, self._count
        parts = []
        skip = at - starts[i]
        while i < count and at < end and starts[i] + skip == at:
            begin = place = places[i] + skip
            here = end - at
            last, stop = i, place
            size = 0
            while True:  # extents i to ``last`` are one run
                piece = sizes[last] - (skip if last == i else 0)
                piece = min(piece, here - size)
                size += piece
                stop = place + piece
                last += 1
                if size >= here or last >= count or starts[last] != at + size or sources[last] != sources[i]:
                    break
                place = places[last]
                if not 0 <= place - stop <= _APART:
                    break
            data = self._fetch(sources[i], begin, stop - begin)
            if last == i + 1:
                parts.append(data)
                if len(data) < size:
                    break
            else:
                taken = self._taken(parts, data, i, last, skip, here)
                if taken < size:
                    break
            at += size
            i = last
            skip = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _taken(self, parts: list[bytes], data: bytes, first: int, last: int, skip: int, most: int) -> int:
        """Cuts the extents [first, last) out of what was fetched for all of them; how many bytes they have, fewer when the file became shorter."""
        places, sizes = self._places, self._sizes
        origin = places[first] + skip
        size = len(data)
        taken = 0
        for i in range(first, last):
            begin = places[i] - origin
            piece = sizes[i]
            if i == first:
                begin, piece = 0, piece - skip
            piece = min(piece, most - taken)
            stop = min(begin + piece, size)
            if stop > begin:
                parts.append(data[begin:stop])
                taken += stop - begin
            if stop < begin + piece:
                break
        return taken

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
        """The captured bytes of [start, end), in pieces of at most 256 KiB; gaps are left out (or end it)."""
        at = start
        while at < end:
            if self.index(at) < 0:
                place = None if stop_at_gap else self.next_data(at)
                if place is None or place >= end:
                    return
                at = place
                continue
            wanted = min(end - at, _MOST)
            data = self._gathered(at, at + wanted)
            if not data:  # the file has become shorter
                return
            yield data
            at += len(data)
            if len(data) < wanted and self.index(at - 1) == self.index(at):  # the file has become shorter
                return

    def missing(self, start: int, end: int) -> int:
        """How many bytes of [start, end) are not in the capture."""
        if end <= start:
            return 0
        first = self._from(start, end)
        last = self._upto(first, end)
        starts, sizes = self._starts, self._sizes
        there = 0
        for i in range(first, last):
            there += max(min(starts[i] + sizes[i], end) - max(starts[i], start), 0)
        return end - start - there

    def _from(self, start: int, end: int) -> int:
        """The first extent, before those that begin at ``end``, of which bytes lie behind ``start``."""
        starts, sizes = self._starts, self._sizes
        first, last = max(self._begun(start) - 1, 0), self._begun(end - 1)
        while first < last and starts[first] + sizes[first] <= start:
            first += 1
        return first

    def _upto(self, first: int, end: int) -> int:
        """Behind the last extent from ``first`` on of which bytes lie before ``end``. Some between may be empty."""
        last = self._begun(end - 1)
        while first < last and not self._sizes[last - 1]:
            last -= 1
        return last

    def place(self, start: int, end: int) -> tuple[int, int, tuple[int, ...]] | None:
        """When the first byte of [start, end) was seen, when the last one was, and the packet keys that carried it, sorted; None when none of it was."""
        end = max(end, start + 1)
        first = self._from(start, end)
        last = self._upto(first, end)
        keys, times, sizes = self._keys, self._times, self._sizes
        found: list[int] = []
        begun = ended = before = 0
        ordered = True
        for i in range(first, last):
            if not sizes[i]:
                continue
            if not found:
                begun = ended = times[i]
            ended = max(ended, times[i])
            ordered = ordered and (not found or keys[i] > before)
            before = keys[i]
            found.append(keys[i])
        if not found:
            return None
        first_ns = begun
        last_ns = first_ns if ended == begun else ended  # one object, where it is one number
        return first_ns, last_ns, tuple(found) if ordered else tuple(sorted(set(found)))

    def packets(self, start: int, end: int) -> tuple[int, ...]:
        """The packet keys that carried [start, end), sorted."""
        found = self.place(start, end)
        return () if found is None else found[2]

    def near_packet(self, at: int) -> int | None:
        """The key of the packet that carried ``at``, or else of the last one before it in the stream; None when there is none."""
        i = self._begun(at) - 1
        return self._keys[i] if i >= 0 else None

    def times(self, start: int, end: int) -> tuple[int, int] | None:
        """When the first byte of [start, end) was seen, and when the last one was; None when none of it was."""
        found = self.place(start, end)
        return None if found is None else found[:2]

    def acked(self, at: int) -> int:
        """How much of the other direction the sender of byte ``at`` had received; -1 unknown."""
        i = self.index(at)
        return self._acked[i] if i >= 0 else -1

    def next_data(self, at: int) -> int | None:
        """The first captured offset at or after ``at``; None when there is none."""
        if self.index(at) >= 0:
            return at
        i = self._begun(at)
        return self._starts[i] if i < self._count else None
