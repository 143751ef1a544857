"""What stands before the protocol proper, for transcripts: SOCKS dialogs and PROXY headers."""

import socket
import struct

from tests.build.talks import Talk

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
NAME = "srv01.lab.example"


def socks5(talk: Talk, host: str = NAME, port: int = 5985, *, user: str = "", password: str = "", reply: int = 0) -> tuple[int, int]:
    """A dialog of SOCKS 5, with a logon when there is a user; packets of the request and the reply."""
    talk.exchange(b"\x05\x02\x00\x02" if user else b"\x05\x01\x00", b"\x05\x02" if user else b"\x05\x00")
    if user:
        talk.exchange(login(user, password), b"\x01\x00")
    return talk.exchange(request5(host, port), b"\x05" + bytes([reply]) + b"\x00\x01\x0a\x14\x02\x01\x9c\x41")


def login(user: str, password: str) -> bytes:
    """User name and password (RFC 1929)."""
    return b"\x01" + bytes([len(user)]) + user.encode() + bytes([len(password)]) + password.encode()


def request5(host: str, port: int, command: int = 1) -> bytes:
    """A request of SOCKS 5: to an address, or to a name."""
    return b"\x05" + bytes([command]) + b"\x00" + _address(host) + struct.pack(">H", port)


def _address(host: str) -> bytes:
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host)
        except OSError:
            continue
    return b"\x03" + bytes([len(host)]) + host.encode()


def request4(host: str, port: int, user: str = "") -> bytes:
    """A request of SOCKS 4, or 4a for a name."""
    try:
        address, name = socket.inet_aton(host), b""
    except OSError:
        address, name = b"\0\0\0\1", host.encode() + b"\0"
    return b"\x04\x01" + struct.pack(">H", port) + address + user.encode() + b"\0" + name


def reply4(code: int = 90) -> bytes:
    """The answer of a SOCKS 4 proxy."""
    return bytes([0, code]) + bytes(6)


def header1(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """A PROXY header of version 1."""
    family = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {family} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


def header2(client: tuple[str, int], server: tuple[str, int], *, fields: bytes = b"") -> bytes:
    """A PROXY header of version 2."""
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, host) for host in (client[0], server[0])) + struct.pack(">HH", client[1], server[1])
    kind = b"\x21" if family == socket.AF_INET6 else b"\x11"
    return SIGNATURE + b"\x21" + kind + struct.pack(">H", len(ends) + len(fields)) + ends + fields
