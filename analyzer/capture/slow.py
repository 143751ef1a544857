"""The slow path: frames that are rare in captures of WinRM. dpkt decodes the headers; this module peels layer by layer until TCP segments are left.

Peeled: 802.1Q, MPLS, PPPoE and PPP, GRE (with ERSPAN I to III), IP in IP, VXLAN, Geneve, GTP-U, 802.11 with radiotap, AH; IPv4 and IPv6 fragments are put
together, the first copy of a byte wins. It gives up on anything nested deeper than `_DEPTH`. dpkt is imported with the first such frame.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.capture.links import link as link_of
from analyzer.settings import Limits

_DEPTH = 12
_ETHER_IP, _ETHER_IP6 = 0x0800, 0x86DD
_FRAGMENT_HEADER = 44
_ICMP, _ICMP6 = 1, 58
_FARTHEST = 1 << 18
"""Beyond every fragment: 13 bits of offset in units of 8, and a packet's worth of bytes."""


Peel = Callable[[bytes], "tuple[str, bytes] | None"]
"""Takes a header off: the name of what is inside, and its bytes; None when that is nothing of interest."""
_PEELS: dict[str, Peel] = {}


def peels(layer: str) -> Callable[[Peel], Peel]:
    """Makes a function the one that takes off headers of this name: a new header is a function, and nothing else."""

    def known_as(peel: Peel) -> Peel:
        _PEELS[layer] = peel
        return peel

    return known_as


class Decoded(NamedTuple):
    """A TCP segment: addresses as bytes, IPv4 identification, the bytes captured from the TCP header on, how many were sent, time to live or hop limit."""

    source: bytes
    destination: bytes
    ident: int
    tcp: bytes
    wire_size: int
    ttl: int


class _Datagram(Struct):
    """Fragments of one datagram, put together as they come (RFC 815): ``holes`` are sorted. ``total`` is None until the last fragment came."""

    first_ns: int
    ident: int
    buffer: bytearray = field(default_factory=bytearray)
    holes: list[tuple[int, int]] = field(default_factory=lambda: [(0, _FARTHEST)])
    total: int | None = None
    have: int = 0
    overlap: bool = False

    def add(self, offset: int, piece: bytes, *, last: bool) -> None:
        """Takes the bytes that fill holes; the first copy of a byte stays."""
        end = offset + len(piece)
        if last and self.total is None:
            self.total = end
        if len(self.buffer) < end:
            self.buffer.extend(bytes(end - len(self.buffer)))
        first = i = max(bisect_right(self.holes, (offset, _FARTHEST)) - 1, 0)
        left = []
        fresh = 0
        while i < len(self.holes) and self.holes[i][0] < end:
            start, stop = self.holes[i]
            low, high = max(start, offset), min(stop, end)
            if low < high:
                self.buffer[low:high] = piece[low - offset : high - offset]
                fresh += high - low
            left += [(one, other) for one, other in ((start, min(low, stop)), (max(high, start), stop)) if one < other]
            i += 1
        self.holes[first:i] = left
        self.have += fresh
        self.overlap = self.overlap or fresh < len(piece)

    def whole(self) -> bytes | None:
        """The datagram's payload when nothing of it is missing."""
        return bytes(self.buffer[: self.total]) if self.total is not None and (not self.holes or self.holes[0][0] >= self.total) else None


class SlowPath:
    """Decodes frames; keeps the fragments that wait for their siblings. ``problems``: (issue code, detail, packet number)."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.frames = 0
        self.problems: list[tuple[str, str, int | None]] = []
        self.icmp: list[tuple[int, int, bytes]] = []
        """ICMP messages: (packet number, time, IP packet)."""
        self._datagrams: dict[tuple[bytes, bytes, int, int], _Datagram] = {}
        self._now = (0, 0)

    def decode(self, frame: bytes, link: int, wire_size: int, ts_ns: int, number: int) -> list[Decoded]:
        """The TCP segments in one frame (none for other traffic, or while fragments are missing). Never raises on what the frame holds."""
        self.frames += 1
        self._now = (ts_ns, number)
        out: list[Decoded] = []
        try:
            self._layer(_first_layer(link), frame, out, 0)
        except _damage() as error:
            self.problems.append(("capture.undecodable-packet", f"{type(error).__name__} in a frame of {wire_size} bytes", number))
        return out

    def finish(self) -> None:
        """Notes what never became whole."""
        for (source, destination, ident, _), datagram in self._datagrams.items():
            detail = f"{source.hex()} to {destination.hex()}, id {ident:#x}: {datagram.have} bytes came"
            self.problems.append(("capture.fragment-incomplete", detail, None))
        self._datagrams.clear()

    def _layer(self, kind: str, data: bytes, out: list[Decoded], depth: int) -> None:
        while depth < _DEPTH:
            depth += 1
            if kind == "ip4":
                inner = self._ip4(data, out)
            elif kind == "ip6":
                inner = self._ip6(data, out)
            else:
                peel = _PEELS.get(kind)
                inner = None if peel is None else peel(data)
            if inner is None:
                return
            kind, data = inner
        self.problems.append(("capture.limit", f"headers={_DEPTH}: a packet has more headers inside of each other, and was not read", self._now[1]))

    def _ip4(self, data: bytes, out: list[Decoded]) -> tuple[str, bytes] | None:
        first, _, total, ident, bits, ttl, protocol, _, source, destination = struct.unpack_from(">BBHHHBBH4s4s", data)  # RFC 791 section 3.1
        size = (first & 15) * 4
        total = total or len(data)
        body = data[size:total]
        if bits & 0x3FFF:
            whole = self._fragment((source, destination, ident, protocol), (bits & 0x1FFF) * 8, body, last=not bits & 0x2000)
            if whole is None:
                return None
            body, total = whole, size + len(whole)
        if protocol == _ICMP:
            self._icmp(data)
        return _transport(Decoded(source, destination, ident, body, total - size, ttl), protocol, out)

    def _ip6(self, data: bytes, out: list[Decoded]) -> tuple[str, bytes] | None:
        total, following, ttl, source, destination = struct.unpack_from(">4xHBB16s16s", data)  # RFC 8200 section 3
        total = total or len(data) - 40
        body, at = data[40 : 40 + total], 0
        while following in (0, 43, 51, 60, 135, _FRAGMENT_HEADER) and len(body) - at >= 8:
            if following == _FRAGMENT_HEADER:
                following, _, bits, ident = struct.unpack_from(">BBHI", body, at)
                at, total = at + 8, total - 8
                if bits & 0xFFF9:  # an atomic fragment (RFC 6946) is whole already
                    whole = self._fragment((source, destination, ident, following), bits & 0xFFF8, body[at:], last=not bits & 1)
                    if whole is None:
                        return None
                    body, at, total = whole, 0, len(whole)
                continue
            size = (body[at + 1] + 2) << 2 if following == 51 else (body[at + 1] + 1) << 3
            following, at, total = body[at], at + size, total - size
        body = body[at:]
        if following == _ICMP6:
            self._icmp(data)
        return _transport(Decoded(source, destination, 0, body, total, ttl), following, out)

    def _icmp(self, packet: bytes) -> None:
        if len(self.icmp) < self.limits.icmp_errors:
            self.icmp.append((self._now[1], self._now[0], packet))

    def _fragment(self, key: tuple[bytes, bytes, int, int], offset: int, body: bytes, *, last: bool) -> bytes | None:
        ts_ns, number = self._now
        known = self._datagrams.get(key)
        if known is not None and abs(ts_ns - known.first_ns) > self.limits.fragment_age_s * 1e9:
            self.problems.append(("capture.fragment-incomplete", f"id {key[2]:#x}: a new datagram began before the old one was whole", number))
            known = None
        if known is None:
            if len(self._datagrams) >= self.limits.fragment_packets:
                self.problems.append(("capture.limit", f"fragment_packets={self.limits.fragment_packets}: the oldest datagram was given up", number))
                del self._datagrams[next(iter(self._datagrams))]
            known = self._datagrams[key] = _Datagram(ts_ns, key[2])
        known.add(offset, body, last=last)
        whole = known.whole()
        if whole is not None:
            del self._datagrams[key]
            if known.overlap:
                self.problems.append(("capture.fragment-overlap", f"id {key[2]:#x}", number))
        return whole


def _damage() -> tuple[type[Exception], ...]:
    """What dpkt raises, or lets through, on bytes that are no such header."""
    import dpkt

    return (dpkt.UnpackError, struct.error, IndexError, ValueError, KeyError, TypeError, AttributeError)


def _first_layer(link: int) -> str:
    return link_of(link).layer


def _transport(packet: Decoded, protocol: int, out: list[Decoded]) -> tuple[str, bytes] | None:
    """What is in an IP packet, whose payload is given as if it were TCP."""
    body = packet.tcp
    if protocol == 6:
        out.append(packet)
        return None
    if protocol == 51 and len(body) >= 12:
        size = (body[1] + 2) << 2
        return _transport(packet._replace(tcp=body[size:], wire_size=packet.wire_size - size), body[0], out)
    if protocol == 17:
        return _udp(body)
    return {4: ("ip4", body), 41: ("ip6", body), 47: ("gre", body)}.get(protocol)


def _udp(body: bytes) -> tuple[str, bytes] | None:
    near, port = struct.unpack_from(">HH", body)
    if port in (4789, 8472) or near == 4789:
        return "ether", body[16:]
    if port == 4754:
        return "gre", body[8:]  # RFC 8086
    if port == 2152:
        return _gtp(body[8:])
    if port == 6081:
        return _ethertype(struct.unpack_from(">H", body, 10)[0], body[16 + (body[8] & 0x3F) * 4 :])
    return None


def _gtp(data: bytes) -> tuple[str, bytes] | None:
    """The user's packet in a G-PDU (3GPP TS 29.281 section 5); an extension header gives its own size, in units of four bytes, and names the next."""
    if data[0] >> 4 != 3 or data[1] != 0xFF:
        return None
    at = 12 if data[0] & 7 else 8
    following = data[11] if data[0] & 4 else 0
    while following:
        at += data[at] * 4 or len(data)  # one of no size is damage
        following = data[at - 1]
    return "ip", data[at:]


def _ethertype(number: int, data: bytes) -> tuple[str, bytes] | None:
    kind = _ETHERTYPES.get(number)
    return None if kind is None else (kind, data)


_ETHERTYPES = {
    _ETHER_IP: "ip4",
    _ETHER_IP6: "ip6",
    0x8100: "vlan",
    0x88A8: "vlan",
    0x9100: "vlan",
    0x8847: "mpls",
    0x8848: "mpls",
    0x8864: "pppoe",
    0x6558: "ether",
    0x8200: "wlan",
    0x880B: "ppp",
    0x88BE: "erspan2",
    0x22EB: "erspan3",
}


@peels("ether")
def _ether(data: bytes) -> tuple[str, bytes] | None:
    number = struct.unpack_from(">H", data, 12)[0]
    if number < 0x600:
        return _llc(data[14:])
    return _ethertype(number, data[14:])


def _llc(data: bytes) -> tuple[str, bytes] | None:
    """IEEE 802.2 with SNAP (RFC 1042): three bytes of LLC, three of organisation, then an ethertype."""
    return _ethertype(struct.unpack_from(">H", data, 6)[0], data[8:]) if data[:2] == b"\xaa\xaa" else None


@peels("ppi")
def _ppi(data: bytes) -> tuple[str, bytes] | None:
    size, link = struct.unpack_from("<2xHI", data)
    return _first_layer(link), data[size:]


@peels("nflog")
def _nflog(data: bytes) -> tuple[str, bytes] | None:
    """Linux netfilter log: four bytes of header, then TLVs; type 9 is the packet (LINKTYPE_NFLOG)."""
    at = 4
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("<HH", data, at)
        if kind == 9:
            return _ip(data[at + 4 : at + size])
        at += max((size + 3) & ~3, 4)
    return None


@peels("vlan")
def _vlan(data: bytes) -> tuple[str, bytes] | None:
    return _ethertype(struct.unpack_from(">H", data, 2)[0], data[4:])


@peels("ip")
def _ip(data: bytes) -> tuple[str, bytes] | None:
    return {4: ("ip4", data), 6: ("ip6", data)}.get(data[0] >> 4)


@peels("mpls")
def _mpls(data: bytes) -> tuple[str, bytes] | None:
    import dpkt

    while len(data) > 4:
        label = dpkt.ethernet.MPLSlabel(data)
        data = data[4:]
        if label.s:
            break
    if data[0] >> 4 in (4, 6):
        return _ip(data)
    return ("ether", data[4:]) if data[0] >> 4 == 0 else None  # RFC 4385 control word of a pseudowire


@peels("pppoe")
def _pppoe(data: bytes) -> tuple[str, bytes] | None:
    import dpkt

    header = dpkt.pppoe.PPPoE(data[:6])
    return ("ppp", data[6:]) if header.code == 0 else None


@peels("ppp")
def _ppp(data: bytes) -> tuple[str, bytes] | None:
    if data[:2] == b"\xff\x03":
        data = data[2:]
    size = 1 if data[0] & 1 else 2
    protocol = int.from_bytes(data[:size], "big")
    return {0x21: ("ip4", data[size:]), 0x57: ("ip6", data[size:]), 0x281: ("mpls", data[size:])}.get(protocol)


@peels("chdlc")
def _chdlc(data: bytes) -> tuple[str, bytes] | None:
    return _ethertype(struct.unpack_from(">H", data, 2)[0], data[4:])


@peels("gre")
def _gre(data: bytes) -> tuple[str, bytes] | None:
    flags, protocol = struct.unpack_from(">HH", data)  # RFC 2784, RFC 2890; version 1 is PPTP (RFC 2637)
    if flags & 7 == 1:
        return "ppp", data[8 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x80 else 0) :]
    size = 4 + (4 if flags & 0xC000 else 0) + (4 if flags & 0x2000 else 0) + (4 if flags & 0x1000 else 0)
    if protocol == 0x88BE and not flags & 0x1000:
        return "ether", data[size:]  # ERSPAN type I has no header of its own
    return _ethertype(protocol, data[size:])


@peels("erspan2")
def _erspan2(data: bytes) -> tuple[str, bytes] | None:
    return "ether", data[8:]


@peels("erspan3")
def _erspan3(data: bytes) -> tuple[str, bytes] | None:
    return "ether", data[12 + (8 if data[11] & 1 else 0) :]


@peels("sll")
def _sll(data: bytes) -> tuple[str, bytes] | None:
    return _ethertype(struct.unpack_from(">H", data, 14)[0], data[16:])


@peels("sll2")
def _sll2(data: bytes) -> tuple[str, bytes] | None:
    return _ethertype(struct.unpack_from(">H", data, 0)[0], data[20:])


@peels("null")
def _null(data: bytes) -> tuple[str, bytes] | None:
    return _ip(data[4:])


@peels("radiotap")
def _radiotap(data: bytes) -> tuple[str, bytes] | None:
    return "wlan", data[struct.unpack_from("<H", data, 2)[0] :]


@peels("wlan")
def _wlan(data: bytes) -> tuple[str, bytes] | None:
    import dpkt

    frame = dpkt.ieee80211.IEEE80211(data[:2] + bytes(30))
    if frame.type != 2 or frame.wep:
        return None
    size = 24 + (6 if frame.to_ds and frame.from_ds else 0) + (2 if frame.subtype & 8 else 0)
    return _llc(data[size:])
