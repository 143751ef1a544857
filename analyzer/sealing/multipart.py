"""The parts of a ``multipart/encrypted`` or ``multipart/x-multi-encrypted`` body (MS-WSMV 2.2.9.1.1 to 2.2.9.1.3).

    --Encrypted Boundary CRLF
    [TAB]Content-Type: application/HTTP-SPNEGO-session-encrypted CRLF
    [TAB]OriginalContent: type=application/soap+xml;charset=UTF-8;Length=1234 CRLF
    --Encrypted Boundary CRLF
    [TAB]Content-Type: application/octet-stream CRLF
    u32le size of the token header | token header | ciphertext            no CRLF before the next delimiter

Ciphertext is never searched: where it ends follows from the declared length, or for CredSSP from the lengths of the TLS records that it is. The TAB may be
missing, and a space may stand after the two dashes: Exchange and Windows' own event collector write it so.
"""

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from analyzer.records.sealing import SealedPart

_HEAD = 2048
_HEADER_LIMIT = 1024
_DELIMITER = re.compile(rb"--[ \t]*([^\r\n]{1,200}?)(--)?\r?\n?$")
_PROTOCOL = re.compile(rb"Content-Type:\s*(?:application/)?([^\s;]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"Length\s*=\s*(\d{1,12})", re.IGNORECASE)
_USUAL = re.compile(
    rb"--Encrypted Boundary\r\n\t?Content-Type: application/([\w-]{1,60})\r\n\t?OriginalContent: type=application/soap\+xml;charset=[\w-]{1,20};"
    rb"Length=(\d{1,12})\r\n--Encrypted Boundary\r\n\t?Content-Type: application/octet-stream\r\n"
)
"""A head as Windows, pywinrm, pypsrp and the others write it: read at once."""
OVER = "sealed_parts="
"""How the problem begins where there are more parts than are read."""
_CFX = b"\x05\x04"
_TLS_RECORD = 5

Read = Callable[[int, int], bytes]
"""read(offset in the body, size): the bytes, fewer at a gap or the end."""


class Parts(NamedTuple):
    """The parts found, the protocol word of the first, and what is wrong (None when nothing is)."""

    parts: tuple[SealedPart, ...]
    protocol: str | None
    problem: str | None


def parts(read: Read, size: int, limit: int) -> Parts:
    """The sealed parts of a body of ``size`` bytes; at most ``limit``. Stops at the first thing it does not understand and keeps what came before."""
    found: list[SealedPart] = []
    protocol = None
    at = 0
    window = read(at, _HEAD)
    while at < size and len(found) < limit:
        head = _Head(window)
        if head.closing:
            return Parts(tuple(found), protocol, None)
        if head.problem is not None:
            return Parts(tuple(found), protocol, f"part {len(found) + 1} at offset {at}: {head.problem}")
        protocol = protocol or head.protocol
        begin = at + head.size
        prefix = window[head.size : head.size + 4]
        if len(prefix) < 4:
            prefix = read(begin, 4)
        if len(prefix) < 4:
            return Parts(tuple(found), protocol, f"part {len(found) + 1}: the token is not captured")
        header_size = struct.unpack("<I", prefix)[0]
        if header_size > _HEADER_LIMIT:
            return Parts(tuple(found), protocol, f"part {len(found) + 1}: a token header of {header_size} bytes")
        header = window[head.size + 4 : head.size + 4 + header_size]
        if len(header) < header_size:
            header = read(begin + 4, header_size)
        data_at = begin + 4 + header_size
        if data_at > size:
            return Parts(tuple(found), protocol, f"part {len(found) + 1}: a token header of {header_size} bytes does not fit the body")
        data_size = _credssp_size(read, begin + 4, size) - header_size if _is_credssp(head.protocol) else head.length
        if data_size is None or data_size < 0 or data_at + data_size > size:
            data_size = max(size - data_at, 0)
            found.append(SealedPart(head.length, header, data_at, data_size, _sequence(header)))
            return Parts(tuple(found), protocol, f"part {len(found)}: its declared length does not fit the body")
        found.append(SealedPart(head.length, header, data_at, data_size, _sequence(header)))
        at = data_at + data_size
        window = read(at, _HEAD)
        if window[:2] not in (b"--", b""):
            return Parts(tuple(found), protocol, f"part {len(found)}: no delimiter after its {data_size} bytes")
    more = at < size and not _Head(window).closing
    return Parts(tuple(found), protocol, f"{OVER}{limit}: later encrypted parts of the body were not read" if more else None)


def _is_credssp(protocol: str | None) -> bool:
    return protocol is not None and "credssp" in protocol.lower()


class _Head:
    """The text lines before a part's token."""

    def __init__(self, window: bytes) -> None:
        self.protocol: str | None = None
        self.length: int | None = None
        self.closing = False
        self.problem: str | None = None
        self.size = 0
        usual = _USUAL.match(window)
        if usual is not None:
            self.protocol, self.length, self.size = usual[1].decode("latin-1"), int(usual[2]), usual.end()
            return
        while True:
            end = window.find(b"\n", self.size, _HEAD)
            line = window[self.size : end + 1] if end >= 0 else window[self.size :]
            text = line.strip(b" \t\r\n")
            if self._ends(text):
                return
            if end < 0 or not self._known(text):
                self.problem = "its head is not understood" if window else "it is not captured"
                return
            self.size = end + 1
            if b"application/octet-stream" in text.lower():
                return

    def _ends(self, text: bytes) -> bool:
        match = _DELIMITER.match(text)
        self.closing = match is not None and match[2] is not None
        return self.closing

    def _known(self, text: bytes) -> bool:
        if text.startswith(b"--") or not text:
            return True
        protocol = _PROTOCOL.match(text)
        if protocol is not None and self.protocol is None:
            self.protocol = protocol[1].decode("latin-1")
        length = _LENGTH.search(text)
        if length is not None:
            self.length = int(length[1])
        return protocol is not None or length is not None or b":" in text


def _credssp_size(read: Read, at: int, size: int) -> int:
    """The size of the run of TLS records that begins at ``at`` (MS-WSMV 2.2.9.1.3: token header and data are one TLS stream)."""
    begin = at
    while at + _TLS_RECORD <= size:
        record = read(at, _TLS_RECORD)
        if len(record) < _TLS_RECORD or record[1] != 3 or not 20 <= record[0] <= 24:
            break
        at += _TLS_RECORD + int.from_bytes(record[3:5], "big")
    return at - begin


def _sequence(header: bytes) -> int | None:
    """The sequence number where it travels in clear: NTLM with extended session security (MS-NLMP 2.2.2.9.2) and CFX (RFC 4121 section 4.2.6.2)."""
    if len(header) == 16 and header[:4] == b"\x01\x00\x00\x00":
        return int(struct.unpack_from("<I", header, 12)[0])
    if header[:2] == _CFX and len(header) >= 16:
        return int(struct.unpack_from(">Q", header, 8)[0])
    return None
