"""Makes event traces of Windows (.etl) of frames: as ``netsh trace`` and as ``pktmon`` write them, plain or compressed, on one processor or several.

    path.write_bytes(netsh_trace(line.frames))
    path.write_bytes(pktmon_trace(line.frames, components=3, compressed=True, drops={4: Dropped(1207, 49)}))

Buffers, headers and data have the layout of the real files that `analyzer.capture.etl` names; the compressor is MS-XCA's plain LZ77, written from its
description and not from the decompressor.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from tests.build.packets import ETHERNET, RAW, T0_NS, Frame

NDIS = UUID("2ed6006e-4729-4609-b423-3ee7bcd678ef")
PKTMON = UUID("4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac")
WINRM = UUID("a7975c8f-ac13-49f1-87da-5a984a4ab417")
WLAN = 105
START, END, WIRED, NATIVE_WLAN, WWAN = 0x4000_0000, 0x8000_0000, 1, 0x10000, 0x200
_1601_TO_1970 = 116_444_736_000_000_000
_MEDIA = {ETHERNET: WIRED, WLAN: NATIVE_WLAN, RAW: WWAN}
_KINDS = {ETHERNET: 1, WLAN: 2, RAW: 3}
ZERO_TICKS = 5_000_000_000
RATE = 10_000_000
COUNTER, SYSTEM_TIME, CYCLES = 1, 2, 3
NAMES = {1: ("rt640x64.sys", "Realtek PCIe GbE"), 49: ("tcpip.sys", "TCPIP"), 50: ("wfplwfs.sys", "WFP")}
"""Components of the network stack: driver, and name."""


class Dropped(NamedTuple):
    """Where and why Windows drops a packet."""

    reason: int
    component: int
    location: int = 0xE000_460B
    alone: bool = False
    """The packet is logged where it is dropped and nowhere else."""


class Clock(NamedTuple):
    """Of a trace: its kind, and ticks a second."""

    kind: int = COUNTER
    rate: int = RATE

    def ticks(self, ts_ns: int) -> int:
        """The clock's value at a time."""
        if self.kind == SYSTEM_TIME:
            return ts_ns // 100 + _1601_TO_1970
        return ZERO_TICKS + (ts_ns - T0_NS) * self.rate // 1_000_000_000


USUAL = Clock()


def event(provider: UUID, number: int, data: bytes, ticks: int, *, keywords: int = 0, thread: int = 7, items: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """EVENT_HEADER, extended items, data, padded to 8."""
    extended = b""
    for place, (kind, value) in enumerate(items):
        size = (8 + len(value) + 7) & ~7
        extended += (struct.pack("<HHHH", size, kind, int(place + 1 < len(items)), len(value)) + value).ljust(size, b"\0")
    size = 80 + len(extended) + len(data)
    head = struct.pack("<HBBHHIIq", size, 0x13, 0xC0, int(bool(items)), 0, thread, 4, ticks) + provider.bytes_le
    head += struct.pack("<HBBBBHQQ16x", number, 0, 0, 4, 0, 0, keywords, 0)
    return (head + extended + data).ljust((size + 7) & ~7, b"\0")


def trace_header(clock: Clock, *, wide: bool = True) -> bytes:
    """The system event that begins a trace: TRACE_LOGFILE_HEADER of a 64-bit or a 32-bit Windows."""
    body = struct.pack("<IIIIqIIIIIIII", 0x10000, 0x0501000A, 0x47BB, 4, 0, 156_250, 0, 1, 2, 1, 8 if wide else 4, 0, clock.rate // 1_000_000)
    body += bytes(16 if wide else 8) + bytes(172)
    body = body.ljust((len(body) + 7) & ~7, b"\0")
    body += struct.pack("<qqqII", T0_NS // 100 + _1601_TO_1970 - 10**9, RATE, T0_NS // 100 + _1601_TO_1970, clock.kind, 0)
    body += "winrm\0winrm.etl\0".encode("utf-16-le")
    size = 32 + len(body)
    zero = clock.ticks(T0_NS)
    head = struct.pack("<HBBHHIIqII", 2, 2 if wide else 1, 0xC0, size, 0, 7, 4, zero, 0, 0)
    return (head + body).ljust((size + 7) & ~7, b"\0")


def buffer(events: bytes, size: int, *, compressed: bool = False, processor: int = 0, kind: int = 0) -> bytes:
    """A buffer of ``size`` bytes with its events, or as long as they are compressed."""
    used = 72 + len(events)
    inside = compress(events) if compressed else events
    whole = 72 + len(inside) if compressed else size
    head = struct.pack("<IIIIqqQBBHIIHH16x", whole, used, used, 0, 0, 0, 0, processor, 0, 0x28, 3, used, 0x40 if compressed else 1, kind)
    return (head + inside).ljust(whole, b"\xff")


def trace(
    events: Sequence[tuple[int, bytes]], clock: Clock = USUAL, *, size: int = 1 << 16, compressed: bool = False, wide: bool = True, header: bool = True
) -> bytes:
    """A whole trace of (processor, event): each processor fills buffers of its own, which are written as they are full."""
    out = [buffer(trace_header(clock, wide=wide), size, compressed=compressed, kind=4)] if header else []
    filling: dict[int, bytes] = {}
    for processor, one in events:
        have = filling.get(processor, b"")
        if 72 + len(have) + len(one) > size:
            out.append(buffer(have, size, compressed=compressed, processor=processor))
            have = b""
        filling[processor] = have + one
    out += [buffer(have, size, compressed=compressed, processor=processor) for processor, have in sorted(filling.items(), reverse=True)]
    return b"".join(out)


def ndis_data(frame: bytes) -> bytes:
    """Of event 1001: two interfaces, size, frame."""
    return struct.pack("<III", 13, 13, len(frame)) + frame


def switch_data(frame: bytes, destinations: bytes = b"", count: int = 0) -> bytes:
    """Of event 1003, the virtual switch's: names, destinations, frame, out-of-band data."""
    names = "".join(f"{name}\0" for name in ("port 1", "nic 1", "external")).encode("utf-16-le")
    return (
        struct.pack("<III", 13, 13, 2)
        + names
        + struct.pack("<I", count)
        + destinations
        + struct.pack("<I", len(frame))
        + frame
        + struct.pack("<I", 8)
        + bytes(8)
    )


def netsh_trace(frames: Sequence[Frame], clock: Clock = USUAL, *, parts: int = 1, processors: int = 1, size: int = 1 << 16, compressed: bool = False) -> bytes:
    """As ``netsh trace start capture=yes`` writes it; each frame in ``parts`` events."""
    events: list[tuple[int, bytes]] = [(0, event(WINRM, 1, b"not a packet", clock.ticks(T0_NS)))]
    for place, one in enumerate(frames):
        step = -(-len(one.data) // parts)
        pieces = [one.data[at : at + step] for at in range(0, len(one.data), step)] or [b""]
        for part, data in enumerate(pieces):
            keywords = _MEDIA[one.link] | (START if part == 0 else 0) | (END if part == len(pieces) - 1 else 0)
            processor = place % processors
            events.append((processor, event(NDIS, 1001, ndis_data(data), clock.ticks(one.ts_ns), keywords=keywords, thread=100 + processor)))
    return trace(events, clock, size=size, compressed=compressed)


def pktmon_data(frame: Frame, number: int, appearance: int, component: int, drop: Dropped | None = None, *, kind: int | None = None) -> bytes:
    """Of events 160 and 170."""
    reason, location = (0, 0) if drop is None else (drop.reason, drop.location)
    head = (1 << 48 | number, 1, appearance, 1, _KINDS[frame.link] if kind is None else kind, component, 1, 1, reason, location, frame.sent, len(frame.data))
    return struct.pack("<QHHHHHHHIIHH", *head) + frame.data


def pktmon_trace(
    frames: Sequence[Frame],
    clock: Clock = USUAL,
    *,
    components: int = 3,
    drops: Mapping[int, Dropped] | None = None,
    processors: int = 1,
    size: int = 1 << 16,
    compressed: bool = True,
) -> bytes:
    """As ``pktmon start --capture`` writes it; each packet is logged at ``components`` places; ``drops`` by the number of the packet, from 1."""
    events = []
    for number, (driver, name) in NAMES.items():
        data = struct.pack("<HH", number, 4) + f"{driver}\0{name}\0".encode("utf-16-le")
        events.append((0, event(PKTMON, 20, data, clock.ticks(T0_NS))))
    for number, one in enumerate(frames, 1):
        drop = (drops or {}).get(number)
        processor = number % processors
        for place in range(0 if drop is not None and drop.alone else components):
            data = pktmon_data(one, number, place + 1, 1 + place)
            events.append((processor, event(PKTMON, 160, data, clock.ticks(one.ts_ns + 100 * place))))
        if drop is not None:
            after = 0 if drop.alone else 100 * components
            data = pktmon_data(one, number, components + 1, drop.component, drop)
            events.append((processor, event(PKTMON, 170, data, clock.ticks(one.ts_ns + after))))
    return trace(events, clock, size=size, compressed=compressed)


def compress(data: bytes) -> bytes:
    """Plain LZ77 as MS-XCA 2.3.4 describes it: groups of 32 flags, matches of at least three bytes up to 8192 back."""
    out = bytearray(4)
    flags_at, flags, count, half = 0, 0, 0, -1
    known: dict[bytes, int] = {}
    at = 0
    while at < len(data):
        length, before = 0, known.get(data[at : at + 3], -1)
        if before >= 0 and at - before <= 8192 and at + 3 <= len(data):
            while at + length < len(data) and data[before + length] == data[at + length] and length < 70_000:
                length += 1
        if length >= 3:
            flags |= 1 << 31 - count
            half = _match(out, at - before, length, half)
        else:
            length = 1
            out.append(data[at])
        for place in range(at, min(at + length, at + 64)):
            known[data[place : place + 3]] = place
        at += length
        count += 1
        if count == 32:
            struct.pack_into("<I", out, flags_at, flags)
            flags_at, flags, count = len(out), 0, 0
            out += bytes(4)
    flags |= (1 << 32 - count) - 1
    struct.pack_into("<I", out, flags_at, flags)
    return bytes(out)


def _match(out: bytearray, back: int, length: int, half: int) -> int:
    length -= 3
    out += struct.pack("<H", back - 1 << 3 | min(length, 7))
    if length < 7:
        return half
    length -= 7
    if half < 0:
        half = len(out)
        out.append(min(length, 15))
    else:
        out[half] |= min(length, 15) << 4
        half = -1
    if length >= 15:
        length -= 15
        if length < 255:
            out.append(length)
        else:
            whole = length + 15 + 7
            out += struct.pack("<BH", 255, whole) if whole < 1 << 16 else struct.pack("<BHI", 255, 0, whole)
    return half


def snoop(frames: Sequence[Frame]) -> bytes:
    """A capture of Solaris' snoop (RFC 1761), of Ethernet."""
    out = [b"snoop\0\0\0", struct.pack(">II", 2, 4)]
    for one in frames:
        length = (24 + len(one.data) + 3) & ~3
        seconds, rest = divmod(one.ts_ns, 1_000_000_000)
        out.append((struct.pack(">IIIIII", one.sent, len(one.data), length, 0, seconds, rest // 1000) + one.data).ljust(length, b"\0"))
    return b"".join(out)


def erf(frames: Sequence[Frame]) -> bytes:
    """Records of Endace cards, of Ethernet."""
    out = []
    for one in frames:
        seconds, rest = divmod(one.ts_ns, 1_000_000_000)
        size = 18 + len(one.data)
        head = struct.pack("<QBB", seconds << 32 | -(-(rest << 32) // 1_000_000_000), 2, 4) + struct.pack(">HHH", size, 0, one.sent)
        out.append(head + bytes(2) + one.data)
    return b"".join(out)
