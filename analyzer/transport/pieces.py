"""The pieces of a stream while it is put together: in order of place, without overlap, kept in blocks.

A sender chooses in which order segments come, and how small they are. With blocks a piece that comes late moves the pieces of one block and not those
of the whole stream; a block without a gap is passed over at once when a later segment is laid over it.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MOST = 1024
"""Pieces of a block; one that gets twice as many is cut in two."""


class Extent(NamedTuple):
    """A taken piece; compares by ``at`` first."""

    at: int
    size: int
    source: int
    file_at: int
    packet: int
    ts_ns: int
    ack: int


class Pieces:
    """The pieces, and where the last of them ends."""

    __slots__ = ("_blocks", "_firsts", "_solid", "end")

    def __init__(self) -> None:
        self._blocks: list[list[Extent]] = [[]]
        self._firsts: list[int] = [0]
        """Where each block's first piece begins."""
        self._solid: dict[int, int] = {}
        """By where a block's first piece begins: where the last one ends, of blocks that are known to have no gap."""
        self.end = 0

    def __bool__(self) -> bool:
        return bool(self._blocks[0])

    def __iter__(self) -> Iterator[Extent]:
        for block in self._blocks:
            yield from block

    def append(self, piece: Extent) -> None:
        """A piece behind all others."""
        block = self._blocks[-1]
        if len(block) >= _MOST:
            block = []
            self._blocks.append(block)
            self._firsts.append(piece.at)
        elif not block:
            self._firsts[-1] = piece.at
        block.append(piece)
        self.end = piece.at + piece.size
        if self._solid:
            self._solid.pop(self._firsts[-1], None)

    def insert(self, piece: Extent) -> None:
        """A piece between others, or before them."""
        place = self._place(piece.at)
        block = self._blocks[place]
        insort(block, piece)
        self._changed(place)
        self.end = max(self.end, piece.at + piece.size)

    def replace(self, old: Extent, new: Sequence[Extent]) -> None:
        """Others, at the same place, for a piece."""
        place = self._place(old.at)
        block = self._blocks[place]
        i = bisect_right(block, old.at, key=_at) - 1
        block[i : i + 1] = new
        self._changed(place)

    def holding(self, at: int) -> Extent:
        """The last piece that begins at ``at`` or before; the first one where none does."""
        block = self._blocks[self._place(at)]
        return block[max(bisect_right(block, at, key=_at) - 1, 0)]

    def over(self, at: int, end: int) -> Iterator[Extent]:
        """The pieces that have bytes in [at, end), in order."""
        for place in range(self._place(at), len(self._blocks)):
            block = self._blocks[place]
            for i in range(max(bisect_right(block, at, key=_at) - 1, 0), len(block)):
                piece = block[i]
                if piece.at >= end:
                    return
                if piece.at + piece.size > at:
                    yield piece

    def free(self, at: int, end: int) -> list[tuple[int, int]]:
        """The parts of [at, end) that no piece covers."""
        free = []
        for place in range(self._place(at), len(self._blocks)):
            block = self._blocks[place]
            stop = self._solid_to(place) if end - at > _MOST else -1
            if stop >= 0:
                begin = block[0].at
                if begin >= end:
                    free.append((at, end))
                    return free
                if begin > at:
                    free.append((at, begin))
                at = max(at, stop)
                if at >= end:
                    return free
                continue
            for i in range(max(bisect_right(block, at, key=_at) - 1, 0), len(block)):
                begin, size = block[i][:2]
                if begin >= end:
                    free.append((at, end))
                    return free
                if begin > at:
                    free.append((at, begin))
                at = max(at, begin + size)
                if at >= end:
                    return free
        free.append((at, end))
        return free

    def _place(self, at: int) -> int:
        """The block that holds ``at``."""
        return max(bisect_right(self._firsts, at) - 1, 0)

    def _solid_to(self, place: int) -> int:
        """Where a block without a gap ends; -1 for one that has gaps."""
        block, first = self._blocks[place], self._firsts[place]
        known = self._solid.get(first)
        if known is None:
            reached = known = first
            for piece in block:
                if piece.at > reached:
                    known = -1
                    break
                reached = known = piece.at + piece.size
            self._solid[first] = known
        return known

    def _changed(self, place: int) -> None:
        block = self._blocks[place]
        self._solid.pop(self._firsts[place], None)
        self._firsts[place] = block[0].at
        self._solid.pop(block[0].at, None)
        if len(block) >= 2 * _MOST:
            self._blocks[place : place + 1] = [block[:_MOST], block[_MOST:]]
            self._firsts.insert(place + 1, block[_MOST].at)


def _at(piece: Extent) -> int:
    return piece.at
