"""One packet in every wrapping that the capture stage can take off: every link type, every tunnel, every container, and what nests in what.

Each example is a function from an IP packet to a frame, so that a test chooses what is inside (IPv4 or IPv6).
"""

import struct
from collections.abc import Callable, Sequence

from tests.build.packets import (
    CONTAINERS,
    ETHERNET,
    GRE,
    IP6_IN_IP,
    IP_IN_IP,
    NULL,
    RAW,
    SLL,
    SLL2,
    UDP,
    Frame,
    Wrap,
    _block,
    ethernet,
    gre,
    ip4,
    ip6,
    mpls,
    netmon,
    null,
    pcap,
    pppoe,
    raw,
    sll,
    sll2,
    udp,
    vxlan,
)
from tests.build.traces import erf, netsh_trace, pktmon_trace, snoop

OUTER, OUTER6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
AH, DESTINATION_OPTIONS, HOP_BY_HOP = 51, 60, 0


def ethertype(packet: bytes) -> int:
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


def snap(packet: bytes) -> bytes:
    """LLC and SNAP before a packet (RFC 1042)."""
    return b"\xaa\xaa\x03\x00\x00\x00" + struct.pack(">H", ethertype(packet)) + packet


def ethernet_snap(packet: bytes) -> bytes:
    """IEEE 802.3: a length where Ethernet II has a type."""
    return bytes(range(12)) + struct.pack(">H", len(packet) + 8) + snap(packet)


def ppp(packet: bytes, *, framed: bool = True) -> bytes:
    """PPP in HDLC-like framing (RFC 1662)."""
    return (b"\xff\x03" if framed else b"") + (b"\x00\x57" if packet[0] >> 4 == 6 else b"\x00\x21") + packet


def ppp_short(packet: bytes) -> bytes:
    """Address and control left out, the protocol field compressed to one byte."""
    return (b"\x57" if packet[0] >> 4 == 6 else b"\x21") + packet


def chdlc(packet: bytes) -> bytes:
    return b"\x0f\x00" + struct.pack(">H", ethertype(packet)) + packet


def wlan(packet: bytes, *, control: bytes = b"\x08\x01", more: int = 0) -> bytes:
    """A data frame of IEEE 802.11; ``more`` bytes of header for a fourth address or quality of service."""
    return control + bytes(22 + more) + snap(packet)


def wlan_qos(packet: bytes) -> bytes:
    return wlan(packet, control=b"\x88\x01", more=2)


def wlan_bridge(packet: bytes) -> bytes:
    """Between two access points: four addresses, and quality of service."""
    return wlan(packet, control=b"\x88\x03", more=8)


def radiotap(packet: bytes) -> bytes:
    return struct.pack("<BBHIB3x", 0, 0, 12, 2, 0) + wlan(packet)


def ppi(packet: bytes, link: int = 105, wrap: Wrap = wlan) -> bytes:
    """Per-Packet Information: one field of its own, then a frame of the link type that it names."""
    return struct.pack("<BBHI", 0, 0, 16, link) + struct.pack("<HHI", 30002, 4, 0) + wrap(packet)


def nflog(packet: bytes) -> bytes:
    """A prefix of five bytes (padded to four), then the packet."""
    head = struct.pack(">BBH", 10 if packet[0] >> 4 == 6 else 2, 0, 0)
    return head + struct.pack("<HH5s3x", 9, 10, b"drop\0") + struct.pack("<HH", 4 + len(packet), 9) + packet


def loop(packet: bytes) -> bytes:
    """As in OpenBSD: the family in network order."""
    return struct.pack(">I", 24 if packet[0] >> 4 == 6 else 2) + packet


LINK_EXAMPLES: dict[int, tuple[Wrap, ...]] = {
    NULL: (null,),
    ETHERNET: (ethernet, ethernet_snap),
    9: (ppp, ppp_short),
    12: (raw,),
    14: (raw,),
    50: (ppp,),
    51: (pppoe,),
    RAW: (raw,),
    104: (chdlc,),
    105: (wlan, wlan_qos, wlan_bridge),
    108: (loop,),
    SLL: (sll,),
    127: (radiotap,),
    192: (
        ppi,
        lambda packet: ppi(packet, ETHERNET, ethernet),
        lambda packet: ppi(packet, SLL, sll),
        lambda packet: ppi(packet, SLL2, sll2),
        lambda packet: ppi(packet, NULL, null),
        lambda packet: ppi(packet, 127, radiotap),
    ),
    228: (raw,),
    229: (raw,),
    239: (nflog,),
    SLL2: (sll2,),
}
"""Number of a link type to ways to wrap a packet in it."""


def over_ip(protocol: int, body: bytes) -> bytes:
    return ethernet(ip4(*OUTER, protocol, body))


def over_udp(port: int, body: bytes, source: int = 55555) -> bytes:
    return over_ip(UDP, udp(source, port, body))


def greater(protocol: int, body: bytes, flags: int = 0, fields: bytes = b"") -> bytes:
    """GRE with any protocol and optional fields."""
    return over_ip(GRE, struct.pack(">HH", flags, protocol) + fields + body)


def nested(packet: bytes) -> int:
    """The protocol number of a packet inside an IP packet."""
    return IP6_IN_IP if packet[0] >> 4 == 6 else IP_IN_IP


def ah(protocol: int, body: bytes) -> bytes:
    """An authentication header (RFC 4302) with 12 bytes of check value."""
    return struct.pack(">BBHII12s", protocol, 4, 0, 1, 1, bytes(12)) + body


def geneve(frame: bytes, protocol: int = 0x6558, options: bytes = b"") -> bytes:
    """The payload of a UDP datagram to port 6081 (RFC 8926)."""
    return struct.pack(">BBHI", len(options) // 4, 0, protocol, 7 << 8) + options + frame


def gtp(packet: bytes, flags: int = 0x30, *, following: int = 0, extensions: bytes = b"") -> bytes:
    """A G-PDU, the payload of a UDP datagram to port 2152 (3GPP TS 29.281 section 5): ``flags`` E, S and PN are 4, 2 and 1."""
    optional = struct.pack(">HBB", 7, 0, following) if flags & 7 else b""
    rest = optional + extensions + packet
    return struct.pack(">BBHI", flags, 255, len(rest), 0xABCD) + rest


PDU_SESSION = 0x85
PDCP = 0xC0
SESSION_LAST = b"\x01\x00\x09\x00"
"""A PDU session container of four bytes, behind which nothing follows."""

TUNNELS: dict[str, Wrap] = {
    "GRE": lambda packet: over_ip(GRE, gre(packet)),
    "GRE with key and checksum": lambda packet: greater(ethertype(packet), packet, 0xA000, bytes(4) + b"\0\0\0\7"),
    "GRE with a sequence number": lambda packet: greater(ethertype(packet), packet, 0x1000, bytes(4)),
    "GRE of a frame (NVGRE)": lambda packet: greater(0x6558, ethernet(packet), 0x2000, b"\0\0\1\7"),
    "GRE of PPP": lambda packet: greater(0x880B, ppp(packet)),
    "GRE of MPLS": lambda packet: greater(0x8848, mpls(packet)),
    "GRE of 802.11": lambda packet: greater(0x8200, wlan(packet)),
    "PPTP": lambda packet: greater(0x880B, ppp_short(packet), 0x3001, struct.pack(">HHI", len(packet), 7, 1)),
    "PPTP with an acknowledgement": lambda packet: greater(0x880B, ppp(packet), 0x3081, bytes(12)),
    "ERSPAN I": lambda packet: greater(0x88BE, ethernet(packet)),
    "ERSPAN II": lambda packet: greater(0x88BE, bytes(8) + ethernet(packet), 0x1000, bytes(4)),
    "ERSPAN III": lambda packet: greater(0x22EB, bytes(12) + ethernet(packet), 0x1000, bytes(4)),
    "ERSPAN III with a subheader": lambda packet: greater(0x22EB, bytes(11) + b"\1" + bytes(8) + ethernet(packet), 0x1000, bytes(4)),
    "IP in IP": lambda packet: over_ip(nested(packet), packet),
    "IP in IPv6": lambda packet: ethernet(ip6(*OUTER6, nested(packet), packet)),
    "IP in IPv6 with options": lambda packet: ethernet(
        ip6(*OUTER6, HOP_BY_HOP, bytes([DESTINATION_OPTIONS, *bytes(7), nested(packet), 1, *bytes(14)]) + packet)
    ),
    "AH": lambda packet: over_ip(AH, ah(nested(packet), packet)),
    "AH over IPv6": lambda packet: ethernet(ip6(*OUTER6, AH, ah(nested(packet), packet))),
    "GRE in UDP": lambda packet: over_udp(4754, gre(packet)),
    "VXLAN": lambda packet: over_udp(4789, vxlan(ethernet(packet))),
    "VXLAN on the old port of Linux": lambda packet: over_udp(8472, vxlan(ethernet(packet))),
    "VXLAN back to a low port": lambda packet: over_udp(55555, vxlan(ethernet(packet)), source=4789),
    "VXLAN of a VLAN": lambda packet: over_udp(4789, vxlan(ethernet(packet, tags=(0x8100,)))),
    "VXLAN in GRE": lambda packet: over_ip(GRE, gre(ip4("198.51.100.3", "198.51.100.4", UDP, udp(55555, 4789, vxlan(ethernet(packet)))))),
    "Geneve": lambda packet: over_udp(6081, geneve(ethernet(packet))),
    "Geneve with options": lambda packet: over_udp(6081, geneve(ethernet(packet), options=bytes(12))),
    "Geneve of IP": lambda packet: over_udp(6081, geneve(packet, ethertype(packet))),
    "GTP-U": lambda packet: over_udp(2152, gtp(packet)),
    "GTP-U with a sequence number": lambda packet: over_udp(2152, gtp(packet, 0x32)),
    "GTP-U with an N-PDU number": lambda packet: over_udp(2152, gtp(packet, 0x31)),
    "GTP-U with an extension": lambda packet: over_udp(2152, gtp(packet, 0x34, following=PDU_SESSION, extensions=SESSION_LAST)),
    "GTP-U with a sequence number and two extensions": lambda packet: over_udp(
        2152, gtp(packet, 0x36, following=PDCP, extensions=bytes([2, *bytes(6), PDU_SESSION]) + SESSION_LAST)
    ),
    "GTP-U that says E and has no extension": lambda packet: over_udp(2152, gtp(packet, 0x34)),
    "GTP-U without E, where the type of an extension is not to be read": lambda packet: over_udp(2152, gtp(packet, 0x32, following=PDU_SESSION)),
    "GTP-U over IPv6": lambda packet: ethernet(ip6(*OUTER6, UDP, udp(55555, 2152, gtp(packet, 0x34, following=PDU_SESSION, extensions=SESSION_LAST)))),
    "MPLS": lambda packet: ethernet(mpls(packet), ethertype=0x8847),
    "MPLS multicast": lambda packet: ethernet(mpls(packet), ethertype=0x8848),
    "MPLS in a VLAN": lambda packet: ethernet(mpls(packet), ethertype=0x8847, tags=(0x8100,)),
    "MPLS pseudowire": lambda packet: ethernet(mpls(bytes(4) + ethernet(packet)), ethertype=0x8847),
    "MPLS in PPP": lambda packet: greater(0x880B, b"\x02\x81" + mpls(packet)),
    "PPPoE": lambda packet: ethernet(pppoe(packet), ethertype=0x8864),
    "VLAN in VLAN, old type": lambda packet: ethernet(packet, tags=(0x9100, 0x8100)),
    "VLAN of MPLS in a pseudowire": lambda packet: ethernet(mpls(bytes(4) + ethernet(packet, tags=(0x88A8, 0x8100))), ethertype=0x8847),
    "old VLAN in VXLAN": lambda packet: over_udp(4789, vxlan(ethernet(packet, tags=(0x9100,)))),
}
"""Frames of Ethernet that hold a packet in a tunnel."""


def pcap_modified(frames: Sequence[Frame], order: str = "<") -> bytes:
    """The pcap of an old patch to libpcap: eight bytes more before each packet."""
    parts = [struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 262_144, frames[0].link)]
    for one in frames:
        seconds, rest = divmod(one.ts_ns, 1_000_000_000)
        parts.append(struct.pack(order + "IIIIIHBB", seconds, rest // 1000, len(one.data), one.sent, 1, 8, 0, 0) + one.data)
    return b"".join(parts)


def pcapng_of(kind: int, frames: Sequence[Frame], order: str = "<") -> bytes:
    """A pcapng whose packets are in obsolete packet blocks (2) or in simple ones (3), which have no time."""
    parts = [_block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    parts.append(_block(order, 1, struct.pack(order + "HHI", frames[0].link, 0, 262_144)))
    for one in frames:
        micros = one.ts_ns // 1000
        if kind == 2:
            head = struct.pack(order + "HHIIII", 0, 0, micros >> 32, micros & 0xFFFFFFFF, len(one.data), one.sent)
        else:
            head = struct.pack(order + "I", one.sent)
        parts.append(_block(order, kind, head + one.data))
    return b"".join(parts)


KEPT_AS: dict[str, Callable[[Sequence[Frame]], bytes]] = {
    **CONTAINERS,
    "pcap of microseconds": lambda frames: pcap(frames, nanoseconds=False),
    "pcap of microseconds, big-endian": lambda frames: pcap(frames, nanoseconds=False, order=">"),
    "modified pcap": pcap_modified,
    "modified pcap, big-endian": lambda frames: pcap_modified(frames, ">"),
    "obsolete packet blocks": lambda frames: pcapng_of(2, frames),
    "simple packet blocks": lambda frames: pcapng_of(3, frames, ">"),
    "Network Monitor 1": lambda frames: netmon(frames, version=(1, 1)),
    "Network Monitor 2.0": lambda frames: netmon(frames, version=(2, 0)),
    "Network Monitor 2.3": netmon,
    "snoop": snoop,
    "ERF": erf,
    "netsh trace": netsh_trace,
    "netsh trace, frames in two events": lambda frames: netsh_trace(frames, parts=2),
    "pktmon": pktmon_trace,
}
"""Every container: each format and version, the pcaps and pcapng in both byte orders, each block that holds packets, and compressed."""
