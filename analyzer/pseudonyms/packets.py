"""Packets with pseudonyms: hardware addresses, addresses, and what a function gives for the payload. Sizes stay, and checksums are changed by the difference
(RFC 1624): one that was right is right, one that was wrong, or not yet computed by the network card, is wrong as before, also where the packet is cut.

What is not an IPv4 or IPv6 packet with TCP, UDP or an ICMP error in it, in a frame of a common link type, cannot be replaced: there is no packet then.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from analyzer.pseudonyms.addresses import Addresses

_ETHERNET, _NULL, _RAW, _LOOP, _COOKED, _COOKED_2 = 1, 0, (12, 14, 101, 228, 229), 108, 113, 276
_IP, _IP6, _TAGS = 0x0800, 0x86DD, (0x8100, 0x88A8, 0x9100)
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_EXTENSIONS = (0, 43, 60)
_ERRORS = {_ICMP: (3, 4, 5, 11, 12), _ICMP6: (1, 2, 3, 4)}
_MORE_OR_OFFSET = 0x3FFF


class Segment(NamedTuple):
    """The transport's part of a packet: where its header and its payload begin, ports, sequence number (TCP)."""

    protocol: int
    source: bytes
    destination: bytes
    ports: tuple[int, int]
    seq: int
    payload: bytes
    quoted: bool = False


Change = Callable[[Segment], bytes]


class _Sum:
    """A checksum as it changes with the bytes that it is over."""

    def __init__(self) -> None:
        self.difference = 0

    def change(self, old: bytes, new: bytes) -> None:
        """Bytes at an even place."""
        if old == new:
            return
        pad = b"\0" * (len(old) % 2)
        for own, sign in ((old + pad, -1), (new + pad, 1)):
            self.difference += sign * sum(struct.unpack(f">{len(own) // 2}H", own))

    def of(self, checksum: int) -> int:
        """The checksum that takes the place of the old one."""
        total = (~checksum & 0xFFFF) + self.difference % 0xFFFF
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return ~total & 0xFFFF


def frame(data: bytes, link: int, addresses: Addresses, change: Change) -> bytes | None:
    """The frame of that link type (LINKTYPE number), as long. ``change`` gives the payload of a segment. None: it is none of those."""
    made = bytearray(data)
    found = _network(made, link, addresses)
    if found is None:
        return None
    return bytes(made) if _packet(made, found[0], found[1], addresses, change) else None


def segment(data: bytes, link: int) -> Segment | None:
    """The segment or datagram in a frame."""
    seen: list[Segment] = []

    def look(one: Segment) -> bytes:
        seen.append(one)
        return one.payload

    return seen[0] if frame(data, link, Addresses(bytes(32), {}), look) is not None and seen and not seen[0].quoted else None


def _network(made: bytearray, link: int, addresses: Addresses) -> tuple[int, int] | None:
    """The EtherType and where the network header begins; hardware addresses on the way are replaced."""
    if link in _RAW:
        return (_IP6 if made[:1] and made[0] >> 4 == 6 else _IP), 0
    if link in (_NULL, _LOOP):
        return (_IP6 if len(made) > 4 and made[4] >> 4 == 6 else _IP), 4
    at, where = {_ETHERNET: (12, (0, 6)), _COOKED: (14, (6,)), _COOKED_2: (0, (12,))}.get(link, (-1, ()))
    if at < 0 or len(made) < 22:
        return None
    for place in where:
        made[place : place + 6] = addresses.hardware(bytes(made[place : place + 6]))
    kind = int.from_bytes(made[at : at + 2], "big")
    begins = 20 if link == _COOKED_2 else at + 2
    while kind in _TAGS and begins + 4 <= len(made):
        kind, begins = int.from_bytes(made[begins + 2 : begins + 4], "big"), begins + 4
    return kind, begins


def _packet(made: bytearray, kind: int, at: int, addresses: Addresses, change: Change, *, quoted: bool = False) -> bool:
    if kind == _IP and len(made) >= at + 20 and made[at] >> 4 == 4:
        size = (made[at] & 15) * 4
        total = int.from_bytes(made[at + 2 : at + 4], "big") or len(made) - at
        if size < 20 or at + size > len(made) or int.from_bytes(made[at + 6 : at + 8], "big") & _MORE_OR_OFFSET:
            return False
        old = bytes(made[at : at + size])
        made[at + 12 : at + 16], made[at + 16 : at + 20] = addresses.packed(old[12:16]), addresses.packed(old[16:20])
        made[at + 20 : at + size] = b"\x01" * (size - 20)
        _check(made, at + 10, [(old, bytes(made[at : at + size]))])
        pair, protocol, begins = (old[12:20], bytes(made[at + 12 : at + 20])), old[9], at + size
    elif kind == _IP6 and len(made) >= at + 40 and made[at] >> 4 == 6:
        old = bytes(made[at + 8 : at + 40])
        made[at + 8 : at + 40] = addresses.packed(old[:16]) + addresses.packed(old[16:])
        pair, protocol, begins = (old, bytes(made[at + 8 : at + 40])), made[at + 6], at + 40
        total = 40 + int.from_bytes(made[at + 4 : at + 6], "big") if made[at + 4 : at + 6] != b"\0\0" else len(made) - at
        while protocol in _EXTENSIONS and begins + 8 <= len(made):
            protocol, begins = made[begins], begins + 8 + made[begins + 1] * 8
    else:
        return False
    return _transport(made, protocol, begins, min(at + total, len(made)), pair, addresses, change, quoted=quoted)


def _transport(made: bytearray, protocol: int, at: int, end: int, pair: tuple[bytes, bytes], addresses: Addresses, change: Change, *, quoted: bool) -> bool:
    if protocol in _ERRORS:
        return _error(made, protocol, at, end, pair, addresses, change)
    if protocol not in (_TCP, _UDP):
        return False
    trailer = bytes(made[end:])
    if any(trailer) and not quoted:
        made[end:] = bytes(len(trailer))
    if end < at + 8 or (protocol == _TCP and end < at + 14):
        return quoted
    size = (made[at + 12] >> 4) * 4 if protocol == _TCP else 8
    begins = min(at + max(size, 8), end)
    half = len(pair[0]) // 2
    ports = int.from_bytes(made[at : at + 2], "big"), int.from_bytes(made[at + 2 : at + 4], "big")
    seq = int.from_bytes(made[at + 4 : at + 8], "big") if protocol == _TCP else 0
    old = bytes(made[begins:end])
    new = change(Segment(protocol, pair[0][:half], pair[0][half:], ports, seq, old, quoted=quoted)) if old else old
    made[begins:end] = new
    place = at + (16 if protocol == _TCP else 6)
    if place + 2 <= end and (protocol == _TCP or made[place : place + 2] != b"\0\0"):
        _check(made, place, [pair, (old, new)])
    return True


def _error(made: bytearray, protocol: int, at: int, end: int, pair: tuple[bytes, bytes], addresses: Addresses, change: Change) -> bool:
    """An ICMP error, with the packet that it quotes; a cut segment in it is enough."""
    if end < at + 8 or made[at] not in _ERRORS[protocol]:
        return False
    old = bytes(made[at + 8 : end])
    inside = bytearray(old)
    if not _packet(inside, _IP if protocol == _ICMP else _IP6, 0, addresses, change, quoted=True):
        return False
    made[at + 8 : end] = inside
    _check(made, at + 2, [(old, bytes(inside)), *([pair] if protocol == _ICMP6 else [])])
    return True


def _check(made: bytearray, place: int, changes: list[tuple[bytes, bytes]]) -> None:
    """The checksum at ``place`` after these changes."""
    found = _Sum()
    for old, new in changes:
        found.change(old, new)
    if found.difference:
        made[place : place + 2] = found.of(int.from_bytes(made[place : place + 2], "big")).to_bytes(2, "big")
