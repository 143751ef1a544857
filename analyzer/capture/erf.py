"""Reads captures in the Extensible Record Format of Endace cards (ERF): records of a 16-byte header, extension headers, and the packet.

    0  time as a 64-bit fixed-point number of seconds, little-endian    8  type (bit 7: extension headers), flags
    10 size of the record, loss counter, size of the packet as sent, big-endian     16  extension headers of 8 bytes

There is no file header and no magic number: a file is taken for ERF when records that make sense follow each other from its
first byte on. Records of other types than Ethernet, IP and PPP over HDLC are counted, as Wireshark does.
"""

import struct
from collections.abc import Iterator

from analyzer.capture.window import Bulk, Row, Walk, Window
from analyzer.settings import Limits

_HEADER = 16
_HDLC, _ETHERNET, _IP4, _IP6, _META = 1, 2, 22, 23, 27
_ETHERNETS = (_ETHERNET, 11, 16)
"""Plain, with a color, and of a DAG's classifier."""
_HDLCS = (_HDLC, 10, 15)
_LINKS = {**dict.fromkeys(_ETHERNETS, 1), **dict.fromkeys(_HDLCS, 104), _IP4: 228, _IP6: 229}
_OTHER = 0x4000_0000
"""Added to a type that has no LINKTYPE number here."""
_LAST_TYPE = 48
_CHAIN = 3
_CHAINED = 1 << 12
"""Bytes that are looked at to tell that records follow each other."""
_PADDED = 2
"""Bytes between an Ethernet record's header and its frame."""
_FEWEST_S, _LEAP_S = 315_532_800, 86_400 * 366


def begins(head: bytes) -> bool:
    """Whether records of ERF follow each other from here on: three, or fewer that end exactly where the bytes do."""
    at, last, found = 0, 0, 0
    while at + _HEADER <= len(head) and found < _CHAIN:
        time, kind, size, sent = _record(head, at)
        seconds = time >> 32
        if not 0 < kind <= _LAST_TYPE or not size > _HEADER or seconds < _FEWEST_S or (last and abs(seconds - last) > _LEAP_S):
            return False
        if kind != _META and not 0 < sent <= 1 << 16:
            return False
        last, at, found = seconds, at + size, found + 1
    return found == _CHAIN or (found > 0 and at == len(head))


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:  # noqa: ARG001  the bulk takes no such records
    """Every packet of the file."""
    walk.format = "erf"
    while window.need(_HEADER):
        time, kind, size, sent = _record(window.buffer, window.at)
        if size <= _HEADER or not 0 < kind <= _LAST_TYPE or size > limits.record_size_bytes:
            if not _resync(window, walk):
                return
            continue
        if not window.need(size):
            break
        walk.packets += 1
        begin = window.at + _HEADER + _extensions(window.buffer, window.at, size)
        begin = min(begin + (_PADDED if kind in _ETHERNETS else 0), window.at + size)
        link = _LINKS.get(kind, _OTHER + kind)
        if kind != _META:
            walk.links.add(link)
            have = min(window.at + size - begin, sent)
            ts_ns = (time >> 32) * 1_000_000_000 + ((time & 0xFFFF_FFFF) * 1_000_000_000 >> 32)
            yield Row(walk.packets, ts_ns, link, window.buffer, begin, have, sent, window.base + begin)
        window.at += size
    if window.left():
        window.tell_cut(walk)


def _record(data: bytes | bytearray, at: int) -> tuple[int, int, int, int]:
    """Time, type, size of the record, size sent."""
    time, kind = struct.unpack_from("<QB", data, at)
    size, _, sent = struct.unpack_from(">HHH", data, at + 10)
    return time, kind & 0x7F, size, sent


def _extensions(data: bytearray, at: int, size: int) -> int:
    """Bytes of extension headers: each one's first bit says that another follows."""
    more, have = data[at + 8] & 0x80, 0
    while more and _HEADER + have + 8 <= size:
        more = data[at + _HEADER + have] & 0x80
        have += 8
    return have


def _resync(window: Window, walk: Walk) -> bool:
    """Moves to the next place from which records follow each other."""
    begin = window.base + window.at
    window.at += 1
    while window.need(_HEADER):
        stop = window.end - _CHAINED if window.need(2 * _CHAINED) else window.end - _HEADER + 1
        for at in range(window.at, stop):
            if window.buffer[at + 8] & 0x7F in _LINKS and begins(bytes(window.buffer[at : min(at + _CHAINED, window.end)])):
                window.at = at
                walk.problems.append(("capture.damaged-record", f"{window.base + at - begin} bytes passed over at offset {begin}", walk.packets + 1))
                return True
        window.at = stop
    walk.problems.append(("capture.damaged-record", f"nothing readable after offset {begin}", walk.packets + 1))
    window.at = window.end
    return False
