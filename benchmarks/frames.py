"""Frames of TCP conversations that are made up: Ethernet, IPv4, without checksums, which the analyzer does not use."""

import struct

SYN, ACK, PSH, FIN, RST = 2, 16, 8, 1, 4
_NEAR, _FAR = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
STATIONS = ((_FAR, _NEAR), (_NEAR, _FAR))
"""Ethernet addresses (target, source) of a client's and of a server's frames: those of the routers on both sides of the sensor."""


class Tcp:
    """One conversation's addresses and numbers. ``number`` tells the client and, without ``connection``, everything else."""

    def __init__(self, number: int, port: int, connection: int | None = None) -> None:
        place = number if connection is None else connection
        self.client = struct.pack(">I", 0x0A000000 | number & 0xFFFFFF)
        self.server = struct.pack(">I", 0xC0A80000 | place * 2654435761 >> 7 & 0xFFFF)
        self.ports = (1024 + place % 60000, port)
        self.sent = [1000 + place * 7919 & 0xFFFFFFFF, 5000 + place * 104729 & 0xFFFFFFFF]
        self.ident = 0

    def frame(self, way: int, flags: int, payload: bytes = b"") -> bytes:
        """The next packet of the client (``way`` 0) or the server (1)."""
        self.ident = self.ident + 1 & 0xFFFF
        source, target = (self.client, self.server) if way == 0 else (self.server, self.client)
        head = struct.pack(">6s6sHBBHHHBBH", *STATIONS[way], 0x0800, 0x45, 0, 40 + len(payload), self.ident, 0x4000, 64, 6, 0) + source + target
        ack = self.sent[1 - way] if flags & ACK else 0
        head += struct.pack(">HHIIBBHHH", self.ports[way], self.ports[1 - way], self.sent[way], ack, 0x50, flags, 0xFFFF, 0, 0)
        self.sent[way] = self.sent[way] + len(payload) + (1 if flags & (SYN | FIN) else 0) & 0xFFFFFFFF
        return head + payload
