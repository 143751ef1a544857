"""A capture of TCP over IPv4 as the same hosts would have made it over IPv6."""

import struct
from pathlib import Path

from analyzer.capture.containers import rows
from analyzer.capture.window import Walk
from analyzer.settings import Limits
from tests.build.packets import TCP, checksum, ethernet, ip6
from tests.build.sensors import Frame, written

_HEADERS = {1: 14, 113: 16, 276: 20}
"""Bytes before the IP packet, by link type: Ethernet, Linux cooked capture in both versions."""


def in_ipv6(capture: Path, path: Path) -> Path:
    """The packets of TCP in ``capture``, written to ``path`` as Ethernet: the host 10.9.2.30 is fd00::10:9:2:30."""
    own = []
    with capture.open("rb") as file:
        for row in rows(file.readinto, Limits(), Walk()):
            ip = bytes(row.buffer[row.at + _HEADERS[row.link] : row.at + row.size])
            if len(ip) > 20 and ip[0] >> 4 == 4 and ip[9] == TCP:
                data = ethernet(_packet(ip))
                own.append(Frame(row.number, row.ts_ns, data, len(data), None))
    return written(path, own)


def _packet(ip: bytes) -> bytes:
    source, target = ("fd00::" + ":".join(map(str, ip[at : at + 4])) for at in (12, 16))
    segment = ip[4 * (ip[0] & 15) : struct.unpack_from(">H", ip, 2)[0]]
    made = ip6(source, target, TCP, segment[:16] + bytes(2) + segment[18:])
    total = checksum(made[8:40] + struct.pack(">II", len(segment), TCP) + made[40:])
    return made[:56] + struct.pack(">H", total) + made[58:]
