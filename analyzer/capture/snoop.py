"""Reads captures of Solaris' snoop (RFC 1761): a header of 16 bytes, then records of 24 bytes and the packet, padded to multiples of 4, all big-endian."""

import struct
from collections.abc import Iterator

from analyzer.capture.window import Bulk, Row, Walk, Window
from analyzer.settings import Limits

_HEADER, _RECORD = 16, 24
_VERSION = 2
_LINKS = {0: 1, 4: 1, 8: 10}
"""Datalink types of RFC 1761 to LINKTYPE numbers: IEEE 802.3, Ethernet, FDDI."""
_OTHER = 0x4000_0000
"""Added to a datalink type that has no LINKTYPE number here."""
_LOOSE = (1 << 18) - 64
_CHAIN = 3
_CHAINED = _CHAIN * (1 << 18)
"""Bytes that so many records may have."""


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:  # noqa: ARG001  the bulk takes no such records
    """Every packet of the file."""
    if not window.need(_HEADER):
        walk.instead = f"the file is a capture of snoop that ends inside its header, after {window.left()} of {_HEADER} bytes"
        return
    version, kind = struct.unpack_from(">II", window.buffer, 8)
    if version != _VERSION:
        walk.instead = f"the file is a capture of snoop, of version {version}; only version {_VERSION} is known"
        return
    walk.format = "snoop"
    link = _LINKS.get(kind, _OTHER + kind)
    window.at = _HEADER
    while window.need(_RECORD):
        sent, size, length, _, seconds, micros = struct.unpack_from(">IIIIII", window.buffer, window.at)
        if not _RECORD + size <= length <= limits.record_size_bytes:
            if not _resync(window, walk):
                return
            continue
        if not window.need(_RECORD + size):
            break
        walk.packets += 1
        walk.links.add(link)
        at = window.at + _RECORD
        ts_ns = seconds * 1_000_000_000 + min(micros, 999_999) * 1000
        yield Row(walk.packets, ts_ns, link, window.buffer, at, size, max(sent, size), window.base + at)
        if not window.need(length):  # the padding of the last record may be cut
            window.at = window.end
            return
        window.at += length
    if window.left():
        window.tell_cut(walk)


def _resync(window: Window, walk: Walk) -> bool:
    """Moves to the next place where plausible records follow each other."""
    begin = window.base + window.at
    window.at += 1
    while window.need(_RECORD):
        stop = window.end - _CHAINED if window.need(2 * _CHAINED) else window.end - _RECORD + 1
        for at in range(window.at, stop):
            if _plausible(window, at):
                window.at = at
                walk.problems.append(("capture.damaged-record", f"{window.base + at - begin} bytes passed over at offset {begin}", walk.packets + 1))
                return True
        window.at = stop
    walk.problems.append(("capture.damaged-record", f"nothing readable after offset {begin}", walk.packets + 1))
    window.at = window.end
    return False


def _plausible(window: Window, at: int) -> bool:
    for _ in range(_CHAIN):
        if at == window.end:
            return True
        if at + _RECORD > window.end:
            return False
        sent, size, length, _, _, micros = struct.unpack_from(">IIIIII", window.buffer, at)
        if not 0 < size <= sent <= _LOOSE or length != (_RECORD + size + 3) & ~3 or micros >= 1_000_000:
            return False
        at += length
    return True
