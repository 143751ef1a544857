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
_GZIP = b"\x1f\x8b"
_PIECE = 4096
"""Bytes that are given to a reader at a time, since it copies what it does not need."""
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
        if unpacker.unused_data.startswith(_GZIP) and window == _WINDOWS["gzip"][0]:
            rest = _members(unpacker.unused_data, most - len(plain))
            return Absent(Why.OVER_LIMIT, f"more than {most} bytes out of {len(data)} ({coding})") if rest is None else plain + rest
        return plain
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return data  # a label is a claim: this is text that was not compressed
    return Absent(Why.MALFORMED, f"no {coding}")


def _members(data: bytes, most: int) -> bytes | None:
    """The further members of a gzip file (RFC 1952 section 2.2), None where they are more than so many bytes; what follows the last one is none."""
    made, size, at = [], 0, 0
    unpacker = zlib.decompressobj(31)
    begin = 0
    while at < len(data):
        piece = data[at : at + _PIECE]
        try:
            plain = unpacker.decompress(piece, most - size + 1)
        except zlib.error:
            break
        size += len(plain)
        made.append(plain)
        if size > most:
            return None
        at += len(piece) - len(unpacker.unused_data)
        if unpacker.eof:
            if at == begin or not data.startswith(_GZIP, at):
                break
            unpacker, begin = zlib.decompressobj(31), at
    return b"".join(made)
