"""ICMP errors about TCP segments: what a router or host says of a packet that it did not pass on, with the segment that
it quotes.

ICMP is RFC 792 with the codes of RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1, the next hop's MTU that of RFC
1191; ICMPv6 is RFC 4443. A quote holds at least the IP header and eight bytes, which are TCP's ports and sequence
number. What is damaged, or quotes anything else, gives nothing.
"""

import struct
from collections.abc import Callable, Iterable

from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.records.ids import packet_key

_TCP = 6
_ICMP, _ICMP6 = 1, 58
_QUOTE = 8
"""An error's own header, before what it quotes."""
_EXTENSIONS = (0, 43, 60)
"""Extension headers that may stand before the quoted TCP header (RFC 8200 section 4)."""
_UNREACHABLE, _PROHIBITED, _TOO_BIG, _EXCEEDED = IcmpKind

_MEANINGS: dict[tuple[int, int, int], tuple[IcmpKind, str]] = {
    (4, 3, 0): (_UNREACHABLE, "network unreachable"),
    (4, 3, 1): (_UNREACHABLE, "host unreachable"),
    (4, 3, 2): (_UNREACHABLE, "protocol unreachable"),
    (4, 3, 3): (_UNREACHABLE, "port unreachable"),
    (4, 3, 4): (_TOO_BIG, "fragmentation needed"),
    (4, 3, 5): (_UNREACHABLE, "source route failed"),
    (4, 3, 6): (_UNREACHABLE, "destination network unknown"),
    (4, 3, 7): (_UNREACHABLE, "destination host unknown"),
    (4, 3, 8): (_UNREACHABLE, "source host isolated"),
    (4, 3, 9): (_PROHIBITED, "network administratively prohibited"),
    (4, 3, 10): (_PROHIBITED, "host administratively prohibited"),
    (4, 3, 11): (_UNREACHABLE, "network unreachable for this type of service"),
    (4, 3, 12): (_UNREACHABLE, "host unreachable for this type of service"),
    (4, 3, 13): (_PROHIBITED, "communication administratively prohibited"),
    (4, 3, 14): (_PROHIBITED, "host precedence violation"),
    (4, 3, 15): (_PROHIBITED, "precedence cutoff in effect"),
    (4, 11, 0): (_EXCEEDED, "time to live exceeded in transit"),
    (4, 11, 1): (_EXCEEDED, "fragment reassembly time exceeded"),
    (6, 1, 0): (_UNREACHABLE, "no route to destination"),
    (6, 1, 1): (_PROHIBITED, "communication administratively prohibited"),
    (6, 1, 2): (_UNREACHABLE, "beyond scope of source address"),
    (6, 1, 3): (_UNREACHABLE, "address unreachable"),
    (6, 1, 4): (_UNREACHABLE, "port unreachable"),
    (6, 1, 5): (_PROHIBITED, "source address failed ingress or egress policy"),
    (6, 1, 6): (_PROHIBITED, "reject route to destination"),
    (6, 2, 0): (_TOO_BIG, "packet too big"),
    (6, 3, 0): (_EXCEEDED, "hop limit exceeded in transit"),
    (6, 3, 1): (_EXCEEDED, "fragment reassembly time exceeded"),
}
"""(version, type, code): what it says, and its name."""


def icmp_errors(capture: int, packets: Iterable[tuple[int, int, bytes]], host: Callable[[bytes], str]) -> tuple[IcmpError, ...]:
    """The errors in IP packets, given as (packet number, time, bytes), in order of packets. ``host`` makes text of an
    address."""
    found = []
    for number, ts_ns, packet in sorted(packets):
        try:
            error = _error(packet_key(capture, number), ts_ns, packet, host)
        except (struct.error, IndexError, ValueError):  # shorter than its headers say
            error = None
        if error is not None:
            found.append(error)
    return tuple(found)


def _error(key: int, ts_ns: int, packet: bytes, host: Callable[[bytes], str]) -> IcmpError | None:
    version, sender, _, protocol, _, at = ip_headers(packet, 0)
    if protocol != (_ICMP if version == 4 else _ICMP6):
        return None
    kind, code = packet[at], packet[at + 1]
    known = _MEANINGS.get((version, kind, code))
    if known is None:
        return None
    quoted, source, target, inside, size, tcp = ip_headers(packet, at + _QUOTE)
    if quoted != version or inside != _TCP:
        return None
    near, far, seq = struct.unpack_from(">HHI", packet, tcp)
    mtu = _mtu(packet, at, version) if known[0] is IcmpKind.TOO_BIG else None
    return IcmpError(key, ts_ns, host(sender), *known, version, kind, code, (host(source), near), (host(target), far), seq, size, mtu)


def _mtu(packet: bytes, at: int, version: int) -> int | None:
    """The next hop's MTU; old routers leave it 0 (RFC 1191 section 4)."""
    (mtu,) = struct.unpack_from(">H", packet, at + 6) if version == 4 else struct.unpack_from(">I", packet, at + 4)
    return mtu or None


def ip_headers(packet: bytes, at: int) -> tuple[int, bytes, bytes, int, int, int]:
    """Version, source, destination, protocol, size of the IP packet as it was sent, and where its payload begins. A
    later fragment has no payload of use."""
    version = packet[at] >> 4
    if version == 4:
        head, _, size, _, bits, _, protocol, _, source, destination = struct.unpack_from(">BBHHHBBH4s4s", packet, at)
        begin = at + (head & 15) * 4
        return version, source, destination, -1 if bits & 0x1FFF or begin < at + 20 else protocol, size, begin
    size, protocol, _, source, destination = struct.unpack_from(">4xHBB16s16s", packet, at)
    begin = at + 40
    while version == 6 and protocol in _EXTENSIONS:
        protocol, length = packet[begin], packet[begin + 1]
        begin += (length + 1) * 8
    return version, source, destination, protocol, size + 40, begin
