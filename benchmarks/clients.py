"""Many clients out of one: a capture of one client through a proxy is repeated with other addresses, ports, tokens, bodies and times.

    python -m benchmarks.clients sample_pcaps/badproxy-close-after-200/capture.pcap 10.10.1.11 50 many.pcap

What makes two sessions different on the wire differs: the client's address, the ports of both sides, initial sequence numbers, the bytes of NTLM challenges
and answers and of encrypted bodies. What the proxy does stays as it was captured.
"""

import base64
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import dpkt

_NANO = 0xA1B23C4D
_LINKS = {1: dpkt.ethernet.Ethernet, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2}
"""What the lab's captures have around IP packets, by link type."""
_TOKEN = re.compile(rb"(?<=Negotiate )[A-Za-z0-9+/]{40,}={0,2}")
_BODY = re.compile(rb"(?<=octet-stream\r\n)(.{4})(.+?)(?=--Encrypted Boundary|\Z)", re.DOTALL)
_MORE = re.compile(rb"\A()((?!POST |HTTP/|CONNECT |--Encrypted).+?)(?=--Encrypted Boundary|\Z)", re.DOTALL)
"""An encrypted body behind its length, and the rest of one in the next segment."""
_NTLM = b"NTLMSSP\x00"
_CHALLENGE_AT = 24
_STEP_NS = 40_000_000
"""Each client begins so much later than the one before: their sessions overlap."""
_PORTS, _FIRST_PORT = 35_000, 30_000


def many(capture: Path, client: str, number: int) -> Iterator[bytes]:
    """The bytes of a capture with all clients, packets in order of time. ``client``: the address to be replaced."""
    data = capture.read_bytes()
    link = struct.unpack_from("<I", data, 20)[0]
    frames = list(_records(data))
    made = [(time + one * _STEP_NS, other(frame, link, client, one)) for one in range(number) for time, frame in frames]
    yield struct.pack("<IHHiIII", _NANO, 2, 4, 0, 0, 262_144, link)
    for time, frame in sorted(made, key=lambda packet: packet[0]):
        yield struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), len(frame)) + frame


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Time in nanoseconds and frame of each record of a little-endian pcap file."""
    unit = 1 if struct.unpack_from("<I", data)[0] == _NANO else 1000
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        yield seconds * 10**9 + fraction * unit, data[at + 16 : at + 16 + size]
        at += 16 + size


def other(frame: bytes, link: int, client: str, one: int) -> bytes:
    """The frame as client ``one`` would have sent or got it; 0 is the client of the capture."""
    ethernet = _LINKS[link](frame)
    ip = ethernet.data
    if one == 0 or not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.tcp.TCP):
        return frame
    tcp = ip.data
    before, after = bytes(map(int, client.split("."))), _address(client, one)
    ip.src, ip.dst = (after if host == before else host for host in (ip.src, ip.dst))
    tcp.sport, tcp.dport = _port(tcp.sport, one), _port(tcp.dport, one)
    tcp.seq, tcp.ack = (tcp.seq + one * 1_000_003) % 2**32, (tcp.ack + one * 1_000_003) % 2**32 if tcp.flags & dpkt.tcp.TH_ACK else 0
    text = _TOKEN.sub(lambda found: _token(found[0], one), bytes(tcp.data))
    tcp.data = (_BODY if text.startswith((b"POST ", b"HTTP/", b"CONNECT ", b"--Encrypted")) else _MORE).sub(
        lambda found: found[1] + _mixed(found[2], one), text
    )
    ip.id, ip.sum, tcp.sum = (ip.id + one) % 65_536, 0, 0
    return bytes(ethernet)


def _address(client: str, one: int) -> bytes:
    parts = [int(part) for part in client.split(".")]
    return bytes([*parts[:2], 100 + one // 200, 1 + one % 200])


def _port(port: int, one: int) -> int:
    """Ports of services stay; the others move, so that no two clients share one."""
    return port if port < _FIRST_PORT else _FIRST_PORT + (port - _FIRST_PORT + one * 389) % _PORTS


def _token(text: bytes, one: int) -> bytes:
    """An NTLM token with another challenge or answer; other tokens as they are."""
    token = bytearray(base64.b64decode(text))
    at = bytes(token).find(_NTLM)
    if at < 0 or len(token) < at + 12:
        return text
    kind = struct.unpack_from("<I", token, at + 8)[0]
    if kind == 2:
        token[at + _CHALLENGE_AT : at + _CHALLENGE_AT + 8] = _mixed(bytes(token[at + _CHALLENGE_AT : at + _CHALLENGE_AT + 8]), one)
    if kind == 3:
        size, _, offset = struct.unpack_from("<HHI", token, at + 20)
        token[at + offset : at + offset + min(16, size)] = _mixed(bytes(token[at + offset : at + offset + min(16, size)]), one)
    return base64.b64encode(bytes(token))


def _mixed(data: bytes, one: int) -> bytes:
    """Every byte changed alike, so that both sides of the proxy stay equal however they are cut into segments."""
    return bytes(byte ^ (1 + one % 255) for byte in data)


def main(arguments: list[str]) -> None:
    """Writes the capture."""
    source, client, number, target = arguments
    with Path(target).open("wb") as file:
        file.writelines(many(Path(source), client, int(number)))


if __name__ == "__main__":
    main(sys.argv[1:])
