"""Reads event traces of Windows (.etl): of ``netsh trace`` (NDIS packet capture) and of ``pktmon`` (Packet Monitor).

    buffers: 72 bytes (size, bytes used, flags), then events at multiples of 8; compressed ones (pktmon) hold plain LZ77
    the first event is the trace header: it tells the clock, from which the time of every other event follows
    events: 80 bytes (size, kind, thread, time, provider, number, keywords), optional items, then the provider's data

Each processor fills buffers of its own, so events are put in order of time before packets are counted, as Windows' own tools
do: a packet's number is the one that etl2pcapng gives it. `Limits.trace_bytes` of packets are held for that; beyond, the
earlier half goes out first. `analyzer.capture.trace_events` reads the data of events, `analyzer.capture.trace_packets` makes
packets of them.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from analyzer.capture.trace_events import NDIS, PKTMON
from analyzer.capture.trace_packets import Event, Packets
from analyzer.capture.trace_providers import NAMES
from analyzer.capture.window import Bulk, Row, Walk, Window
from analyzer.formats.filetime import UNITS_TO_1970, unix_ns
from analyzer.formats.lz77 import decompress
from analyzer.settings import Limits

_HEADER = 72
_COMPRESSED = 0x40
_LARGEST = 16 << 20
"""Bytes of a buffer, as it lies in the file and decompressed."""
_SYSTEM32, _SYSTEM64, _COMPACT32, _COMPACT64, _PERF32, _PERF64 = 1, 2, 3, 4, 0x10, 0x11
_SIZE_AT_4 = (_SYSTEM32, _SYSTEM64, _COMPACT32, _COMPACT64, _PERF32, _PERF64)
_CLASSIC = (0x0A, 0x14)
_MODERN = (0x12, 0x13)
_EVENT = 80
_EXTENDED = 1
_TRAITS = 12
_HOOK_HEADER = 32
"""Bytes of a system event before its data."""
_LATEST = UNITS_TO_1970 + 80 * 365 * 86_400 * 10_000_000
_COUNTER, _SYSTEM_TIME, _CYCLES = 1, 2, 3
_SHOWN_PROVIDERS = 3
_PROVIDERS = 10_000
_PROVIDER = re.compile(re.escape(NDIS) + b"|" + re.escape(PKTMON), re.DOTALL)
_SEARCHES = 1 << 16
_PLACES = 10_000
"""Damaged places that are told one by one."""
_FREELY_UNPACKED = 64 << 20
"""Bytes that a trace may become whatever its size: a short one of one packet over and over is no attack."""
_FARTHEST = 1 << 17
"""Behind damage the next event begins before this: none is larger than 65,535 bytes."""


class _Clock(NamedTuple):
    """Ticks of the trace's clock to time: ``zero`` ticks are ``zero_ns`` since 1970, ``rate`` of them a second."""

    zero: int
    zero_ns: int
    rate: int

    def ns(self, ticks: int) -> int:
        """The time of an event."""
        return min(max(self.zero_ns + (ticks - self.zero) * 1_000_000_000 // self.rate, 0), (1 << 62))


class _Buffer(NamedTuple):
    """A buffer's events: its bytes from the first event on, and where that lies in the file; None where it was compressed."""

    data: bytes
    file_at: int | None


class _Met(NamedTuple):
    """What was met on the way: providers by number of events, and the names that events themselves tell."""

    events: Counter[bytes]
    names: dict[bytes, str]


def begins(head: bytes) -> bool:
    """Whether these are the first bytes of an event trace: a sound buffer header, and the trace header behind it."""
    if len(head) < _HEADER + 16:
        return False
    size, used = struct.unpack_from("<II", head)
    flags = struct.unpack_from("<H", head, 52)[0]
    if not _HEADER + 8 <= size <= _LARGEST or used > _LARGEST:
        return False
    first = decompress(head[_HEADER:], 8)[0] if flags & _COMPRESSED else head[_HEADER : _HEADER + 8]
    return len(first) == 8 and first[2] in (_SYSTEM32, _SYSTEM64) and first[3] == 0xC0 and first[6:8] == b"\0\0"


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:  # noqa: ARG001  the bulk takes no such records
    """Every packet of the trace, in order of time. A trace without any leaves ``walk.format`` empty and says in ``walk.instead`` whose events it has."""
    packets = Packets(limits, walk)
    met = _Met(Counter(), {})
    clock: _Clock | None = None
    for buffer in _buffers(window, limits, walk):
        for event, at, size in _events(buffer, walk, met):
            if event is None:
                clock = clock or _clock(buffer.data, at, size)
                continue
            packets.take(event)
        if packets.size > limits.trace_bytes:
            walk.format = "etl"
            clock = clock or _guessed(packets.first_ticks, walk)
            yield from packets.out(clock.ns, len(packets) // 2)
    if packets.any:
        walk.format = "etl"
        clock = clock or _guessed(packets.first_ticks, walk)
        yield from packets.rest(clock.ns)
    else:
        walk.instead = _without(met, packets)
        walk.problems.clear()


def _buffers(window: Window, limits: Limits, walk: Walk) -> Iterator[_Buffer]:
    """The buffers in the order of the file. Of one that the end of the file cuts what is there is given."""
    usual = unpacked = 0
    mark = b""
    while window.need(_HEADER):
        buffer, at = window.buffer, window.at
        if not _plausible(buffer, at, usual):
            if not _resync(window, walk, usual, mark):
                return
            continue
        size, used = struct.unpack_from("<II", buffer, at)
        filled, flags = struct.unpack_from("<IH", buffer, at + 48)
        packed = bool(flags & _COMPRESSED)
        usual = usual or (0 if packed else size)
        mark = mark or bytes(buffer[at + 41 : at + 44])
        whole = window.need(size)
        end = min(size, window.left())
        file_at = window.base + window.at + _HEADER
        if packed:
            left = _FREELY_UNPACKED + limits.trace_ratio * (file_at + end) - unpacked
            most = min(max(used, filled), max(left, 0))
            data, sound = decompress(bytes(window.buffer[window.at + _HEADER : window.at + end]), most)
            unpacked += len(data)
            if most < max(used, filled) and len(data) == most and len(walk.problems) < _PLACES:
                walk.problems.append(
                    ("capture.limit", f"trace_ratio={limits.trace_ratio}: {most} bytes of the buffer at offset {file_at - _HEADER} were read", None)
                )
            elif whole and not sound:
                _damaged(walk, f"the compressed buffer at offset {file_at - _HEADER} is damaged; {len(data)} bytes of it were read")
            yield _Buffer(data, None)
        else:
            have = min(end, max(used, filled))
            yield _Buffer(bytes(window.buffer[window.at + _HEADER : window.at + have]), file_at)
        if not whole:
            walk.problems.append(("capture.cut", f"the last buffer has {end} of {size} bytes", None))
            return
        window.at += size
    if window.left():
        walk.problems.append(("capture.cut", f"{window.left()} bytes after the last whole buffer", None))


def _resync(window: Window, walk: Walk, usual: int, mark: bytes) -> bool:
    """Moves to the next header of a buffer: plain ones lie at multiples of their size, compressed ones where the session's mark is met."""
    begin = window.base + window.at
    if usual:
        while window.need(_HEADER) and not _plausible(window.buffer, window.at, usual):
            window.at += usual if window.need(usual) else window.left()
    else:
        found = _marked(window, mark)
        if found is None:
            window.need(_LARGEST)
            found = _marked(window, mark)
        window.at = found or window.end
    if window.need(_HEADER):
        _damaged(walk, f"{window.base + window.at - begin} bytes passed over at offset {begin}")
        return True
    _damaged(walk, f"nothing readable after offset {begin}")
    return False


def _plausible(data: bytearray, at: int, usual: int) -> bool:
    """Whether a buffer may begin there: its sizes make sense, and a plain one is as large as the others are."""
    size, used = struct.unpack_from("<II", data, at)
    filled, flags = struct.unpack_from("<IH", data, at + 48)
    return _HEADER <= size <= _LARGEST and max(used, filled) <= _LARGEST and (bool(flags & _COMPRESSED) or not usual or size == usual)


def _damaged(walk: Walk, detail: str) -> None:
    if len(walk.problems) < _PLACES:
        walk.problems.append(("capture.damaged-record", detail, None))
    elif len(walk.problems) == _PLACES:
        walk.problems.append(("capture.limit", f"{_PLACES} damaged places were told; later ones are not listed", None))


def _marked(window: Window, mark: bytes) -> int | None:
    """Where a compressed buffer begins behind the window's place: bytes 41 to 43 of its header are the session's."""
    place = window.at
    for _ in range(_SEARCHES):
        place = window.buffer.find(mark, place + 1, window.end)
        at = place - 41
        if place < 0 or at + _HEADER > window.end:
            return None
        if at <= window.at:
            continue
        size, used = struct.unpack_from("<II", window.buffer, at)
        if _HEADER < size <= _LARGEST and size < used <= _LARGEST and struct.unpack_from("<H", window.buffer, at + 52)[0] & _COMPRESSED:
            return at
    return None


def _events(buffer: _Buffer, walk: Walk, met: _Met) -> Iterator[tuple[Event | None, int, int]]:
    """The events of the providers of packets; None, a place and a size for a trace header."""
    data, at, end = buffer.data, 0, len(buffer.data)
    lost = 0
    while at + 8 <= end:
        kind, flags = data[at + 2], data[at + 3]
        size = data[at + 4] | data[at + 5] << 8 if kind in _SIZE_AT_4 else data[at] | data[at + 1] << 8
        if size < 8 or not flags & 0x80 or at + size > end:
            found = _next_event(data, at, min(end, at + _FARTHEST))
            if found is None:
                rest = data[at:end]
                lost += len(rest) if rest.strip(b"\0") and rest.strip(b"\xff") else 0  # else it is what no event filled
                break
            lost += found - at
            at = found
            continue
        if kind in _MODERN and size >= _EVENT:
            provider = data[at + 24 : at + 40]
            if len(met.events) < _PROVIDERS or provider in met.events:
                met.events[provider] += 1
            body = _body(data, at, size, provider, met)
            if provider in (NDIS, PKTMON):
                thread, ticks = struct.unpack_from("<I4xq", data, at + 8)
                number, keywords = struct.unpack_from("<H6xQ", data, at + 40)
                place = None if buffer.file_at is None else buffer.file_at + body
                yield Event(provider, number, keywords, thread, ticks, data[body : at + size], place), at, size
        elif kind in _CLASSIC and size >= 40 and len(met.events) < _PROVIDERS:
            met.events[data[at + 24 : at + 40]] += 1
        elif kind in (_SYSTEM32, _SYSTEM64) and data[at + 6 : at + 8] == b"\0\0":
            yield None, at, size
        at += (size + 7) & ~7
    if lost:
        where = "" if buffer.file_at is None else f" in the buffer at offset {buffer.file_at - _HEADER}"
        _damaged(walk, f"{lost} bytes of damaged events passed over{where}")


def _body(data: bytes, at: int, size: int, provider: bytes, met: _Met) -> int:
    """Where the provider's data begin: behind optional items, each of which says how long it is and whether another one follows."""
    begin, more = at + _EVENT, struct.unpack_from("<H", data, at + 4)[0] & _EXTENDED
    while more and begin + 8 <= at + size:
        length, kind, more, have = struct.unpack_from("<HHHH", data, begin)
        if kind == _TRAITS and provider not in met.names and len(met.names) < _PROVIDERS:
            met.names[provider] = data[begin + 10 : min(begin + 8 + have, at + size)].partition(b"\0")[0].decode("utf-8", "replace")
        if length < 8:
            break
        begin += length
        more &= 1
    return min(begin, at + size)


def _next_event(data: bytes, at: int, end: int) -> int | None:
    """The next event of a provider of packets, by its id, behind damage."""
    for found in _PROVIDER.finditer(data, at + 25, end):
        event = found.start() - 24
        if event % 8 == 0 and data[event + 2] in _MODERN and data[event + 3] & 0x80:
            return event
    return None


def _clock(data: bytes, at: int, size: int) -> _Clock | None:
    """The clock that the trace header (TRACE_LOGFILE_HEADER) tells; None where it is cut or contradicts itself."""
    head = at + _HOOK_HEADER
    if size < _HOOK_HEADER + 280:
        return None
    wide = struct.unpack_from("<I", data, head + 44)[0] != 4
    place = head + (248 if wide else 240)
    _, frequency, start, clock = struct.unpack_from("<qqqI", data, place)
    megahertz = struct.unpack_from("<I", data, head + 52)[0]
    zero = struct.unpack_from("<q", data, at + 16)[0]
    if clock == _SYSTEM_TIME or (clock not in (_COUNTER, _CYCLES) and UNITS_TO_1970 < zero < _LATEST):
        return _Clock(UNITS_TO_1970, 0, 10_000_000)
    rate = megahertz * 1_000_000 if clock == _CYCLES else frequency
    if rate <= 0 or not UNITS_TO_1970 < start < _LATEST:
        return None
    return _Clock(zero, unix_ns(start), rate)


def _guessed(first: int, walk: Walk) -> _Clock:
    """Without a trace header: times that can be dates are taken for dates, others count from the first packet."""
    if UNITS_TO_1970 < first < _LATEST:
        return _Clock(UNITS_TO_1970, 0, 10_000_000)
    walk.problems.append(("capture.relative-time", "the trace header is missing or damaged: times count from the first packet, 1970-01-01", None))
    return _Clock(first, 0, 10_000_000)


def _without(met: _Met, packets: Packets) -> str:
    """What a trace holds that has no packets."""
    count = len(met.events)
    how = "Record one with: netsh trace start capture=yes, or: pktmon start --capture --pkt-size 0."
    if packets.components or PKTMON in met.events:
        only = f": of {packets.headers} it has the addresses only" if packets.headers else ": no packet fitted its filters, or it counted only"
        return f"the file is a trace of pktmon (.etl) without packets{only}. {how}"
    names = [NAMES.get(one) or met.names.get(one) or f"{{{UUID(bytes_le=one)}}}" for one, _ in met.events.most_common(_SHOWN_PROVIDERS)]
    shown = ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")
    providers = f"{count} {'provider' if count == 1 else 'providers'}: {shown}" if count else "no providers"
    return f"the file is an event trace (.etl) without network packets ({providers}). {how}"
