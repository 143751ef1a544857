"""Reads bytes back from reels by (source, offset in the capture, size), where they lie in a folder or an object store: captures are not opened again."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

from analyzer.capture.reels import Reel, read_reel
from analyzer.engine.sources import Sources
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow
from analyzer.system.files import is_url
from analyzer.system.objects import Objects, open_object
from analyzer.system.sums import Proved, proved

_SMALLEST, _LARGEST = 1 << 16, 4 << 20
_EXPECTED = 16 << 20
"""Bytes that are kept because they will be asked for again."""
_MOST = 64
"""Reels of which it is kept where packets lie."""


class Payload:
    """The bytes of an object of a job store. `InputError` where they are not what was written: it tells which object to delete."""

    def __init__(self, objects: Objects, name: str, found: Proved) -> None:
        self._objects, self._name, self._found = objects, name, found

    def around(self, at: int, size: int) -> tuple[int, bytes]:
        """All blocks that a range lies in: where they begin, and their bytes."""
        try:
            return self._found.around(at, size)
        except InputError as error:
            raise _named(self._objects, self._name, error) from error

    def read(self, at: int, size: int) -> bytes:
        """The bytes of a range."""
        begin, data = self.around(at, size)
        return data[at - begin : at - begin + size]


def read_place(objects: Objects, name: str) -> tuple[Reel, Payload]:
    """The reel of that name, and its packets' bytes. `InputError`: it is damaged."""

    def read(at: int, size: int) -> bytes:
        return objects.read(name, at, size)

    try:
        reel = read_reel(objects.size(name) or 0, read)
    except InputError as error:
        raise _named(objects, name, error) from error
    return reel, Payload(objects, name, Proved(read, reel.packets_size + sum(size for _, _, size in reel.pieces), reel.sums))


def read_bytes(objects: Objects, name: str, expected: int | None = None) -> Payload:
    """The bytes of an object that has their sums behind them, ``expected`` of them where that is known. `InputError`: it is damaged."""

    def read(at: int, size: int) -> bytes:
        return objects.read(name, at, size)

    try:
        found = proved(read, objects.size(name) or 0)
    except InputError as error:
        raise _named(objects, name, error) from error
    if expected not in (None, found.size):
        raise _named(objects, name, InputError("this is damaged"))
    return Payload(objects, name, found)


def _named(objects: Objects, name: str, error: InputError) -> InputError:
    if objects.size(name) is None:  # somebody deleted it meanwhile
        return InputError(f"{objects.place}/{name} is not there any more; a run with the same --jobs makes it again")
    return InputError(f"{objects.place}/{name}: {error}; delete it, and it is made again")


class _Places:
    """Where the bytes of one reel lie: sorted by their offsets in the capture."""

    def __init__(self, reel: Reel, held: Payload) -> None:
        self.held = held
        sizes, at = reel.column("size"), 0
        places = reel.column("file_at")
        found: list[tuple[int, int, int]] = []
        for place, size in zip(places, sizes, strict=True):
            if place >= 0:
                found.append((place, at, size))
            at += size
        found += reel.pieces
        if any(one[0] > other[0] for one, other in pairwise(found)):
            found.sort()
        self.begins = array("q", [one for one, _, _ in found])
        self._ats = array("q", [one for _, one, _ in found])
        self._sizes = array("q", [one for _, _, one in found])
        self.data, self.data_at, self.ask = b"", 0, _SMALLEST
        self._kept, self._rows, self._row_begins = b"", array("q"), array("q")
        """Bytes that are expected to be asked for, one range after the other; of each where it begins in them and its size, and its offset in the capture."""

    def keep(self, expected: Iterable[tuple[int, int]]) -> None:
        """Reads these ranges of the capture, so that a block of which one and another is asked for is read once. What cannot be read is left: who asks for it
        is told."""
        kept, begins, rows = bytearray(), array("q"), array("q")
        begin, data = 0, b""
        try:
            for at, size in sorted(expected):
                found = list(self.find(at, size))
                if len(found) != 1 or found[0][0] != at:
                    continue
                place, have = found[0][1:]
                if not begin <= place <= place + have <= begin + len(data):
                    begin, data = self.held.around(place, have)
                begins.append(at)
                rows.extend((len(kept), have))
                kept += data[place - begin : place - begin + have]
        except InputError:
            return
        self._kept, self._rows, self._row_begins = bytes(kept), rows, begins

    def kept(self, at: int, size: int) -> bytes | None:
        """A range, or part of one, that is kept."""
        row = bisect_right(self._row_begins, at) - 1
        if row < 0:
            return None
        inside, begin, have = at - self._row_begins[row], self._rows[2 * row], self._rows[2 * row + 1]
        return self._kept[begin + inside : begin + inside + size] if inside + size <= have else None

    def find(self, at: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Which of the capture's bytes from offset ``at`` on lie in the reel: (offset, place in the reel, how many)."""
        row, end = max(bisect_right(self.begins, at) - 1, 0), at + size
        while row < len(self.begins) and (begin := self.begins[row]) < end:
            low, high = max(at, begin), min(end, begin + self._sizes[row])
            if low < high:
                yield low, self._ats[row] + low - begin, high - low
            row += 1


class Spools(Sources):
    """As `Sources`, of captures whose reels are ``reels`` (by ordinal; None: the file itself is read), and of the object ``spool`` with payload that lies in no
    file, which has ``spool_size`` bytes. What is stored here (`store`) follows behind those."""

    def __init__(self, captures: Sequence[Capture], objects: Objects, reels: Sequence[str | None], spool: str | None, spool_size: int, most: int = 64) -> None:
        super().__init__(captures, None, most)
        self.captures = tuple(captures)
        self.objects = objects
        self.reels = tuple(reels)
        self.spool, self.spool_size = spool, spool_size
        self._kept: Payload | None = None
        self._maps: dict[int, _Places] = {}
        self._expected: dict[int, list[tuple[int, int]]] = {}
        self._held: object = None
        """What has to live as long as this does."""

    def fetch(self, source: int, at: int, size: int) -> bytes:
        """The bytes; fewer, or none, when they are not there."""
        if source & 1:
            if self.spool is None or at >= self.spool_size:
                return super().fetch(source, at - self.spool_size, size)
            if self._kept is None:
                self._kept = read_bytes(self.objects, self.spool, self.spool_size)
            first = self._kept.read(at, min(size, self.spool_size - at))
            rest = at + size - self.spool_size
            return first + super().fetch(source, 0, rest) if rest > 0 else first
        name = self.reels[source >> 1]
        if name is None:
            return super().fetch(source, at, size)
        places = self._of(source >> 1, name)
        kept = places.kept(at, size)
        if kept is not None:
            return kept
        found = list(places.find(at, size))
        if len(found) == 1 and found[0][0] == at:
            return self._read(places, *found[0][1:])
        together = bytearray(found[-1][0] + found[-1][2] - at if found else 0)  # what lies between packets is asked for with them, and looked at by nobody
        for offset, place, have in found:
            together[offset - at : offset - at + have] = self._read(places, place, have)
        return bytes(together)

    def _read(self, places: _Places, place: int, have: int) -> bytes:
        begin = place - places.data_at
        if begin < 0 or begin + have > len(places.data):
            near = 0 <= place - (places.data_at + len(places.data)) <= _SMALLEST
            places.ask = min(places.ask * 2, _LARGEST) if near else max(places.ask >> 1, _SMALLEST)
            places.data_at, places.data = places.held.around(place, max(places.ask, have))
            begin = place - places.data_at
        return places.data[begin : begin + have]

    def expect(self, flows: Iterable[Flow]) -> None:
        """The payload of these flows will be asked for, some of it several times: a connection is read in one direction, in the other one, and again. Its
        packets lie among those of others, so each time as much is read and summed as lies between them. Where it is much, it is not kept."""
        expected: dict[int, list[tuple[int, int]]] = {}
        left = _EXPECTED
        for flow in flows:
            segments = flow.segments
            for source, at, size in zip(segments.source, segments.file_at, segments.size, strict=True):
                if size and not source & 1:
                    expected.setdefault(source >> 1, []).append((at, size))
                    left -= size
            if left < 0:
                return
        self._expected = expected

    def store(self, capture: int, data: bytes) -> tuple[int, int]:
        """Keeps bytes that lie in no file behind those of the spool."""
        source, at = super().store(capture, data)
        return source, at + self.spool_size

    def holding(self, held: object) -> "Spools":
        """Keeps something alive as long as this is."""
        self._held = held
        return self

    def close(self) -> None:
        """Closes the files."""
        super().close()
        self.objects.close()
        self._maps.clear()

    def _opened(self, path: str) -> BinaryIO | None:
        """Objects of stores, too: here they are what the user named."""
        if not is_url(path):
            return super()._opened(path)
        try:
            return open_object(path)
        except InputError:
            return None

    def _of(self, ordinal: int, name: str) -> _Places:
        places = self._maps.get(ordinal)
        if places is None:
            while len(self._maps) >= _MOST:
                self._maps.pop(next(iter(self._maps)))
            places = self._maps[ordinal] = _Places(*read_place(self.objects, name))
            if ordinal in self._expected:
                places.keep(self._expected[ordinal])
        return places
