"""Content codings undone: gzip, deflate, and Windows' SLDC (RFC 9110 section 8.4.1, MS-WSMV 2.2.9.2), within limits.

Limits are those of a reader of hostile files: so many bytes, a ratio after the first mebibyte, two layers. SLDC that cannot be read is taken for text that was
not compressed, since collectors name the coding for bodies that are too short for it.
"""

import zlib
from collections.abc import Iterable, Sequence

from analyzer.formats import sldc
from analyzer.records.http import Header
from analyzer.records.quality import Absent, Known, Why

_NAME = len("content-encoding")
_LAYERS = 2
_RATIO = 200
_FREE = 1 << 20
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


class Room:
    """What is left of the bytes that one connection's compressed parts may become. ``full``: something was left out for it.

    A sum, since small parts can each stay below any limit of a part's own.
    """

    def __init__(self, most: int) -> None:
        self.left = most
        self.full = False

    def took(self, size: int) -> None:
        """So many bytes came out of a part."""
        self.left -= size


def codings(headers: Iterable[Header]) -> tuple[str, ...]:
    """The codings that a message's headers name, in the order in which they were applied."""
    words = [
        word.strip().lower()
        for header in headers
        if len(header.name) == _NAME and header.name.lower() == "content-encoding"
        for word in header.value.split(",")
    ]
    return tuple(word for word in words if word and word != "identity")


def unpacked(data: bytes, applied: Sequence[str], limit: int, room: Room | None = None) -> Known[bytes]:
    """The bytes before ``applied`` was done to them, at most ``limit`` of them, and no more than there is ``room`` for."""
    if len(applied) > _LAYERS:
        return Absent(Why.OVER_LIMIT, f"{len(applied)} content codings, {_LAYERS} are undone")
    most = min(limit, max(_FREE, len(data) * _RATIO))
    for coding in reversed(applied):
        if room is not None and room.left <= 0:
            room.full = True
            return Absent(Why.OVER_LIMIT, "unpacked_ratio: the bodies of this connection became too large")
        found = _unpacked(data, coding, most if room is None else min(most, room.left))
        if isinstance(found, Absent):
            if room is not None and found.why is Why.OVER_LIMIT:
                room.took(most)
                room.full = True
            return found
        if room is not None:
            room.took(len(found))
        data = found
    return data


def _unpacked(data: bytes, coding: str, most: int) -> Known[bytes]:
    if coding == "sldc":
        plain = sldc.inflate(data, most)
        return data if plain is None else plain
    if coding not in _WINDOWS:
        return Absent(Why.UNSUPPORTED, f"content coding {coding[:40]}")
    for window in _WINDOWS[coding]:
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(data, most)
        except zlib.error:
            continue
        if unpacker.unconsumed_tail:
            return Absent(Why.OVER_LIMIT, f"more than {most} bytes out of {len(data)} ({coding})")
        return plain
    return Absent(Why.MALFORMED, f"no {coding}")
