"""Kerberos messages over UDP: IP packets in, messages with their ends out. What is damaged gives nothing."""

import struct
from collections.abc import Callable, Iterable

from analyzer.capture.icmp import ip_headers
from analyzer.records.ids import packet_key
from analyzer.records.kerberos import KdcPiece

_UDP = 17
_HEADER = 8


def kdc_datagrams(capture: int, packets: Iterable[tuple[int, int, bytes]], host: Callable[[bytes], str]) -> tuple[KdcPiece, ...]:
    """The messages in IP packets, given as (packet number, time, bytes), in order of packets. ``host`` makes text of an address."""
    found = []
    for number, ts_ns, packet in sorted(packets):
        try:
            piece = _piece(packet_key(capture, number), ts_ns, packet, host)
        except (struct.error, IndexError, ValueError):  # shorter than its headers say
            piece = None
        if piece is not None:
            found.append(piece)
    return tuple(found)


def _piece(key: int, ts_ns: int, packet: bytes, host: Callable[[bytes], str]) -> KdcPiece | None:
    _, source, target, protocol, _, at = ip_headers(packet, 0)
    near, far, size = struct.unpack_from(">HHH", packet, at)
    if protocol != _UDP or size < _HEADER:
        return None
    return KdcPiece((key,), ts_ns, (host(source), near), (host(target), far), packet[at + _HEADER : at + size])
