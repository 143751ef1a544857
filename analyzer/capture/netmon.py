"""Reads the captures of Microsoft Network Monitor, version 2 (``GMBU``) and 1 (``RTSS``).

    0  magic, minor and major version, media type, SYSTEMTIME of the start        24 offset and size of the frame table
    72 or 128 frames: time since the start, size sent, size captured, bytes, from 2.1 on a trailer (media type, process,
    from 2.3 on the time as UTC)

The frame table at the end lists where each frame begins, in the order of frames as Wireshark counts them. So the file
is taken into memory whole, up to `Limits.netmon_bytes`. Checked against tshark on files of Network Monitor 3.4 and on
those that editcap writes. Frames may be events of Windows' tracing instead of packets; those of NDIS packet capture
(``netsh trace``) and of pktmon hold a packet, all others are counted and passed over.

The start is local time without a zone; it is taken for UTC where frames have no UTC time of their own, and an issue
says so.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from analyzer.capture.trace_events import ETHERNET, NDIS, PKTMON, RAW, WLAN, decrypted, piece, sight
from analyzer.capture.window import Bulk, Row, Walk, Window
from analyzer.formats.filetime import UNITS_TO_1970, unix_ns
from analyzer.settings import Limits

HEADER_SIZE = 72
_PLACES = (72, 128)
"""Where the first frame may begin."""
_CHAIN = 8
_MOST = 1 << 18
"""A frame larger than this is not guessed at."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAGICS = {b"GMBU": "netmon2", b"RTSS": "netmon1"}
_MEDIA = {1: ETHERNET, 8: RAW, 9: RAW, 10: RAW}
_MEDIA_WLAN, _MEDIA_EVENT, _MEDIA_LINKTYPE = 6, 0xFFE0, 0xE000
_OTHER_MEDIA = 0x4000_0000
"""Added to a media type that has no LINKTYPE number here."""
_EVENT_DATA = 89
"""Where the data of an event begins: an EVENT_HEADER, four bytes of context, counts."""


class _Head(NamedTuple):
    """Of a file: version, media type, start in ns, and the places of its frames."""

    version: tuple[int, int]
    media: int
    start_ns: int
    places: tuple[int, ...]


class _Frame(NamedTuple):
    """A frame: its time (and whether it is UTC), media type, where its bytes are, how many, and how many were sent."""

    ts_ns: int
    utc: bool
    media: int
    at: int
    size: int
    wire_size: int


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:  # noqa: ARG001  the bulk takes no such records
    """Every packet of the file."""
    size = 1 << 20
    while window.need(size) and size < limits.netmon_bytes:
        size = min(2 * size, limits.netmon_bytes)
    if window.end >= limits.netmon_bytes:
        walk.problems.append(("capture.limit", f"netmon_bytes={limits.netmon_bytes}: what lies behind was not read", None))
    data, end = window.buffer, window.end
    walk.format = MAGICS[bytes(data[:4])]
    head = _head(data, end, walk)
    if head is None:
        return
    local = False
    met: set[tuple[int, int]] = set()
    for place in head.places:
        frame = _frame(data, place, end, head)
        walk.packets += 1
        if frame is None:
            walk.problems.append(("capture.damaged-record", f"the frame at offset {place} is not wholly in the file", walk.packets))
            continue
        local = local or not frame.utc
        found = _packet(data, frame, met)
        if found is not None:
            link, at, have, sent = found
            walk.links.add(link)
            if link == WLAN and frame.media == _MEDIA_EVENT:  # traced decrypted, with the flag that says it is not
                changed = bytearray(decrypted(link, bytes(data[at : at + have])))
                yield Row(walk.packets, frame.ts_ns, link, changed, 0, have, sent, -1)
                continue
            yield Row(walk.packets, frame.ts_ns, link, data, at, have, sent, window.base + at)
    if local:
        walk.problems.append(("capture.local-time", "the file's start is local time without a time zone, and was taken for UTC", None))


def _head(data: bytearray, end: int, walk: Walk) -> _Head | None:
    if end < HEADER_SIZE:
        walk.problems.append(("capture.cut", f"the file ends after {end} of the {HEADER_SIZE} bytes of its header", None))
        return None
    minor, major, media, year, month, _, day, hour, minute, second, ms, table, size = struct.unpack_from("<BB9HII", data, 4)
    start = _started(year, month, day, hour, minute, second)
    if start is None:
        start = _EPOCH
        walk.problems.append(("capture.damaged-record", "the file's start is no time; times count from 1970", None))
    start_ns = int(start.timestamp()) * 1_000_000_000 + min(ms, 999) * 1_000_000
    version = (major, minor)
    whole = min(size, max(end - table, 0)) // 4 if table >= HEADER_SIZE else 0
    places = struct.unpack_from(f"<{whole}I", data, table) if whole else ()
    if not places:
        walk.problems.append(("capture.cut", "the table of frames is missing; frames were read one behind the other", None))
        places = tuple(_one_after_another(data, end, version))
    return _Head(version, media, start_ns, places)


def _started(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime | None:
    """The time; None for what is none, and for one before 1970, when there was nothing to capture."""
    try:
        start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return start if start >= _EPOCH else None


def _one_after_another(data: bytearray, end: int, version: tuple[int, int]) -> Iterator[int]:
    at = max(_PLACES, key=lambda place: sum(1 for _ in islice(_walked(data, place, end, version), _CHAIN)))
    yield from _walked(data, at, end, version)


def _walked(data: bytearray, at: int, end: int, version: tuple[int, int]) -> Iterator[int]:
    """Frames as long as they are plausible."""
    header = 8 if version[0] < 2 else 16
    while at + header <= end:
        _, sent, have = struct.unpack_from("<IHH" if header == 8 else "<QII", data, at)
        if not 0 < have <= min(sent, _MOST) or at + header + have > end:
            return
        yield at
        at += header + have + _trailer(version)


def _trailer(version: tuple[int, int]) -> int:
    """The bytes behind a frame's own."""
    return {(2, 1): 2, (2, 2): 6}.get(version, 15 if version >= (2, 3) else 0)


def _frame(data: bytearray, at: int, end: int, head: _Head) -> _Frame | None:
    header = 8 if head.version[0] < 2 else 16
    if at < HEADER_SIZE or at + header > end:
        return None
    delta, sent, have = struct.unpack_from("<IHH" if header == 8 else "<QII", data, at)
    begin = at + header
    trailer = _trailer(head.version)
    if begin + have + trailer > end:
        return None
    media = struct.unpack_from("<H", data, begin + have)[0] if trailer else head.media
    ticks = struct.unpack_from("<Q", data, begin + have + 6)[0] if head.version >= (2, 3) else 0
    if ticks > UNITS_TO_1970:
        ts_ns, utc = unix_ns(ticks), True
    else:
        ts_ns, utc = head.start_ns + delta * (1_000_000 if header == 8 else 1000), False
    return _Frame(min(ts_ns, (1 << 62)), utc, media, begin, have, max(sent, have))


def _packet(data: bytearray, frame: _Frame, met: set[tuple[int, int]]) -> tuple[int, int, int, int] | None:
    """Link type, place, size and size sent of the packet in a frame; None for an event without one, or whose packet
    came before."""
    media, at, size = frame.media, frame.at, frame.size
    if media == _MEDIA_EVENT:
        return _event(data, at, size, met)
    if media == _MEDIA_WLAN and size >= 3:  # a header of Network Monitor: version, then its size
        skip = struct.unpack_from("<H", data, at + 1)[0]
        return (WLAN, at + skip, size - skip, frame.wire_size - skip) if skip <= size else None
    link = media & 0xFFF if media & 0xF000 == _MEDIA_LINKTYPE else _MEDIA.get(media, _OTHER_MEDIA + media)
    return link, at, size, frame.wire_size


def _event(data: bytearray, at: int, size: int, met: set[tuple[int, int]]) -> tuple[int, int, int, int] | None:
    """The packet in an event of Windows' tracing."""
    if size < _EVENT_DATA:
        return None
    provider = bytes(data[at + 24 : at + 40])
    number, keywords, extended, have = struct.unpack_from("<H6xQ28xHH", data, at + 40)
    begin, have = at + _EVENT_DATA, min(have, size - _EVENT_DATA)
    if extended or provider not in (NDIS, PKTMON):
        return None
    body = bytes(data[begin : begin + have])
    if provider == NDIS:
        part = piece(number, keywords, body)
        return None if part is None or not (part.start and part.end) else (part.link, begin + part.at, part.size, part.size)
    seen = sight(number, body)
    if seen is None or seen.reason is not None or (seen.group, seen.number) in met:
        return None
    met.add((seen.group, seen.number))
    return None if seen.link is None else (seen.link, begin + seen.at, seen.size, seen.wire_size)
