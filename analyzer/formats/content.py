"""Content codings undone: gzip, deflate, and Windows' SLDC (RFC 9110 section 8.4.1, MS-WSMV 2.2.9.2), within limits.

Limits are those of a reader of hostile files: so many bytes, a ratio after the first mebibyte, two layers. SLDC that cannot be read is taken for text that was
not compressed, since collectors name the coding for bodies that are too short for it.
"""

import zlib
from collections.abc import Iterable, Sequence

from analyzer.formats import sldc
from analyzer.records.http import Header
from analyzer.records.quality import Absent, Known, Why

_LAYERS = 2
_RATIO = 200
_FREE = 1 << 20
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def codings(headers: Iterable[Header]) -> tuple[str, ...]:
    """The codings that a message's headers name, in the order in which they were applied."""
    words = [word.strip().lower() for header in headers if header.name.lower() == "content-encoding" for word in header.value.split(",")]
    return tuple(word for word in words if word and word != "identity")


def unpacked(data: bytes, applied: Sequence[str], limit: int) -> Known[bytes]:
    """The bytes before ``applied`` was done to them, at most ``limit`` of them."""
    if len(applied) > _LAYERS:
        return Absent(Why.OVER_LIMIT, f"{len(applied)} content codings, {_LAYERS} are undone")
    most = min(limit, max(_FREE, len(data) * _RATIO))
    for coding in reversed(applied):
        found = _unpacked(data, coding, most)
        if isinstance(found, Absent):
            return found
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
