"""Walks the records of pcap and pcapng, from any source of pieces, and yields one row per packet as Wireshark counts them.

A row points into a moving buffer, so it is good until the next one is asked for. Damage never ends the walk while something that can be trusted follows:
for pcap a chain of plausible record headers is looked for, for pcapng a block whose two lengths agree. What was passed over is an issue.

Sources: draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng (blocks, options).
"""

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from analyzer.capture.links import KINDS
from analyzer.settings import Limits

Fill = Callable[[memoryview], int | None]
"""Puts bytes of the input into a buffer and gives their number, 0 at the end: the method ``readinto`` of a stream."""

PCAP_MAGICS = {
    0xA1B2C3D4: ("pcap", 1000, 16),
    0xA1B23C4D: ("pcap-ns", 1, 16),
    0xA1B2CD34: ("pcap-modified", 1000, 24),
}
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
_HEADER_SIZE = 24
_CHAIN = 4
_DAY_S = 86_400
_MAX_GUESSED_SIZE = 1 << 18


class Row(NamedTuple):
    """One packet: its number, time, link type, and where its bytes lie in ``buffer`` (``at``, ``size`` captured, ``wire_size`` sent) and in the file."""

    number: int
    ts_ns: int
    link: int
    buffer: bytearray
    at: int
    size: int
    wire_size: int
    file_at: int


class Bulk(Protocol):
    """Takes ordinary records by the thousand (see `analyzer.capture.kernel.Kernel`); what it does not take comes as a row."""

    number: int
    seconds: int
    last_block_ns: int

    def pcap(self, buffer: bytearray, span: tuple[int, int, int], number: int, layout: tuple[int, int, int], link: int) -> int:
        """Where it stopped."""
        ...

    def pcapng(self, buffer: bytearray, span: tuple[int, int, int], number: int, big: int, interfaces: "array[int]") -> int:
        """Where it stopped."""
        ...


@dataclass(slots=True)
class Walk:
    """What the walk learns besides packets; filled while it runs."""

    format: str = ""
    snaplen: int | None = None
    packets: int = 0
    links: set[int] = field(default_factory=set)
    secrets: list[tuple[int, int, int]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    problems: list[tuple[str, str, int | None]] = field(default_factory=list)
    """(issue code, detail, packet number)."""


class Window:
    """A moving window over the input: ``need(n)`` makes n bytes available at ``at`` where the input has them. One buffer is filled again and again."""

    __slots__ = ("_ended", "_fill", "at", "base", "buffer", "end")

    def __init__(self, fill: Fill, size: int) -> None:
        self._fill = fill
        self._ended = False
        self.buffer = bytearray(size)
        self.at = 0
        self.end = 0
        """Where the bytes in the buffer end."""
        self.base = 0
        """Added to a place in the buffer it gives the place in the input."""

    def need(self, size: int) -> bool:
        """True when ``size`` bytes lie at ``at``."""
        have = self.end - self.at
        if have >= size:
            return True
        if self._ended:  # asked again and again while a damaged end is searched: no copying then
            return False
        rest = self.buffer[self.at : self.end]
        if size > len(self.buffer):
            self.buffer = bytearray(size + (size >> 1))
        self.buffer[:have] = rest
        self.base += self.at
        self.at, self.end = 0, have
        view = memoryview(self.buffer)
        while self.end < size:
            got = self._fill(view[self.end :])
            if not got:
                self._ended = True
                break
            self.end += got
        return self.end >= size

    def span(self) -> tuple[int, int, int]:
        """Where to go on, where the bytes end, and what makes an offset of the input out of a place."""
        return self.at, self.end, self.base

    def left(self) -> int:
        """How many bytes are in the window."""
        return self.end - self.at


def rows(fill: Fill, limits: Limits, walk: Walk, bulk: Bulk | None = None) -> Iterator[Row]:
    """Every packet of a capture in file order, but for those that ``bulk`` takes. An input that is no capture yields nothing and leaves ``walk.format`` empty.

    What an exception of ``fill`` cuts off is lost, what was read before it is not.
    """
    window = Window(fill, limits.read_size_bytes)
    window.need(_HEADER_SIZE)
    magic = window.buffer[: min(4, window.end)]
    if magic == PCAPNG_MAGIC:
        walk.format = "pcapng"
        yield from _pcapng(window, limits, walk, bulk)
        return
    head = pcap_head(window.buffer[: window.end])
    if head is not None:
        window.at = _HEADER_SIZE
        yield from _pcap(window, limits, walk, head, bulk)


def later_rows(fill: Fill, limits: Limits, walk: Walk, head: "PcapHead", place: int, bulk: Bulk | None = None) -> Iterator[Row]:
    """As `rows`, for the records of a pcap from offset ``place`` of the file on, numbered from ``walk.packets`` on."""
    window = Window(fill, limits.read_size_bytes)
    window.base = place
    yield from _pcap(window, limits, walk, head, bulk)


class PcapHead(NamedTuple):
    """What the first bytes of a pcap say: format, byte order, nanoseconds in a unit of the fraction, size of a record's header, snap length, link type."""

    format: str
    order: str
    scale: int
    header_size: int
    snaplen: int
    link: int


def pcap_head(data: bytes | bytearray) -> PcapHead | None:
    """None for what is no pcap."""
    for order in "<>":
        found = PCAP_MAGICS.get(int.from_bytes(data[:4], "little" if order == "<" else "big"))
        if found is not None and len(data) >= _HEADER_SIZE:
            snaplen, link = struct.unpack_from(order + "II", data, 16)
            return PcapHead(found[0], order, found[1], found[2], snaplen, link & 0xFFFF)  # the upper bits tell the length of a frame check sequence
    return None


def record_begins(data: bytes, head: PcapHead, chain: int) -> int | None:
    """The first place in ``data`` from which ``chain`` plausible records follow each other; None when there is none."""
    unpack = struct.Struct(head.order + "IIII").unpack_from
    for begin in range(len(data) - head.header_size):
        at, last_s = begin, 0
        for _ in range(chain):
            if at + head.header_size > len(data) or not _plausible(unpack, data, at, last_s):
                break
            last_s, size = unpack(data, at)[0], unpack(data, at)[2]
            at += head.header_size + size
        else:
            return begin
    return None


def _pcap(window: Window, limits: Limits, walk: Walk, head: PcapHead, bulk: Bulk | None) -> Iterator[Row]:
    walk.format, order, scale, header_size, snaplen, link = head
    big = int(order == ">")
    walk.snaplen = snaplen or None
    unpack = struct.Struct(order + "IIII").unpack_from
    number = walk.packets
    last_s = 0
    while window.need(header_size):
        if bulk is not None:
            window.at = bulk.pcap(window.buffer, window.span(), number, (big, scale, header_size), link)
            if bulk.number > number:
                walk.packets = number = bulk.number
                walk.links.add(link)
                last_s = bulk.seconds
                continue
        seconds, fraction, size, wire_size = unpack(window.buffer, window.at)
        if size > limits.record_size_bytes:
            if not _resync_pcap(window, order, header_size, last_s, walk, number):
                return
            continue
        if not window.need(header_size + size):
            break  # Wireshark does not show a packet that the end of the file cuts either, so it gets no number
        number += 1
        at = window.at + header_size
        walk.packets = number
        walk.links.add(link)
        last_s = seconds
        yield Row(number, seconds * 1_000_000_000 + fraction * scale, link, window.buffer, at, size, wire_size, window.base + at)
        window.at = at + size
    if window.left():
        walk.problems.append(("capture.cut", f"{window.left()} bytes after the last whole record belong to a packet that is not wholly there", None))


def _resync_pcap(window: Window, order: str, header_size: int, last_s: int, walk: Walk, number: int) -> bool:
    """Moves to the next place where `_CHAIN` plausible record headers follow each other (or run to the end); False when there is none."""
    unpack = struct.Struct(order + "IIII").unpack_from
    begin = window.base + window.at
    while window.need(header_size + 1):
        window.need(1 << 20)
        buffer, limit = window.buffer, window.end - header_size
        for at in range(window.at + 1, limit + 1):
            if _plausible(unpack, buffer, at, last_s) and _chain(unpack, buffer, at, window.end, header_size, last_s):
                window.at = at
                walk.problems.append(("capture.damaged-record", f"{window.base + at - begin} bytes passed over at offset {begin}", number + 1))
                return True
        window.at = max(limit + 1, window.at + 1)
    walk.problems.append(("capture.damaged-record", f"nothing readable after offset {begin}", number + 1))
    window.at = window.end
    return False


def _plausible(unpack: "struct._UnpackFrom", buffer: bytes | bytearray, at: int, last_s: int) -> bool:  # type: ignore[name-defined]
    seconds, fraction, size, wire_size = unpack(buffer, at)
    return bool(
        0 < size <= _MAX_GUESSED_SIZE and size <= wire_size <= _MAX_GUESSED_SIZE and fraction < 1_000_000_000 and (not last_s or abs(seconds - last_s) < _DAY_S)
    )


def _chain(unpack: "struct._UnpackFrom", buffer: bytearray, at: int, end: int, header_size: int, last_s: int) -> bool:  # type: ignore[name-defined]
    for _ in range(_CHAIN):
        size = unpack(buffer, at)[2]
        at += header_size + size
        if at == end:
            return True
        if at + header_size > end:
            return False
        if not _plausible(unpack, buffer, at, last_s):
            return False
    return True


class _Block(NamedTuple):
    """A pcapng block: its type, the section's byte order, and where its body lies in the buffer (``at``, ``size``) and in the file."""

    kind: int
    order: str
    buffer: bytearray
    at: int
    size: int
    file_at: int


@dataclass(slots=True)
class _Interface:
    link: int
    snaplen: int
    ticks: int = 1_000_000
    offset_s: int = 0


_SHB, _IDB, _PB, _SPB, _EPB, _DSB = 0x0A0D0D0A, 1, 2, 3, 6, 10
_COUNTED = (9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0x223, 0xBAD, 0x40000BAD)
"""Blocks that Wireshark numbers as frames though they hold no packet: systemd journal entries, sysdig events, custom blocks."""
_LATEST_NS = (1 << 63) - 1


def _pcapng(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:
    order = "<"
    interfaces: list[_Interface] = []
    ordinary = array("Q")
    number = 0
    last_ns = 0
    while window.need(12):
        if bulk is not None and ordinary and _taken(bulk, window, order, ordinary, walk):
            number, last_ns = walk.packets, bulk.last_block_ns
            walk.links.update(one.link for one, seen in zip(interfaces, ordinary[2::3], strict=True) if seen)
            continue
        if window.buffer[window.at : window.at + 4] == PCAPNG_MAGIC:
            order = ">" if window.buffer[window.at + 8 : window.at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = []
            ordinary = array("Q")
        kind, total = struct.unpack_from(order + "II", window.buffer, window.at)
        if not _block_is_sound(window, order, total, limits):
            if not _resync_pcapng(window, order, limits, walk, total):
                return
            continue
        at, file_at = window.at + 8, window.base + window.at + 8
        body = total - 12
        if kind in (_EPB, _PB, _SPB):
            number += 1
            row = _packet(_Block(kind, order, window.buffer, at, body, file_at), interfaces, number, last_ns, walk)
            if row is not None:
                last_ns = row.ts_ns
                walk.links.add(row.link)
                yield row
        elif kind == _IDB and body >= 8:
            interfaces.append(_interface(window.buffer, at, body, order))
            ordinary.extend((KINDS.get(interfaces[-1].link, 0), _scale(interfaces[-1]), 0))
            walk.snaplen = max(walk.snaplen or 0, interfaces[-1].snaplen) or None
        elif kind == _DSB and body >= 8:
            secrets_type, size = struct.unpack_from(order + "II", window.buffer, at)
            walk.secrets.append((secrets_type, file_at + 8, min(size, body - 8)))
        elif kind in _COUNTED:
            number += 1
        walk.packets = number
        window.at += total
    if window.left():
        walk.problems.append(("capture.cut", f"{window.left()} bytes after the last whole block", None))


def _taken(bulk: Bulk, window: Window, order: str, ordinary: "array[int]", walk: Walk) -> bool:
    """True when the bulk took packets."""
    before = walk.packets
    window.at = bulk.pcapng(window.buffer, window.span(), before, int(order == ">"), ordinary)
    walk.packets = bulk.number
    return bulk.number > before


def _block_is_sound(window: Window, order: str, total: int, limits: Limits) -> bool:
    """The two lengths of a block must agree (pcapng section 3.1)."""
    if total < 12 or total > limits.record_size_bytes or not window.need((total + 3) & ~3):
        return False
    return bool(struct.unpack_from(order + "I", window.buffer, window.at + ((total + 3) & ~3) - 4)[0] == total)


def _resync_pcapng(window: Window, order: str, limits: Limits, walk: Walk, total: int) -> bool:
    begin = window.base + window.at
    if 12 <= total <= limits.record_size_bytes and window.left() < total:
        walk.problems.append(("capture.cut", f"a block at offset {begin} declares {total} bytes, {window.left()} are left", None))
        return False
    unpack = struct.Struct(order + "II").unpack_from
    window.at += 4
    while window.need(12):
        kind, size = unpack(window.buffer, window.at)
        if kind in (_EPB, _SPB, _IDB, _SHB, _DSB, 4, 5) and _block_is_sound(window, order, size, limits):
            walk.problems.append(("capture.damaged-record", f"{window.base + window.at - begin} bytes passed over at offset {begin}", walk.packets + 1))
            return True
        window.at += 4
    walk.problems.append(("capture.damaged-record", f"nothing readable after offset {begin}", walk.packets + 1))
    return False


def _interface(buffer: bytearray, at: int, body: int, order: str) -> _Interface:
    link, _, snaplen = struct.unpack_from(order + "HHI", buffer, at)
    interface = _Interface(link, snaplen)
    for code, value in _options(buffer, at + 8, at + body, order):
        if code == 9 and len(value) == 1:  # if_tsresol: power of 10, or of 2 with the top bit set
            interface.ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** (value[0] & 0x7F)
        elif code == 14 and len(value) == 8:  # if_tsoffset, seconds
            interface.offset_s = struct.unpack(order + "q", value)[0]
    return interface


def _scale(interface: _Interface) -> int:
    """Nanoseconds in a unit of the interface's time; 0 when that is no whole number, or when its times are moved."""
    return 1_000_000_000 // interface.ticks if not interface.offset_s and not 1_000_000_000 % interface.ticks else 0


def _options(buffer: bytearray, at: int, end: int, order: str) -> Iterator[tuple[int, bytearray]]:
    while at + 4 <= end:
        code, size = struct.unpack_from(order + "HH", buffer, at)
        at += 4
        if code == 0 or at + size > end:
            return
        yield code, buffer[at : at + size]
        at += (size + 3) & ~3


def _packet(block: _Block, interfaces: list[_Interface], number: int, last_ns: int, walk: Walk) -> Row | None:
    kind, order, buffer, at, body, file_at = block
    header = 4 if kind == _SPB else 20
    if body < header:
        walk.problems.append(("capture.damaged-record", "a packet block is too short for its own header", number))
        return None
    if kind == _SPB:
        which, ticks, wire_size = 0, -1, struct.unpack_from(order + "I", buffer, at)[0]
        size = min(wire_size, body - 4, (interfaces[0].snaplen or wire_size) if interfaces else wire_size)
    elif kind == _EPB:
        which, high, low, size, wire_size = struct.unpack_from(order + "IIIII", buffer, at)
        ticks = high << 32 | low
    else:
        which, _, high, low, size, wire_size = struct.unpack_from(order + "HHIIII", buffer, at)
        ticks = high << 32 | low
    if which >= len(interfaces):
        walk.problems.append(("capture.unknown-interface", f"interface {which} of {len(interfaces)}", number))
        return None
    if size > body - header:
        walk.problems.append(("capture.damaged-record", f"packet {number} declares {size} bytes, its block holds {body - header}", number))
        size = body - header
    interface = interfaces[which]
    ts_ns = last_ns if ticks < 0 else ticks * 1_000_000_000 // interface.ticks + interface.offset_s * 1_000_000_000
    if not 0 <= ts_ns <= _LATEST_NS:
        walk.problems.append(("capture.damaged-record", f"packet {number} has a time that no clock shows; the time before it was taken", number))
        ts_ns = last_ns
    options = at + header + ((size + 3) & ~3)
    if kind == _EPB and options + 4 <= at + body:
        for code, value in _options(buffer, options, at + body, order):
            if code == 1:
                walk.comments.append((number, value.decode("utf-8", "replace")))
    return Row(number, ts_ns, interface.link, buffer, at + header, size, wire_size, file_at + header)
