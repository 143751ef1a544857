"""The strings in the output of pipelines: what most of a long output is made of, split without an object for each fragment.

    21 bytes  ObjectId u64 | FragmentId u64, zero | flags u8, start and end | BlobLength u32                       big-endian (MS-PSRP 2.2.4)
    40 bytes  Destination u32 | MessageType u32, PIPELINE_OUTPUT | RPID 16 | PID 16                                little-endian (MS-PSRP 2.2.1)
    the rest  a byte order mark or none, and <S>text</S>

One source, two ways to run, as `analyzer.capture.kernel`: strings.pxd gives the types for Cython's compiler, and without one this file runs as it is. Bounds
checks are on: a read outside of the data raises IndexError, it never happens.
"""

from array import array
from collections.abc import Collection
from typing import NamedTuple

COMPILED: bool = not __file__.endswith(".py")
_FRAGMENT, _MESSAGE = 21, 40
_LEAST = 68
"""Bytes of the shortest one: both headers and an empty string."""
_MOST = 4096
"""Strings of one run: what is reserved for it does not grow with what an attacker sends."""


class Run(NamedTuple):
    """Strings of one pipeline that follow one another: its PID, their texts one after the other as CLIXML has them, where each one ends in that, the size of
    each message, and where the next fragment begins."""

    pipeline: bytes
    texts: bytes
    ends: "array[int]"
    sizes: "array[int]"
    end_at: int


def _size(view: bytes, at: int) -> int:
    """BlobLength of the fragment that begins at ``at``."""
    size = view[at + 17]
    for i in range(at + 18, at + 21):
        size = size << 8 | view[i]
    return size


def _opens(view: bytes, at: int, end: int) -> int:
    """Where the text of the string begins whose fragment begins at ``at``, or 0; ``end`` is where the data ends."""
    if end - at < _LEAST or view[at + 16] != 3:
        return 0
    for i in range(at + 8, at + 16):
        if view[i]:
            return 0
    if view[at + 25] != 4 or view[at + 26] != 16 or view[at + 27] != 4 or view[at + 28]:
        return 0
    stop = at + _FRAGMENT + _size(view, at)
    begin = at + _FRAGMENT + _MESSAGE
    if stop > end or stop < begin + 7:
        return 0
    if view[begin] == 0xEF and view[begin + 1] == 0xBB and view[begin + 2] == 0xBF:
        begin += 3
    if stop < begin + 7 or view[begin] != 60 or view[begin + 1] != 83 or view[begin + 2] != 62:
        return 0
    if view[stop - 4] != 60 or view[stop - 3] != 47 or view[stop - 2] != 83 or view[stop - 1] != 62:
        return 0
    return begin + 3


def _plain(data: bytes, view: bytes, begin: int, end: int) -> int:
    """1 when neither ``<`` nor ``>`` is in [begin, end)."""
    if not COMPILED:  # a loop over bytes is what is slow without the compiler
        return data.find(b"<", begin, end) < 0 and data.find(b">", begin, end) < 0
    i = begin
    while i < end and view[i] != 60 and view[i] != 62:
        i += 1
    return i >= end


def strings(data: bytes, at: int, known: Collection[int]) -> Run | None:
    """The strings from ``at`` on, as many as follow one another whole, for one pipeline, their objects not among ``known``; None when there are none."""
    return _strings(data, data, at, known)


def _strings(data: bytes, view: bytes, at: int, known: Collection[int]) -> Run | None:
    end = len(data)
    first = at + 45
    if not _opens(view, at, end) or not any(data[first : first + 16]):
        return None
    room = min(_MOST, (end - at) // _LEAST + 1)
    ends = array("Q", bytes(8 * room))
    sizes = array("Q", bytes(8 * room))
    to_ends, to_sizes = ends, sizes
    texts = []
    some = bool(known)
    count = total = 0
    while count < room:
        begin = _opens(view, at, end)
        if not begin:
            break
        i = 0
        while i < 16 and view[at + 45 + i] == view[first + i]:
            i += 1
        if i < 16 or (some and int.from_bytes(data[at : at + 8], "big") in known):
            break
        size = _size(view, at)
        stop = at + _FRAGMENT + size
        if not _plain(data, view, begin, stop - 4):
            break
        texts.append(data[begin : stop - 4])
        total += stop - 4 - begin
        to_ends[count] = total
        to_sizes[count] = size
        count += 1
        at = stop
    return Run(data[first : first + 16], b"".join(texts), ends[:count], sizes[:count], at) if count else None
