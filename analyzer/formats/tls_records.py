"""The records of one direction of a TLS connection, and what its handshake tells in clear (RFC 8446 section 5.1 and 4, RFC 5246 section 7.4).

Records are found one after the other by their lengths; after a hole the next plausible record header is looked for.
"""

import re
import struct
from collections.abc import Iterator

from msgspec import Struct

from analyzer.formats.reader import Reader

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, FINISHED, KEY_UPDATE = 1, 2, 20, 24
_HEADER = 5
_LARGEST = (1 << 14) + 2048
_WINDOW = 1 << 16
"""Bytes that are searched at a time for the beginning of a record."""
_BEGINS = re.compile(rb"[\x14-\x18](?=\x03[\x00-\x04])")
_ENCRYPT_THEN_MAC, _SUPPORTED_VERSIONS = 22, 43
_HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Record(Struct, frozen=True, gc=False):
    """A record: its content type, its header, its body, and where it lies in the stream. ``after_hole``: bytes before it are missing."""

    kind: int
    header: bytes
    body: bytes
    at: int
    end_at: int
    after_hole: bool


class Hello(Struct, frozen=True, gc=False):
    """What a hello tells: the random, the cipher suite chosen (server) and the version chosen, whether encrypt-then-MAC was agreed."""

    random: bytes
    suite: int
    version: int
    encrypt_then_mac: bool


def records(reader: Reader) -> Iterator[Record]:
    """Every whole record, in order."""
    at = 0
    after_hole = not reader.stream.begins
    while at < reader.stream.size:
        reader.at = at
        header = reader.peek(_HEADER)
        size = int.from_bytes(header[3:5], "big") if _plausible(header) else -1
        body = b""
        if size >= 0:
            reader.at = at + _HEADER
            body = reader.peek(size)
        if size < 0 or len(body) < size:
            following = _next_header(reader, at + 1)
            if following is None:
                return
            at, after_hole = following, True
            continue
        yield Record(header[0], header, body, at, at + _HEADER + size, after_hole)
        at += _HEADER + size
        after_hole = False


def _plausible(header: bytes) -> bool:
    return (
        len(header) == _HEADER
        and CHANGE_CIPHER_SPEC <= header[0] <= APPLICATION_DATA + 1
        and header[1] == 3
        and header[2] <= 4
        and int.from_bytes(header[3:5], "big") <= _LARGEST
    )


def _next_header(reader: Reader, at: int) -> int | None:
    """The next place where a captured segment, or any captured byte, begins with a record header that another one follows (or the end)."""
    place = reader.next_data(at)
    while place is not None and place < reader.stream.size:
        data = reader.read(place, place + _WINDOW)
        for found in _BEGINS.finditer(data):
            reader.at = place + found.start()
            header = reader.peek(_HEADER)
            if _plausible(header):
                reader.at = end = place + found.start() + _HEADER + int.from_bytes(header[3:5], "big")
                if end >= reader.stream.size or _plausible(reader.peek(_HEADER)) or not reader.peek(1):
                    return place + found.start()
        whole = len(data) == _WINDOW  # a header may begin in the last bytes of a window, not before a hole
        place = reader.next_data(place + (len(data) - _HEADER + 1 if whole else max(len(data), 1)))
    return None


def handshakes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole handshake messages in a run of handshake data: (type, body)."""
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if at + 4 + size > len(data):
            return
        yield data[at], data[at + 4 : at + 4 + size]
        at += 4 + size


def hello(kind: int, body: bytes) -> Hello | None:
    """A ClientHello or ServerHello; None when it is cut or no hello, or a HelloRetryRequest."""
    try:
        version, random = struct.unpack_from(">H32s", body)
        at = 35 + body[34]
        suite = 0
        if kind == CLIENT_HELLO:
            at += 2 + int.from_bytes(body[at : at + 2], "big")
            at += 1 + body[at]
        else:
            suite = int.from_bytes(body[at : at + 2], "big")
            at += 3
        found = dict(extensions(body, at))
    except (struct.error, IndexError):
        return None
    if random == _HELLO_RETRY:
        return None
    if kind == SERVER_HELLO and _SUPPORTED_VERSIONS in found:
        version = int.from_bytes(found[_SUPPORTED_VERSIONS], "big")
    return Hello(random, suite, version, _ENCRYPT_THEN_MAC in found)


def server_extensions(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The extensions of a ServerHello (RFC 5246 section 7.4.1.3), as far as they are there."""
    return extensions(body, 38 + body[34]) if len(body) > 34 else iter(())


def extensions(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The extensions of a list that begins with its size at ``at``: (type, data)."""
    end = min(at + 2 + int.from_bytes(body[at : at + 2], "big"), len(body))
    at += 2
    while at + 4 <= end:
        kind, size = struct.unpack_from(">HH", body, at)
        yield kind, body[at + 4 : at + 4 + size]
        at += 4 + size
