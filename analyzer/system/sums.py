"""Sums of an object's bytes, block by block: a range of it is read and known to be what was written, without reading the rest.

They find what a disk or a network changed, not what somebody changes who can write the sums as well.
"""

from collections.abc import Callable

from analyzer.errors import InputError

BLOCK = 1 << 16
"""Bytes that have one sum."""
SUM = 16
"""Bytes of a sum."""
_TAIL = SUM + 8
_DAMAGED = "this is damaged"
ReadAt = Callable[[int, int], bytes]
"""Bytes of an object: (offset, size)."""


def checked(data: bytes | memoryview) -> bytes:
    """A sum of bytes that a disk or a network may change."""
    from hashlib import sha256

    return sha256(data, usedforsecurity=False).digest()[:SUM]


def sums(read: ReadAt, size: int) -> bytes:
    """The sums of an object's first ``size`` bytes, one for each block, one after the other."""
    return b"".join(checked(read(at, min(BLOCK, size - at))) for at in range(0, size, BLOCK))


def tail(read: ReadAt, size: int) -> bytes:
    """What stands behind the bytes of an object that has nothing else behind them: their sums, and what tells these are whole (`proved`)."""
    found = sums(read, size)
    return found + checked(found) + size.to_bytes(8, "little")


def proved(read: ReadAt, size: int) -> "Proved":
    """The bytes of an object with a `tail`, which has ``size`` bytes in all. `InputError`: it is damaged."""
    end = read(max(size - _TAIL, 0), _TAIL)
    held = int.from_bytes(end[SUM:], "little")
    length = -(-held // BLOCK) * SUM
    found = read(held, length) if held + length + _TAIL == size else b""
    if len(end) < _TAIL or checked(found) != end[:SUM]:
        raise InputError(_DAMAGED)
    return Proved(read, held, found)


class Proved:
    """Reads ranges of an object's first ``size`` bytes, whose sums are ``sums``."""

    def __init__(self, read: ReadAt, size: int, sums: bytes) -> None:
        self._source = read
        self.size = size
        self._sums = sums

    def read(self, at: int, size: int) -> bytes:
        """The bytes; fewer where the object ends. `InputError`: they are not those that were written."""
        begin, data = self.around(at, size)
        return data[at - begin : at - begin + size]

    def around(self, at: int, size: int) -> tuple[int, bytes]:
        """All blocks that the range lies in: where they begin, and their bytes."""
        begin = at - at % BLOCK
        end = min(-(-(at + size) // BLOCK) * BLOCK, self.size)
        if size <= 0 or begin >= end:
            return at, b""
        data = self._source(begin, end - begin)
        whole = memoryview(data)
        for place in range(begin, end, BLOCK):
            number = place // BLOCK
            if checked(whole[place - begin : min(place - begin + BLOCK, end - begin)]) != self._sums[number * SUM : number * SUM + SUM]:
                raise InputError(_DAMAGED)
        return begin, data
