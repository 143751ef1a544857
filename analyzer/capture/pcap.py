"""Walks the records of a pcap (draft-ietf-opsawg-pcap). After damage it looks for a chain of plausible record headers."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple, cast

from analyzer.capture.window import Bulk, Fill, Row, Walk, Window
from analyzer.settings import Limits

PCAP_MAGICS = {
    0xA1B2C3D4: ("pcap", 1000, 16),
    0xA1B23C4D: ("pcap-ns", 1, 16),
    0xA1B2CD34: ("pcap-modified", 1000, 24),
}
HEADER_SIZE = 24
_CHAIN = 4
_STRIDE = 4096
_ZEROS = re.compile(rb"\0*+")
_SIZES = {
    "<": re.compile(rb"(?!\0\0\0\0)..[\0-\4]\0..[\0-\4]\0", re.DOTALL),
    ">": re.compile(rb"(?!\0\0\0\0)\0[\0-\4]..\0[\0-\4]..", re.DOTALL),
}
"""What the two sizes of a record's header look like, each at most `_MAX_GUESSED_SIZE`."""
_DAY_S = 86_400
_MAX_GUESSED_SIZE = 1 << 18


class PcapHead(NamedTuple):
    """What the first bytes of a pcap say: format, byte order, nanoseconds in a unit of the fraction, size of a record's header, snap length, link type."""

    format: str
    order: str
    scale: int
    header_size: int
    snaplen: int
    link: int

    def walk(self, packets: int = 0) -> Walk:
        """A walk that begins after ``packets``."""
        return Walk(packets=packets)

    def holds(self, walk: Walk) -> bool:
        """True: nothing after a pcap's head changes it."""
        return walk.format == self.format

    def begins(self, data: bytes, chain: int) -> int | None:
        """The first place in ``data`` from which ``chain`` plausible records follow each other; None when there is none."""
        unpack = struct.Struct(self.order + "IIII").unpack_from
        for begin in range(min(len(data) - self.header_size, 2 * _MAX_GUESSED_SIZE)):
            at, last_s = begin, 0
            for _ in range(chain):
                if at + self.header_size > len(data) or not _plausible(unpack, data, at, last_s):
                    break
                last_s, size = unpack(data, at)[0], unpack(data, at)[2]
                at += self.header_size + size
            else:
                return begin
        return None

    def rows(self, fill: Fill, limits: Limits, walk: Walk, place: int, bulk: Bulk | None = None) -> Iterator[Row]:
        """The packets from offset ``place`` of the file on."""
        window = Window(fill, limits.read_size_bytes)
        window.base = place
        yield from records(window, limits, walk, self, bulk)


def pcap_head(data: bytes | bytearray) -> PcapHead | None:
    """None for what is no pcap."""
    for order in "<>":
        found = PCAP_MAGICS.get(int.from_bytes(data[:4], "little" if order == "<" else "big"))
        if found is not None and len(data) >= HEADER_SIZE:
            snaplen, link = struct.unpack_from(order + "II", data, 16)
            return PcapHead(found[0], order, found[1], found[2], snaplen, link & 0xFFFF)  # the upper bits tell the length of a frame check sequence
    return None


def rows(window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]:
    """Every packet of the file in the window, but for those that ``bulk`` takes."""
    head = pcap_head(window.buffer[: window.end])
    if head is None:
        walk.instead = f"the file is a pcap that ends inside its header, after {window.end} of {HEADER_SIZE} bytes"
        return
    window.at = HEADER_SIZE
    yield from records(window, limits, walk, head, bulk)


def records(window: Window, limits: Limits, walk: Walk, head: PcapHead, bulk: Bulk | None) -> Iterator[Row]:
    """Every packet from the window's place on, but for those that ``bulk`` takes."""
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
        window.tell_cut(walk)


_SEARCHED = 1 << 20
"""Bytes that are searched at a time."""


def _resync_pcap(window: Window, order: str, header_size: int, last_s: int, walk: Walk, number: int) -> bool:
    """Moves to the next place where `_CHAIN` plausible record headers follow each other (or run to the end); False when there is none."""
    unpack = struct.Struct(order + "IIII").unpack_from
    begin = window.base + window.at
    while window.need(header_size + 1):
        whole = not window.need(_SEARCHED)
        buffer, stop = window.buffer, window.end - header_size + 1
        at = window.at
        while (at := _likely(order, buffer, at + 1, stop)) < stop:
            if not _plausible(unpack, buffer, at, last_s):
                continue
            chained = _chain(unpack, buffer, at, window.end, header_size, last_s)
            if chained:
                window.at = at
                walk.problems.append(("capture.damaged-record", f"{window.base + at - begin} bytes passed over at offset {begin}", number + 1))
                return True
            if chained is None and not whole and window.end - at < _SEARCHED // 2:
                stop = at  # what follows it is not in the window yet: looked at again when it is
                break
        window.at = stop - 1
    walk.problems.append(("capture.damaged-record", f"nothing readable after offset {begin}", number + 1))
    window.at = window.end
    return False


def _likely(order: str, buffer: bytearray, at: int, stop: int) -> int:
    """The next place from ``at`` on, before ``stop``, at which a record's header may stand as far as its two sizes tell; ``stop`` where there is none."""
    sizes = _SIZES[order]
    while at < stop:
        if not buffer[at + 8]:  # zeros are passed over at once: of a size one byte is none
            at = max(at, cast("re.Match[bytes]", _ZEROS.match(buffer, at + 8, stop + 15)).end() - 11)
        found = sizes.search(buffer, at + 8, min(at + 16 + _STRIDE, stop + 15))
        if found is not None:
            return found.start() - 8
        at += _STRIDE + 1
    return stop


def _plausible(unpack: "struct._UnpackFrom", buffer: bytes | bytearray, at: int, last_s: int) -> bool:  # type: ignore[name-defined]
    seconds, fraction, size, wire_size = unpack(buffer, at)
    return bool(
        0 < size <= _MAX_GUESSED_SIZE and size <= wire_size <= _MAX_GUESSED_SIZE and fraction < 1_000_000_000 and (not last_s or abs(seconds - last_s) < _DAY_S)
    )


def _chain(unpack: "struct._UnpackFrom", buffer: bytearray, at: int, end: int, header_size: int, last_s: int) -> bool | None:  # type: ignore[name-defined]
    """Whether records follow each other from here; None where they run out of the window."""
    for _ in range(_CHAIN):
        size = unpack(buffer, at)[2]
        at += header_size + size
        if at == end:
            return True
        if at + header_size > end:
            return None
        if not _plausible(unpack, buffer, at, last_s):
            return False
    return True
