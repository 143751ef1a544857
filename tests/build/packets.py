"""Makes frames and capture files byte by byte, for tests that must say exactly what is on the wire.

    line = Line()                                  # a TCP connection; offsets count from each side's first byte
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman ...")
    line.put(SERVER, 0, b"HTTP/1.1 401 ...")
    path.write_bytes(pcap(line.frames))

The layers are functions from bytes to bytes, so they nest: ``ethernet(ip4(a, b, GRE, gre(ip4(c, d, TCP, segment))))``.
"""

import bz2
import gzip
import io
import ipaddress
import lzma
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import zstandard

T0_NS = 1_767_323_045_000_000_000
STEP_NS = 1_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = 0, 1
TCP, UDP, GRE, IP_IN_IP, IP6_IN_IP = 6, 17, 47, 4, 41
NULL, ETHERNET, RAW, SLL, SLL2 = 0, 1, 101, 113, 276
_IP4, _IP6 = 0x0800, 0x86DD
_WRAP = 1 << 32

Wrap = Callable[[bytes], bytes]


class Frame(NamedTuple):
    """One captured frame; ``wire_size`` is how long it was on the wire."""

    ts_ns: int
    data: bytes
    link: int = ETHERNET
    wire_size: int = 0

    @property
    def sent(self) -> int:
        return self.wire_size or len(self.data)


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    data += b"\x00" * (len(data) & 1)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(host: str) -> bytes:
    return ipaddress.ip_address(host).packed


def tcp(source: tuple[str, int], destination: tuple[str, int], seq: int, ack: int | None, flags: int, data: bytes = b"", options: bytes = b"") -> bytes:
    """A TCP segment with a true checksum; ``ack`` None sends no acknowledgement."""
    size = 20 + len(options)
    flags |= 0 if ack is None else ACK
    head = struct.pack(">HHIIBBHHH", source[1], destination[1], seq % _WRAP, (ack or 0) % _WRAP, size << 2, flags, 64240, 0, 0) + options
    one, other = _packed(source[0]), _packed(destination[0])
    length = struct.pack(">HH", TCP, size + len(data)) if len(one) == 4 else struct.pack(">II", size + len(data), TCP)
    total = checksum(one + other + length + head + data)
    return head[:16] + struct.pack(">H", total) + head[18:] + data


def ip4(source: str, destination: str, protocol: int, body: bytes, *, ident: int = 0, offset: int = 0, more: bool = False, total: int | None = None) -> bytes:
    """An IPv4 packet, or a fragment that begins at ``offset``; ``total`` overrides the total length."""
    length = (20 + len(body)) & 0xFFFF if total is None else total
    bits = offset // 8 | (0x2000 if more else 0)
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, ident, bits, 64, protocol, 0, _packed(source), _packed(destination))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ip6(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    """An IPv6 packet; extension headers are part of ``body``."""
    return struct.pack(">IHBB16s16s", 6 << 28, len(body), protocol, 64, _packed(source), _packed(destination)) + body


def ip6_fragment(protocol: int, body: bytes, *, ident: int, offset: int, more: bool) -> bytes:
    """A fragment header (RFC 8200 section 4.5) and its piece; it is protocol 44."""
    return struct.pack(">BBHI", protocol, 0, offset | int(more), ident) + body


def udp(source: int, destination: int, body: bytes) -> bytes:
    """A UDP datagram without a checksum."""
    return struct.pack(">HHHH", source, destination, 8 + len(body), 0) + body


def _ethertype(packet: bytes) -> int:
    return _IP6 if packet[0] >> 4 == 6 else _IP4


def ethernet(packet: bytes, *, ethertype: int | None = None, tags: Sequence[int] = (), padded: bool = False) -> bytes:
    """An Ethernet frame; ``tags`` are the ethertypes of VLAN tags, outermost first; ``padded`` fills it to 60 bytes."""
    kinds = [*tags, _ethertype(packet) if ethertype is None else ethertype]
    frame = bytes(range(12)) + struct.pack(">H", kinds[0])
    for place, kind in enumerate(kinds[1:], 1):
        frame += struct.pack(">HH", 100 + place, kind)
    frame += packet
    return frame + b"\xee" * max(60 - len(frame), 0) if padded else frame


def vlan(packet: bytes) -> bytes:
    return ethernet(packet, tags=(0x8100,))


def qinq(packet: bytes) -> bytes:
    return ethernet(packet, tags=(0x88A8, 0x8100))


def sll(packet: bytes) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"\x02\x00\x00\x00\x00\x01\x00\x00", _ethertype(packet)) + packet


def sll2(packet: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", _ethertype(packet), 0, 1, 1, 0, 6, b"\x02\x00\x00\x00\x00\x01\x00\x00") + packet


def null(packet: bytes) -> bytes:
    return struct.pack("<I", 30 if packet[0] >> 4 == 6 else 2) + packet


def raw(packet: bytes) -> bytes:
    return packet


LINKS: dict[str, tuple[int, Wrap]] = {
    "ethernet": (ETHERNET, ethernet),
    "vlan": (ETHERNET, vlan),
    "qinq": (ETHERNET, qinq),
    "sll": (SLL, sll),
    "sll2": (SLL2, sll2),
    "null": (NULL, null),
    "raw": (RAW, raw),
}
"""Link types that the kernel reads itself."""


def gre(packet: bytes) -> bytes:
    return struct.pack(">HH", 0, _ethertype(packet)) + packet


def vxlan(frame: bytes) -> bytes:
    """The payload of a UDP datagram to port 4789 (RFC 7348)."""
    return struct.pack(">BxxxI", 8, 7 << 8) + frame


def mpls(packet: bytes, labels: int = 2) -> bytes:
    """Goes into an Ethernet frame as 0x8847 (RFC 3032)."""
    return b"".join(struct.pack(">I", (16 + place) << 12 | int(place == labels - 1) << 8 | 64) for place in range(labels)) + packet


def pppoe(packet: bytes) -> bytes:
    """Goes into an Ethernet frame as 0x8864 (RFC 2516)."""
    body = struct.pack(">H", 0x57 if packet[0] >> 4 == 6 else 0x21) + packet
    return struct.pack(">BBHH", 0x11, 0, 1, len(body)) + body


@dataclass(slots=True)
class Line:
    """A TCP connection whose segments a test puts on the wire one by one. Offsets count from each side's first byte of data, packets from 1."""

    client: tuple[str, int] = ("10.0.0.1", 50000)
    server: tuple[str, int] = ("10.0.0.9", 5985)
    isns: tuple[int, int] = (1000, 900_000)
    wrap: Wrap = ethernet
    link: int = ETHERNET
    now_ns: int = T0_NS
    frames: list[Frame] = field(default_factory=list)
    _ident: int = 1
    _sent: list[int] = field(default_factory=lambda: [0, 0])

    def handshake(self) -> None:
        """SYN, SYN/ACK, ACK."""
        self.put(CLIENT, -1, flags=SYN, acked=None)
        self.put(SERVER, -1, flags=SYN, acked=0)
        self.put(CLIENT, 0, acked=0)

    def put(self, side: int, at: int, data: bytes = b"", flags: int = ACK, *, acked: int | None = -1, ident: int | None = None, cut: int = 0) -> int:
        """One segment with its first byte (or its SYN: -1) at an offset; the number of its packet.

        ``acked`` is an offset of the peer's stream (-1: all that the peer has sent so far; None: no acknowledgement). ``cut`` bytes are not captured.
        """
        packet = self.packet(side, at, data, flags, acked=acked, ident=ident)
        return self.frame(self.wrap(packet), cut=cut)

    def packet(self, side: int, at: int, data: bytes = b"", flags: int = ACK, *, acked: int | None = -1, ident: int | None = None) -> bytes:
        """The IP packet of such a segment, not put on the wire."""
        ends = (self.client, self.server)
        known = self._sent[1 - side] if acked == -1 else acked
        ack = None if known is None else self.isns[1 - side] + 1 + known
        self._sent[side] = max(self._sent[side], at + len(data) + int(bool(flags & FIN)))
        segment = tcp(ends[side], ends[1 - side], self.isns[side] + 1 + at, ack, flags & ~ACK, data)
        self._ident += 1
        if ":" in self.client[0]:
            return ip6(ends[side][0], ends[1 - side][0], TCP, segment)
        return ip4(ends[side][0], ends[1 - side][0], TCP, segment, ident=self._ident if ident is None else ident)

    def frame(self, data: bytes, *, cut: int = 0) -> int:
        """Any frame, at the line's time; its number."""
        self.frames.append(Frame(self.now_ns, data[: len(data) - cut], self.link, len(data)))
        self.now_ns += STEP_NS
        return len(self.frames)


def filling(data: bytes, size: int = 1 << 20) -> Callable[[memoryview], int]:
    """``data`` as a stream of which each read gives at most ``size`` bytes."""
    stream = io.BytesIO(data)
    return lambda buffer: stream.readinto(buffer[:size])


def pcap(frames: Iterable[Frame], *, order: str = "<", nanoseconds: bool = True, snaplen: int = 262_144) -> bytes:
    """A pcap file; all frames must have the link type of the first."""
    listed = list(frames)
    link = listed[0].link if listed else ETHERNET
    magic, scale = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for one in listed:
        seconds, rest = divmod(one.ts_ns, 1_000_000_000)
        parts.append(struct.pack(order + "IIII", seconds, rest // scale, len(one.data), one.sent) + one.data)
    return b"".join(parts)


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\x00" * (-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(frames: Iterable[Frame], *, order: str = "<") -> bytes:
    """A pcapng file with nanosecond times and one interface for each link type."""
    listed = list(frames)
    links = list(dict.fromkeys(one.link for one in listed)) or [ETHERNET]
    parts = [_block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    options = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
    parts += [_block(order, 1, struct.pack(order + "HHI", link, 0, 262_144) + options) for link in links]
    for one in listed:
        head = struct.pack(order + "IIIII", links.index(one.link), one.ts_ns >> 32, one.ts_ns & 0xFFFFFFFF, len(one.data), one.sent)
        parts.append(_block(order, 6, head + one.data))
    return b"".join(parts)


CONTAINERS: dict[str, Callable[[Sequence[Frame]], bytes]] = {
    "pcap": pcap,
    "pcap big-endian": lambda frames: pcap(frames, order=">"),
    "pcapng": pcapng,
    "pcapng big-endian": lambda frames: pcapng(frames, order=">"),
    "gzip": lambda frames: gzip.compress(pcap(frames), 1),
    "xz": lambda frames: lzma.compress(pcap(frames)),
    "bzip2": lambda frames: bz2.compress(pcapng(frames)),
    "zstd": lambda frames: zstandard.ZstdCompressor().compress(pcapng(frames)),
}
"""Ways to keep the same frames with the same times."""


def netmon(frames: Sequence[Frame], *, version: tuple[int, int] = (2, 3), media: Sequence[int] = (), table: bool = True) -> bytes:
    """A file of Microsoft Network Monitor that starts at `T0_NS` (2026-01-02 03:04:05); ``media`` of each frame, Ethernet unless given."""
    kinds = [*media, *[1] * (len(frames) - len(media))]
    out = bytearray(72)
    places = []
    for one, kind in zip(frames, kinds, strict=True):
        places.append(len(out))
        after = one.ts_ns - T0_NS
        if version[0] < 2:
            out += struct.pack("<IHH", after // 1_000_000, one.sent, len(one.data)) + one.data
        else:
            out += struct.pack("<QII", after // 1000, one.sent, len(one.data)) + one.data
        ticks = one.ts_ns // 100 + 116_444_736_000_000_000
        trailer = struct.pack("<HIQB", kind, 0, ticks, 0)
        out += trailer[: {(2, 1): 2, (2, 2): 6, (2, 3): 15}.get(version, 0)]
    where = len(out)
    if table:
        out += struct.pack(f"<{len(places)}I", *places)
    magic = b"RTSS" if version[0] < 2 else b"GMBU"
    out[:32] = magic + struct.pack("<BB9HII", version[1], version[0], 1, 2026, 1, 5, 2, 3, 4, 5, 0, where if table else 0, 4 * len(places) if table else 0)
    return bytes(out)
