"""Sealed WinRM bodies (MS-WSMV 2.2.9.1), by declared lengths."""

import re
import struct

import spnego

CHUNK_BYTES = 16384
CLOSING = b"--Encrypted Boundary--\r\n"
OCTETS = b"\tContent-Type: application/octet-stream\r\n"


class SealError(ValueError):
    """The body does not open under the connection's context."""


def protocol_of(content_type: str) -> str:
    """The protocol= word of a multipart content type."""
    found = re.search(r'protocol="([^"]+)"', content_type)
    return found.group(1) if found else "application/HTTP-SPNEGO-session-encrypted"


def opened(context: spnego.ContextProxy, body: bytes, *, credssp: bool) -> bytes:
    """The plain SOAP of a sealed body."""
    plain, at = b"", 0
    while not body.startswith(CLOSING, at):
        declared = re.compile(rb"Length=(\d+)\r\n").search(body, at)
        octets = body.find(OCTETS, at)
        if declared is None or octets < 0:
            msg = "no part headers"
            raise SealError(msg)
        start = octets + len(OCTETS)
        header_size = struct.unpack_from("<I", body, start)[0]
        data_at = start + 4 + header_size
        size = int(declared.group(1))
        if credssp:
            # TLS records say their own size: the part ends where the next delimiter follows a whole record.
            size = _records_size(body[start + 4 :]) - header_size
        header, data = body[start + 4 : data_at], body[data_at : data_at + size]
        plain += context.unwrap_winrm(header, data)
        at = data_at + size
    return plain


def _records_size(data: bytes) -> int:
    size = 0
    while data[size : size + 2] == b"\x17\x03":
        size += 5 + struct.unpack_from(">H", data, size + 3)[0]
    return size


def sealed(context: spnego.ContextProxy, plain: bytes, protocol: str) -> tuple[str, bytes]:
    """Content type and body that carry `plain`."""
    several = "CredSSP" in protocol and len(plain) > CHUNK_BYTES
    chunks = [plain[at : at + CHUNK_BYTES] for at in range(0, len(plain), CHUNK_BYTES)] if several else [plain]
    body = b""
    for chunk in chunks:
        header, data, padding = context.wrap_winrm(chunk)
        body += (
            b"--Encrypted Boundary\r\n"
            + f"\tContent-Type: {protocol}\r\n".encode()
            + f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(chunk) + padding}\r\n".encode()
            + b"--Encrypted Boundary\r\n"
            + OCTETS
            + struct.pack("<I", len(header))
            + header
            + data
        )
    kind = "multipart/x-multi-encrypted" if several else "multipart/encrypted"
    return f'{kind};protocol="{protocol}";boundary="Encrypted Boundary"', body + CLOSING
