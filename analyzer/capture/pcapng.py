"""Walks the blocks of a pcapng (draft-ietf-opsawg-pcapng: blocks, options). After damage it looks for a block whose two lengths agree."""

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.capture.links import KINDS
from analyzer.capture.window import Bulk, Fill, Interface, Row, Walk, Window
from analyzer.formats.key_logs import entries
from analyzer.settings import Limits

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
_TLS_KEY_LOG = 0x544C534B
"""The secrets type of a decryption secrets block that holds a TLS key log."""


class PcapngHead(NamedTuple):
    """What the blocks before the first packet say: byte order, interfaces, the largest snap length."""

    order: str
    interfaces: tuple[Interface, ...]
    snaplen: int | None

    def walk(self, packets: int = 0) -> Walk:
        """A walk that begins after ``packets``."""
        return Walk(format="pcapng", packets=packets, order=self.order, interfaces=list(self.interfaces), snaplen=self.snaplen)

    def holds(self, walk: Walk) -> bool:
        """True when what a walk has met so far is still what this head says."""
        return (walk.order, tuple(walk.interfaces), walk.snaplen) == self

    def begins(self, data: bytes, chain: int) -> int | None:
        """The first place in ``data`` from which ``chain`` sound blocks follow each other, the first one a packet; None when there is none."""
        kind = struct.pack(self.order + "I", _EPB)
        unpack = struct.Struct(self.order + "I").unpack_from
        begin = data.find(kind)
        while begin >= 0:
            at = begin
            for _ in range(chain):
                total = unpack(data, at + 4)[0] if at + 8 <= len(data) else 0
                if total < 12 or total & 3 or at + total > len(data) or unpack(data, at + total - 4)[0] != total:
                    break
                at += total
            else:
                return begin
            begin = data.find(kind, begin + 1)
        return None

    def rows(self, fill: Fill, limits: Limits, walk: Walk, place: int, bulk: Bulk | None = None) -> Iterator[Row]:
        """The packets from offset ``place`` of the file on."""
        window = Window(fill, limits.read_size_bytes)
        window.base = place
        yield from blocks(window, limits, walk, bulk)


class _Block(NamedTuple):
    """A pcapng block: its type, the section's byte order, and where its body lies in the buffer (``at``, ``size``) and in the file."""

    kind: int
    order: str
    buffer: bytearray
    at: int
    size: int
    file_at: int


_SHB, _IDB, _PB, _SPB, _EPB, _DSB = 0x0A0D0D0A, 1, 2, 3, 6, 10
_COUNTED = (9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0x223, 0xBAD, 0x40000BAD)
"""Blocks that Wireshark numbers as frames though they hold no packet: systemd journal entries, sysdig events, custom blocks."""
_LATEST_NS = (1 << 63) - 1


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:
    """Every packet of the file in the window, but for those that ``bulk`` takes."""
    walk.format = "pcapng"
    yield from blocks(window, limits, walk, bulk)


def blocks(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:
    """Every packet of the capture in the window, but for those that ``bulk`` takes."""
    order, interfaces = walk.order, walk.interfaces
    ordinary = _ordinary(interfaces)
    number = walk.packets
    last_ns = 0
    while window.need(12):
        if bulk is not None and ordinary and _taken(bulk, window, order, ordinary, walk):
            number, last_ns = walk.packets, bulk.last_block_ns
            walk.links.update(one.link for one, seen in zip(interfaces, ordinary[2::3], strict=True) if seen)
            continue
        if window.buffer[window.at : window.at + 4] == PCAPNG_MAGIC:
            order = walk.order = ">" if window.buffer[window.at + 8 : window.at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = walk.interfaces = []
            ordinary = _ordinary(interfaces)
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
            ordinary.extend(_ordinary(interfaces[-1:]))
            walk.snaplen = max(walk.snaplen or 0, interfaces[-1].snaplen) or None
        elif kind == _DSB and body >= 8:
            _carried(_Block(kind, order, window.buffer, at, body, file_at), walk, bulk)
        elif kind in _COUNTED:
            number += 1
        walk.packets = number
        window.at += total
    if window.left():
        walk.problems.append(("capture.cut", f"{window.left()} bytes after the last whole block", None))


def _carried(block: _Block, walk: Walk, bulk: Bulk | None) -> None:
    """Notes a decryption secrets block; of a key log the kernel is told which TLS it decrypts."""
    secrets_type, size = struct.unpack_from(block.order + "II", block.buffer, block.at)
    size = min(size, block.size - 8)
    walk.secrets.append((secrets_type, block.file_at + 8, size))
    if bulk is not None and secrets_type == _TLS_KEY_LOG:
        bulk.know([random for _, random, _ in entries(bytes(block.buffer[block.at + 8 : block.at + 8 + size]))])


def _ordinary(interfaces: list[Interface]) -> "array[int]":
    """As the kernel wants them: kind of link, nanoseconds in a unit of time (0: not ordinary), and whether packets were met."""
    return array("Q", [word for one in interfaces for word in (KINDS.get(one.link, 0), _scale(one), 0)])


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


def _interface(buffer: bytearray, at: int, body: int, order: str) -> Interface:
    link, _, snaplen = struct.unpack_from(order + "HHI", buffer, at)
    ticks, offset_s = 1_000_000, 0
    for code, value in _options(buffer, at + 8, at + body, order):
        if code == 9 and len(value) == 1:  # if_tsresol: power of 10, or of 2 with the top bit set
            ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** (value[0] & 0x7F)
        elif code == 14 and len(value) == 8:  # if_tsoffset, seconds
            offset_s = struct.unpack(order + "q", value)[0]
    return Interface(link, snaplen, ticks, offset_s)


def _scale(interface: Interface) -> int:
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


def _packet(block: _Block, interfaces: list[Interface], number: int, last_ns: int, walk: Walk) -> Row | None:
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
    walk.borrowed = walk.borrowed or ticks < 0
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
