"""The beginnings of a run's files: what a look at each tells of which file it goes on with (`analyzer.capture.points`).

A file is looked at when it is read, and again for files after it. What it told then is kept, of some files: a look goes through all packets of its beginning.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import TypeVar

from msgspec.structs import replace

from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen
from analyzer.capture.open import UnpackError, is_pipe, opened
from analyzer.capture.point import Head, Piece
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import HEAD_BYTES, Row, Walk
from analyzer.errors import InputError
from analyzer.settings import Limits, Scope

_HEAD_PACKETS = 1 << 11
_ETHERNET, _ADDRESS = 1, 6
"""The link type, and the bytes of an address."""
_REMEMBERED = 64
"""Files whose stations and hosts are kept: of each point its first and its last one are asked for."""
Pair = tuple[bytes, bytes]
Hosts = tuple[int, ...]
Kept = TypeVar("Kept")


class Beginnings:
    """Looks at beginnings."""

    def __init__(self, limits: Limits, scope: Scope) -> None:
        self._limits, self._scope = limits, scope
        self._last: tuple[int, Kernel, Walk] | None = None
        self._sent: dict[int, frozenset[Pair]] = {}
        self._talkers: dict[int, frozenset[Hosts]] = {}

    def begun(self, piece: Piece) -> tuple[Kernel, Walk]:
        """A kernel that has read the file's first bytes, and kept every connection; and the walk over them."""
        if self._last is None or self._last[0] != piece.ordinal:
            force, walk, limits = frozenset(range(1, _HEAD_PACKETS)), Walk(), self._limits
            begin = chosen()(piece.ordinal, limits, SlowPath(limits), bytes, in_place=True, all_http=self._scope.all_http, force=force)
            for row in _beginning(piece, limits, walk, begin):
                begin.packet(*row)
            self._last = piece.ordinal, begin, walk
        return self._last[1:]

    def talkers(self, piece: Piece) -> frozenset[Hosts]:
        """The pairs of hosts with TCP connections at the file's beginning."""
        known = self._talkers.get(piece.ordinal)
        if known is None:
            begin, _ = self.begun(piece)
            known = frozenset(ends[:4] for ends, _, _, _ in begin.addresses())
            _remember(self._talkers, piece.ordinal, known)
        return known

    def sent(self, piece: Piece) -> frozenset[Pair]:
        """The Ethernet addresses (target, source) of the file's first frames."""
        known = self._sent.get(piece.ordinal)
        if known is None:
            frames = _frames(piece, self._limits)
            known = frozenset((frame[:_ADDRESS], frame[_ADDRESS : 2 * _ADDRESS]) for link, frame in frames if link == _ETHERNET and len(frame) >= 2 * _ADDRESS)
            _remember(self._sent, piece.ordinal, known)
        return known


def _remember(known: dict[int, Kept], ordinal: int, told: Kept) -> None:
    while len(known) >= _REMEMBERED:
        known.pop(next(iter(known)))
    known[ordinal] = told


def head(piece: Piece, limits: Limits) -> Head:
    """The first packet of a file; a pipe can be read only once."""
    if is_pipe(piece.path):
        return Head(piece, None, None)
    walk = Walk()
    first = next(_beginning(piece, limits, walk, None), None)
    return Head(piece, None, None) if first is None else Head(piece, first.ts_ns, first.link, walk.format)


def _frames(piece: Piece, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Link type and beginning of each packet in the file's first bytes."""
    return ((row.link, bytes(row.buffer[row.at : row.at + min(row.size, 2 * _ADDRESS)])) for row in _beginning(piece, limits, Walk(), None))


def _beginning(piece: Piece, limits: Limits, walk: Walk, kernel: Kernel | None) -> Iterator[Row]:
    """The packets in the file's first bytes, but for those that the ``kernel`` takes by itself."""
    few = replace(limits, read_size_bytes=HEAD_BYTES, netmon_bytes=HEAD_BYTES)
    if piece.reeled is not None:
        yield from rows(BytesIO(piece.reeled.reel.head).readinto, few, walk, kernel)
        return
    try:
        source = opened(piece.path)
    except InputError:
        return
    left = HEAD_BYTES

    def fill(buffer: memoryview) -> int:
        nonlocal left
        got = source.fill(buffer[:left]) if left else 0
        left -= got
        return got

    try:
        yield from rows(fill, few, walk, kernel)
    except UnpackError:  # its reading will say so
        pass
    except OSError:
        pass
    finally:
        source.stream.close()
        source.raw.close()
