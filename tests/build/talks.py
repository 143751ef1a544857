"""Makes captures from transcripts: a test tells a conversation in wire order, this module makes the packets.

    lan = Wire()
    c = lan.connect("10.10.1.11", 50001, "10.10.1.1", 3128)
    asked = c.send(post("http://srv01:5985/wsman"))         # the number of its first packet
    c.answer(reply(401, ("WWW-Authenticate", "Negotiate")))
    c.close_by_server(after=0.01)
    lan.capture(folder / "leg-a.pcap")

One clock runs for the whole wire: every packet takes a step of it, `Wire.wait` lets time pass. Packets are cut at the MSS, have true sequence numbers and
checksums, and are written as classic pcap with nanoseconds. Connections of one wire may interleave as the test tells them; ``hosts`` of `Wire.capture`
chooses the capture point, since a sniffer sees the packets of its own link only.
"""

import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

T0_NS = 1_767_323_045_000_000_000
"""2026-01-02 03:04:05 UTC."""
STEP_NS = 500_000
MSS = 1460
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_MAGIC_NS = 0xA1B23C4D
_ETHERNET = 1
_FRAME_HEADERS = 54


class Speech(Protocol):
    """What can be said on a connection: an object that knows its bytes."""

    def wire(self) -> bytes: ...


class Packet(NamedTuple):
    """One frame on the wire. ``captured`` is False for one that no sniffer saw."""

    ts_ns: int
    frame: bytes
    hosts: frozenset[str]
    captured: bool


@dataclass(slots=True)
class _Side:
    """One end of a connection: its address, the next sequence number it will use, and what it has received."""

    host: str
    port: int
    sequence: int
    received: int = 0


class Wire:
    """All packets of a test, in order of time."""

    def __init__(self, *, step_ns: int = STEP_NS, mss: int = MSS) -> None:
        self.now_ns = T0_NS
        self.step_ns = step_ns
        self.mss = mss
        self._packets: list[Packet] = []
        self._seen = 0
        self._ident = 0

    def wait(self, seconds: float) -> None:
        """Lets time pass on the whole wire."""
        self.now_ns += int(seconds * 1e9)

    def connect(self, client: str, client_port: int, server: str, server_port: int, *, syn: bool = True) -> "Talk":
        """A connection with its handshake; without ``syn`` the handshake took place before the capture began."""
        talk = Talk(self, (client, client_port), (server, server_port))
        talk.open(captured=syn)
        return talk

    def refused(self, client: str, client_port: int, server: str, server_port: int) -> int:
        """A SYN that is answered by a RST; the number of the SYN."""
        return Talk(self, (client, client_port), (server, server_port)).refuse()

    def unanswered(self, client: str, client_port: int, server: str, server_port: int, *, tries: int = 3) -> int:
        """A SYN that nobody answers, and its retransmissions; the number of the first."""
        return Talk(self, (client, client_port), (server, server_port)).knock(tries)

    def put(self, source: _Side, target: _Side, flags: int, payload: bytes = b"", *, captured: bool = True, ttl: int = 64, window: int = 64240) -> int:
        """One packet; its number in a capture of the whole wire (the last one seen when it is not captured)."""
        segment = _tcp(source, target, flags, payload, window)
        return self._add(source.host, target.host, segment, captured=captured, ttl=ttl)

    def icmp(self, router: str, kind: int, code: int, *, mtu: int = 0) -> int:
        """What ``router`` says of the last packet, to its sender; its number."""
        quoted = self._packets[-1].frame[14:42]
        message = struct.pack(">BBHHH", kind, code, 0, 0, mtu) + quoted
        message = message[:2] + struct.pack(">H", _sum(message)) + message[4:]
        return self._add(router, socket.inet_ntoa(quoted[12:16]), message, protocol=1)

    def datagram(self, source: tuple[str, int], target: tuple[str, int], payload: bytes) -> int:
        """A UDP packet; its number."""
        header = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0)
        return self._add(source[0], target[0], header + payload, protocol=17)

    def _add(self, source: str, target: str, body: bytes, *, captured: bool = True, ttl: int = 64, protocol: int = 6) -> int:
        self._ident = (self._ident + 1) & 0xFFFF
        frame = _ethernet(_ip(source, target, self._ident, body, ttl, protocol))
        self._packets.append(Packet(self.now_ns, frame, frozenset((source, target)), captured))
        self.now_ns += self.step_ns
        self._seen += captured
        return self._seen

    def capture(
        self,
        path: Path,
        *,
        hosts: Collection[str] = (),
        first: int = 1,
        last: int | None = None,
        snap: int = 262_144,
        ahead: float = 0.0,
    ) -> Path:
        """Writes the packets to and from ``hosts`` (all, when there are none), of these the ``first`` to the ``last``, each cut to ``snap`` bytes, by a clock
        that is ``ahead`` seconds."""
        seen = [packet for packet in self._packets if packet.captured and (not hosts or packet.hosts & set(hosts))][first - 1 : last]
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", _MAGIC_NS, 2, 4, 0, 0, snap, _ETHERNET))
            for packet in seen:
                seconds, ns = divmod(packet.ts_ns + int(ahead * 1e9), 1_000_000_000)
                kept = packet.frame[:snap]
                file.write(struct.pack("<IIII", seconds, ns, len(kept), len(packet.frame)) + kept)
        return path


class Talk:
    """One TCP connection. Every method says something and returns the number of its (first) packet in a capture of the whole wire."""

    def __init__(self, lan: Wire, client: tuple[str, int], server: tuple[str, int]) -> None:
        self.lan = lan
        self.client = _Side(*client, sequence=1000 + client[1])
        self.server = _Side(*server, sequence=2000 + client[1])

    def open(self, *, captured: bool) -> None:
        """The three packets that open a connection."""
        self._flagged(self.client, self.server, SYN, captured=captured)
        self._flagged(self.server, self.client, SYN | ACK, captured=captured)
        self.lan.put(self.client, self.server, ACK, captured=captured)

    def refuse(self) -> int:
        number = self._flagged(self.client, self.server, SYN)
        self.lan.put(self.server, self.client, RST | ACK)
        return number

    def knock(self, tries: int) -> int:
        number = self.lan.put(self.client, self.server, SYN)
        for _ in range(tries - 1):
            self.lan.wait(1)
            self.lan.put(self.client, self.server, SYN)
        return number

    def send(self, said: Speech | bytes, *, captured: bool = True) -> int:
        """The client's bytes."""
        return self._say(self.client, self.server, said, captured=captured)

    def answer(self, said: Speech | bytes, *, captured: bool = True) -> int:
        """The server's bytes."""
        return self._say(self.server, self.client, said, captured=captured)

    def exchange(self, asked: Speech | bytes, answered: Speech | bytes) -> tuple[int, int]:
        """A request and its response."""
        return self.send(asked), self.answer(answered)

    def close_by_server(self, after: float = 0.0, *, answered: bool = True) -> int:
        """The server's FIN, and the client's when it is ``answered``."""
        return self._close(self.server, self.client, after, answered=answered)

    def close_by_client(self, after: float = 0.0, *, answered: bool = True) -> int:
        """The client's FIN, and the server's when it is ``answered``."""
        return self._close(self.client, self.server, after, answered=answered)

    def lost(self, said: Speech | bytes, *, tries: int = 5, after: float = 1.0) -> int:
        """The client's bytes, of which nothing arrives; their first segment is sent ``tries`` times in all, each ``after`` seconds later."""
        data = said if isinstance(said, bytes) else said.wire()
        sequence, received = self.client.sequence, self.server.received
        number = self._say(self.client, self.server, data, captured=True)
        self.server.received = received
        past = self.client.sequence
        for _ in range(tries - 1):
            self.lan.wait(after)
            self.client.sequence = sequence
            self.lan.put(self.client, self.server, PSH | ACK, data[: self.lan.mss])
        self.client.sequence = past
        return number

    def acked_by_server(self, *, window: int = 64240, after: float = 0.0) -> int:
        """An acknowledgement of the server, and its window."""
        self.lan.wait(after)
        return self.lan.put(self.server, self.client, ACK, window=window)

    def reset_by_server(self, after: float = 0.0, *, ttl: int = 64) -> int:
        self.lan.wait(after)
        return self.lan.put(self.server, self.client, RST | ACK, ttl=ttl)

    def reset_by_client(self, after: float = 0.0, *, ttl: int = 64) -> int:
        self.lan.wait(after)
        return self.lan.put(self.client, self.server, RST | ACK, ttl=ttl)

    def _close(self, one: _Side, other: _Side, after: float, *, answered: bool) -> int:
        self.lan.wait(after)
        number = self._flagged(one, other, FIN | ACK)
        if answered:
            self._flagged(other, one, FIN | ACK)
            self.lan.put(one, other, ACK)
        return number

    def _flagged(self, one: _Side, other: _Side, flags: int, *, captured: bool = True) -> int:
        """A SYN or FIN, which takes one sequence number."""
        number = self.lan.put(one, other, flags, captured=captured)
        one.sequence += 1
        other.received = one.sequence
        return number

    def _say(self, one: _Side, other: _Side, said: Speech | bytes, *, captured: bool) -> int:
        data = said if isinstance(said, bytes) else said.wire()
        numbers = []
        for at in range(0, len(data), self.lan.mss):
            piece = data[at : at + self.lan.mss]
            numbers.append(self.lan.put(one, other, PSH | ACK, piece, captured=captured))
            one.sequence += len(piece)
        other.received = one.sequence
        return numbers[0]


def _tcp(source: _Side, target: _Side, flags: int, payload: bytes, window: int) -> bytes:
    acknowledged = source.received if flags & ACK else 0
    head = struct.pack(">HHIIBBHHH", source.port, target.port, source.sequence, acknowledged, 5 << 4, flags, window, 0, 0)
    pseudo = socket.inet_aton(source.host) + socket.inet_aton(target.host) + struct.pack(">BBH", 0, 6, len(head) + len(payload))
    return head[:16] + struct.pack(">H", _sum(pseudo + head + payload)) + head[18:] + payload


def _ip(source: str, target: str, ident: int, segment: bytes, ttl: int, protocol: int) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), ident, 0x4000, ttl, protocol, 0) + addresses
    return head[:10] + struct.pack(">H", _sum(head)) + head[12:] + segment


def _ethernet(packet: bytes) -> bytes:
    return b"\x02\0\0\0\0\x02" + b"\x02\0\0\0\0\x01" + b"\x08\0" + packet


def _sum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
