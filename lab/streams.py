"""TCP payloads and HTTP exchanges of a lossless lab capture, the simple way.

Strategy: tshark only numbers and dissects the packets up to TCP (so packet numbers are Wireshark's by definition);
putting bytes in order and reading HTTP is done here in plain code. The lab's captures miss no byte (a lost packet is
sent again) and have no fragments, so reassembly by sequence number is enough. What a CONNECT tunnel carries is a
connection of its own. Nothing of the analyzer is used.
"""

import hashlib
import io
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lab.httpsys import SIGNATURE, proxy_header
from lab.processes import LabError

FIELDS = [
    "frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw", "tcp.flags",
    "tcp.len", "tcp.payload", "ipv6.src", "ipv6.dst", "ip.ttl"
]  # fmt: skip
SYN, FIN, RST, ACK = 0x02, 0x01, 0x04, 0x10
SOCKS_NEEDS_PASSWORD = 2
METHODS = (b"POST ", b"GET ", b"CONNECT ", b"OPTIONS ")


class Packet(NamedTuple):
    number: int
    time: float
    source: str
    target: str
    sequence: int
    flags: int
    payload: bytes
    ttl: int = 0


@dataclass(slots=True)
class Direction:
    """Bytes of one direction and, for each piece, its offset, packet number and time."""

    data: bytearray = field(default_factory=bytearray)
    pieces: list[tuple[int, int, float]] = field(default_factory=list)
    base: int | None = None
    early: dict[int, Packet] = field(default_factory=dict)
    """Packets that came before what they follow, by offset."""

    def after(self, offset: int) -> "Direction":
        """What follows the first `offset` bytes."""
        held = [(max(at - offset, 0), number, time) for at, number, time in self.pieces]
        kept = [piece for piece, later in zip(held, [*held[1:], (len(self.data), 0, 0.0)], strict=True) if later[0] > piece[0]]
        return Direction(self.data[offset:], kept, self.base)

    def packet_at(self, offset: int) -> tuple[int, float]:
        """Number and time of the packet that carried the byte at an offset."""
        return next((number, time) for at, number, time in reversed(self.pieces) if at <= offset)


@dataclass(slots=True)
class Exchange:
    """A request and its response on one connection."""

    position: int
    method: str
    target: str
    request_packet: int
    request_time: float
    authorization: str | None
    proxy_authorization: str | None
    body_sha256: str
    status: int | None = None
    response_packet: int | None = None
    response_time: float | None = None
    response_end: float | None = None
    challenge: tuple[str, ...] = ()
    complete: bool = True
    whole: bool = True
    """The request was sent to its end."""
    request_end: int = 0
    response_end_at: int = 0
    body: bytes = b""
    response_body: bytes = b""


@dataclass(slots=True)
class Connection:
    client: str
    server: str
    capture: str
    first_packet: int
    first_time: float
    to_server: Direction = field(default_factory=Direction)
    to_client: Direction = field(default_factory=Direction)
    exchanges: list[Exchange] = field(default_factory=list)
    protocol: str = "http"
    before: dict[str, Any] = field(default_factory=dict)
    """What came before HTTP: `socks` or `proxy_header`, as read."""
    inside: bool = False
    """Carried in the CONNECT tunnel of the connection with the same addresses."""
    ending: Packet | None = None
    """The first packet with FIN or RST."""
    ttls: dict[str, set[int]] = field(default_factory=dict)
    """Of packets without RST, by their source."""

    @property
    def name(self) -> str:
        """The client's address, with `.t` inside a tunnel: no two connections of a sample share it."""
        return self.client + (".t" if self.inside else "")


def packets(path: Path) -> list[Packet]:
    """All TCP packets of a file."""
    argv = ["tshark", "-n", "-r", str(path), "-o", "tcp.desegment_tcp_streams:FALSE", "--disable-protocol", "socks"]
    argv += ["-Y", "tcp && !icmp && !icmpv6", "-T", "fields"]
    argv += [word for name in FIELDS for word in ("-e", name)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    return [
        Packet(
            int(row[0]),
            float(row[1]),
            f"{row[2] or row[10]}:{row[3]}",
            f"{row[4] or row[11]}:{row[5]}",
            int(row[6]),
            int(row[7], 16),
            bytes.fromhex(row[9].replace(":", "")) if int(row[8]) else b"",
            int(row[12] or 0),
        )
        for row in rows
    ]


def _place(direction: Direction, packet: Packet) -> None:
    """Add a packet's payload: what lies before the end is a retransmission, what lies beyond it waits."""
    if packet.flags & SYN:
        direction.base = (packet.sequence + 1) & 0xFFFFFFFF
        return
    if direction.base is None:
        direction.base = packet.sequence
    offset = (packet.sequence - direction.base) & 0xFFFFFFFF
    if not packet.payload or offset >= 1 << 31:
        return
    direction.early.setdefault(offset, packet)
    while (ready := min(direction.early, default=None)) is not None and ready <= len(direction.data):
        first, end = direction.early.pop(ready), len(direction.data)
        if ready + len(first.payload) > end:
            direction.pieces.append((end, first.number, first.time))
            direction.data += first.payload[end - ready :]


def connections(path: Path, capture: str) -> list[Connection]:
    """The connections of a file in order of first packet; a SYN without ACK starts a new one."""
    found: list[Connection] = []
    current: dict[tuple[str, str], Connection] = {}
    for packet in sorted(packets(path), key=lambda packet: (packet.time, packet.number)):
        forward, backward = (packet.source, packet.target), (packet.target, packet.source)
        if packet.flags & SYN and not packet.flags & ACK and not _repeated(current.get(forward), packet):
            connection = Connection(packet.source, packet.target, capture, packet.number, packet.time)
            current[forward] = connection
            found.append(connection)
        if forward in current:
            _place(current[forward].to_server, packet)
            _note(current[forward], packet)
        elif backward in current:
            _place(current[backward].to_client, packet)
            _note(current[backward], packet)
    whole: list[Connection] = []
    for connection in found:
        if connection.to_server.early or connection.to_client.early:
            msg = f"{connection.client}: bytes are missing"
            raise LabError(msg)
        connection.exchanges = _exchanges(connection)
        whole.append(connection)
        if connection.protocol == "connect" and (carried := _inside(connection)) is not None:
            whole.append(carried)
    return whole


def _note(connection: Connection, packet: Packet) -> None:
    if not packet.flags & RST:
        connection.ttls.setdefault(packet.source, set()).add(packet.ttl)
    if packet.flags & (FIN | RST) and connection.ending is None:
        connection.ending = packet


def _inside(tunnel: Connection) -> Connection | None:
    """The connection that a CONNECT tunnel carries."""
    ends = [tunnel.exchanges[-1].request_end, tunnel.exchanges[-1].response_end_at]
    to_server, to_client = (stream.after(end) for stream, end in zip((tunnel.to_server, tunnel.to_client), ends, strict=True))
    if not to_server.data:
        return None
    _, number, time = to_server.pieces[0]
    carried = Connection(tunnel.client, tunnel.server, tunnel.capture, number, time, to_server, to_client, inside=True)
    carried.exchanges = _exchanges(carried)
    return carried


def _repeated(connection: Connection | None, packet: Packet) -> bool:
    base = connection.to_server.base if connection else None
    return base is not None and base == (packet.sequence + 1) & 0xFFFFFFFF


class _Head(NamedTuple):
    start: str
    headers: list[tuple[str, str]]
    end: int

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


def _head(data: bytes, at: int) -> _Head | None:
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    lines = data[at:end].decode("latin-1").split("\r\n")
    pairs = [line.split(":", 1) for line in lines[1:]]
    return _Head(lines[0], [(pair[0].strip(), pair[1].strip()) for pair in pairs], end + 4)


def _body_end(data: bytes, head: _Head, *, response: bool, method: str) -> tuple[int, bytes]:
    """Where the message ends by its own words (maybe beyond the data) and its unframed body."""
    status = int(head.start.split(" ")[1]) if response else 0
    if response and (status in (204, 304) or 100 <= status < 200 or (method == "CONNECT" and status == 200)):
        return head.end, b""
    if "chunked" in [value.lower() for value in head.values("transfer-encoding")]:
        at, body = head.end, b""
        while (line_end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line_end].split(b";")[0], 16)
            body += data[line_end + 2 : line_end + 2 + size]
            at = line_end + 4 + size
            if size == 0:
                break
        return at, body
    lengths = head.values("content-length")
    end = head.end + int(lengths[0]) if lengths else len(data) if response else head.end
    return end, data[head.end : end]


def _before(connection: Connection, requests: bytes, responses: bytes) -> tuple[int, int]:
    """Reads what comes before HTTP, a SOCKS request or a PROXY header: how many bytes it took on each side."""
    if requests.startswith((b"PROXY ", SIGNATURE)):
        stream = io.BytesIO(requests)
        connection.before = {"proxy_header": {"version": 2 if requests[0] == 0x0D else 1, "client": proxy_header(stream)}}
        return stream.tell(), 0
    if requests[:1] == b"\4":
        user, _, rest = requests[8:].partition(b"\0")
        named = requests[4:7] == b"\0\0\0"
        host = rest.partition(b"\0")[0].decode() if named else ".".join(map(str, requests[4:8]))
        target = f"{host}:{struct.unpack_from('>H', requests, 2)[0]}"
        reply = responses[1] if len(responses) > 1 else None
        connection.before = {"socks": {"version": "4a" if named else "4", "target": target, "user": user.decode() or None, "reply": reply}}
        return 9 + len(user) + (len(host) + 1 if named else 0), 8
    if requests[:1] == b"\5" and responses[:1] == b"\5":
        return _socks5(connection, requests, responses)
    return 0, 0


def _socks5(connection: Connection, requests: bytes, responses: bytes) -> tuple[int, int]:
    at, back, user = 2 + requests[1], 2, None
    if responses[1] == SOCKS_NEEDS_PASSWORD:
        user = requests[at + 2 : at + 2 + requests[at + 1]].decode()
        at += 2 + len(user)
        at, back = at + 1 + requests[at], back + 2
    if len(requests) <= at or responses[back - 1]:
        connection.before = {"socks": {"version": "5", "target": None, "user": user, "refused": True}}
        return len(requests), back
    named = requests[at + 3] == 3
    host = requests[at + 5 : at + 5 + requests[at + 4]].decode() if named else ".".join(map(str, requests[at + 4 : at + 8]))
    at += 5 + len(host) if named else 8
    target = f"{host}:{struct.unpack_from('>H', requests, at)[0]}"
    connection.before = {"socks": {"version": "5", "target": target, "user": user, "reply": responses[back + 1] if len(responses) > back + 1 else None}}
    return at + 2, back + 10


def _exchanges(connection: Connection) -> list[Exchange]:
    """Requests in order, each with the response in the same place of the other direction."""
    requests, responses = bytes(connection.to_server.data), bytes(connection.to_client.data)
    at, back = _before(connection, requests, responses)
    if not requests.startswith(METHODS, at):
        connection.protocol = "tls" if requests[at : at + 2] == b"\x16\x03" else "other"
        return []
    found: list[Exchange] = []
    while at < len(requests) and requests.startswith(METHODS, at) and (head := _head(requests, at)):
        method, target, _ = head.start.split(" ", 2)
        end, body = _body_end(requests, head, response=False, method=method)
        number, time = connection.to_server.packet_at(at)
        exchange = Exchange(
            len(found) + 1,
            method,
            target,
            number,
            time,
            next(iter(head.values("authorization")), None),
            next(iter(head.values("proxy-authorization")), None),
            hashlib.sha256(body).hexdigest(),
            body=body,
        )
        found.append(exchange)
        at = exchange.request_end = end
        exchange.whole = end <= len(requests)
        while (answer := _head(responses, back)) is not None:
            status = int(answer.start.split(" ")[1])
            first, start = back, connection.to_client.packet_at(back)
            back, answer_body = _body_end(responses, answer, response=True, method=method)
            if status >= 200:
                exchange.status, (exchange.response_packet, exchange.response_time) = status, start
                exchange.complete, exchange.response_body = back <= len(responses), answer_body
                exchange.response_end_at = back
                exchange.response_end = connection.to_client.packet_at(max(back - 1, first))[1]
                exchange.challenge = tuple(answer.values("www-authenticate") + answer.values("proxy-authenticate"))
                break
        if method == "CONNECT" and exchange.status == 200:
            connection.protocol = "connect"
            break
    return found
