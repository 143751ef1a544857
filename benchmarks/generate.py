"""Makes large captures out of a small real one: each copy has its own addresses, its own tokens and its own ciphertext, so that nothing joins by accident.

``python -m benchmarks.generate SAMPLE.pcap OUT.pcap COPIES [--same | --crowd CLIENT]``: bytes are changed at equal places on both legs of a copy, so that
legs still match each other. ``--crowd``: CLIENT becomes another machine in each copy, and all of them use the sample's one proxy and server.
Checksums are left as they are: the analyzer does not use them. Times of each copy are moved by 50 ms.
"""

import base64
import hashlib
import re
import struct
import sys
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from analyzer.capture.containers import rows
from analyzer.capture.open import opened
from analyzer.capture.window import Walk
from analyzer.settings import Limits

_TOKEN = re.compile(rb"(?:Negotiate|NTLM|Kerberos) ([A-Za-z0-9+/]{40,}=*)")
_GUID = re.compile(rb"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
"""MessageID, ShellId, CommandId and their kin, in clear text."""
_SEALED = b"application/octet-stream\r\n"
_LINKS = {1: 14, 113: 16, 276: 20}
_EPHEMERAL = 32768


def copies(sample: Path, count: int, *, same_contents: bool = False) -> Iterator[tuple[int, int, bytes]]:
    """(link type, time in ns, frame) for each packet of each copy, in order of time within a copy.

    ``same_contents``: only addresses and sequence numbers differ, so keys still fit."""
    found = _frames(sample)
    named = {} if same_contents else _identifiers(found)
    for copy in range(count):
        salt = hashlib.sha256(str(copy).encode()).digest()
        for place_of, (link, ts_ns, frame) in enumerate(found):
            data, at = bytearray(frame), _LINKS[link]
            if _is_tcp(frame, at):
                for place in (at + 12, at + 16):  # 10.a.b.c becomes another network for each copy
                    data[place + 1] = (data[place + 1] + (copy >> 8)) & 0xFF
                    data[place + 2] = (data[place + 2] + copy) & 0xFF
                _with_other_numbers(data, at + 4 * (frame[at] & 15), copy)
                _with_other_contents(data, frame, b"" if same_contents else salt)
                for begin, cut, text in () if same_contents else named.get(place_of, ()):
                    data[begin : begin + cut.stop - cut.start] = _other_guid(text, salt)[cut]
            yield link, ts_ns + copy * 50_000_000, bytes(data)


def crowd(sample: Path, count: int, client: str) -> Iterator[tuple[int, int, bytes]]:
    """As `copies`, but ``client`` alone becomes another machine in each copy (10.99.0.1, 10.99.0.2, ...); ports are moved on both sides of the proxy."""
    own, found = bytes(map(int, client.split("."))), _frames(sample)
    for copy in range(count):
        salt = hashlib.sha256(f"client {copy}".encode()).digest()
        for link, ts_ns, frame in found:
            data, at = bytearray(frame), _LINKS[link]
            if _is_tcp(frame, at):
                for place in (at + 12, at + 16):
                    if data[place : place + 4] == own:
                        data[place : place + 4] = bytes((10, 99, (copy + 1) >> 8, (copy + 1) & 0xFF))
                ports = at + 4 * (frame[at] & 15)
                for place in (ports, ports + 2):
                    port = int.from_bytes(frame[place : place + 2], "big")
                    if port >= _EPHEMERAL:
                        data[place : place + 2] = (_EPHEMERAL + (port - _EPHEMERAL + 211 * copy) % (65536 - _EPHEMERAL)).to_bytes(2, "big")
                _with_other_numbers(data, ports, copy)
                _with_other_contents(data, frame, salt)
            yield link, ts_ns + copy * 50_000_000, bytes(data)


def _with_other_numbers(data: bytearray, tcp: int, copy: int) -> None:
    """Other initial sequence numbers: equal ones at both ends would be address translation."""
    for place in (tcp + 4, *([tcp + 8] if data[tcp + 13] & 0x10 else [])):
        number = (int.from_bytes(data[place : place + 4], "big") + copy * 1_000_003) % (1 << 32)
        data[place : place + 4] = number.to_bytes(4, "big")


def _frames(sample: Path) -> list[tuple[int, int, bytes]]:
    source = opened(str(sample))
    found = [(row.link, row.ts_ns, bytes(row.buffer[row.at : row.at + row.size])) for row in rows(source.fill, Limits(), Walk())]
    source.raw.close()
    found.sort(key=lambda row: row[1])  # of two interfaces, each in its own order: a reader of times alone would take answers for earlier than questions
    return found


def _is_tcp(frame: bytes, at: int) -> bool:
    return len(frame) >= at + 40 and frame[at] >> 4 == 4 and frame[at + 9] == 6


def _with_other_contents(data: bytearray, frame: bytes, salt: bytes) -> None:
    for match in _TOKEN.finditer(frame) if salt else ():
        token = bytearray(base64.b64decode(match[1]))
        begin = _random_part(token)
        if begin:
            token[begin : begin + 8] = salt[:8]
            data[match.start(1) : match.end(1)] = base64.b64encode(token)
    sealed = frame.find(_SEALED) if salt else -1
    if sealed >= 0:
        begin = sealed + len(_SEALED) + 4 + 16 + 8
        data[begin : begin + 8] = salt[:8]


def _identifiers(frames: list[tuple[int, int, bytes]]) -> dict[int, list[tuple[int, slice, bytes]]]:
    """Identifiers in clear text by the place of a frame: (where in it, which part of the identifier, the whole of it). Legs cut them at different places."""
    streams: dict[bytes, dict[int, tuple[int, int, bytes]]] = {}
    for place, (link, _, frame) in enumerate(frames):
        at = _LINKS[link]
        if not _is_tcp(frame, at):
            continue
        tcp = at + 4 * (frame[at] & 15)
        begin = tcp + 4 * (frame[tcp + 12] >> 4)
        payload = frame[begin : at + int.from_bytes(frame[at + 2 : at + 4], "big")]
        if payload:
            stream = streams.setdefault(frame[at + 12 : at + 20] + frame[tcp : tcp + 4], {})
            stream.setdefault(int.from_bytes(frame[tcp + 4 : tcp + 8], "big"), (place, begin, payload))
    found: dict[int, list[tuple[int, slice, bytes]]] = {}
    for stream in streams.values():
        pieces = [stream[number] for number in sorted(stream)]
        ends = list(accumulate(len(payload) for _, _, payload in pieces))
        for match in _GUID.finditer(b"".join(payload for _, _, payload in pieces)):
            for index in range(bisect_right(ends, match.start()), bisect_left(ends, match.end()) + 1):
                place, begin, payload = pieces[index]
                first = ends[index] - len(payload)
                cut = slice(max(first - match.start(), 0), min(ends[index], match.end()) - match.start())
                found.setdefault(place, []).append((begin + match.start() + cut.start - first, cut, match[0]))
    return found


def _other_guid(text: bytes, salt: bytes) -> bytes:
    """The same one for the same one, in either case of letters, whichever leg it is met on."""
    made = str(uuid.UUID(bytes=hashlib.sha256(text.lower() + salt).digest()[:16], version=4)).encode()
    return made.upper() if text.upper() == text else made


def _random_part(token: bytearray) -> int:
    """Where an NTLM message holds bytes that nobody chose: the server's challenge, or the proof of the response (MS-NLMP 2.2.1.2, 2.2.1.3); else 0."""
    at = token.find(b"NTLMSSP\0")
    if at < 0 or len(token) < at + 32:
        return 0
    kind = int.from_bytes(token[at + 8 : at + 12], "little")
    if kind == 2:
        return at + 24
    begin = at + int.from_bytes(token[at + 24 : at + 28], "little")
    return begin if kind == 3 and begin + 8 <= len(token) else 0


def write(out: Path, packets: Iterator[tuple[int, int, bytes]]) -> int:
    """Writes a nanosecond pcap; gives the number of packets."""
    number = 0
    with out.open("wb") as file:
        for link, ts_ns, frame in packets:
            if not number:
                file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
            file.write(struct.pack("<IIII", ts_ns // 1_000_000_000, ts_ns % 1_000_000_000, len(frame), len(frame)) + frame)
            number += 1
    return number


if __name__ == "__main__":
    given, number = Path(sys.argv[1]), int(sys.argv[3])
    frames = crowd(given, number, sys.argv[5]) if "--crowd" in sys.argv else copies(given, number, same_contents="--same" in sys.argv)
    made = write(Path(sys.argv[2]), frames)
    print(f"{made} packets")
