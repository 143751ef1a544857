"""Reads what stands before the protocol proper: requests to SOCKS proxies and headers of the PROXY protocol.

SOCKS 5 is RFC 1928, its user name and password RFC 1929. SOCKS 4 and 4a are described by their authors (Ying-Da Lee):
command, port, address, user id; in 4a an address of 0.0.0.x says that a name follows. The PROXY protocol is haproxy's
doc/proxy-protocol.txt: one line of text, or a signature with binary fields.
"""

import ipaddress
import struct
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.formats.reader import Hole, Reader, Short
from analyzer.records.prefaces import Preface, ProxyHeader, Socks

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = 107
"""Bytes of the longest header of version 1, its line end included."""
_USER = 512
_NAME = 256
_COMMANDS = {1: "connect", 2: "bind", 3: "udp_associate"}
_METHODS = {0: "none", 1: "gssapi", 2: "password", 0xFF: "none_acceptable"}
_REPLIES_5 = (
    "succeeded",
    "general_failure",
    "not_allowed_by_ruleset",
    "network_unreachable",
    "host_unreachable",
    "connection_refused",
    "ttl_expired",
    "command_not_supported",
    "address_type_not_supported",
)
_REPLIES_4 = {90: "granted", 91: "rejected_or_failed", 92: "no_identd_at_the_client", 93: "identd_names_another_user"}
_GRANTED_4 = 90
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_TCP4, _TCP6 = 0x11, 0x21
_AUTHORITY = 2
"""PP2_TYPE_AUTHORITY, the server name of the client's TLS."""


class Read(NamedTuple):
    """A preface, and where the two streams go on behind it. ``open``: what follows is the protocol proper."""

    preface: Preface
    client_at: int
    server_at: int
    open: bool


def preface(near: Reader, far: Reader) -> Read | None:
    """The preface that the client's stream begins with at ``near``; None when it begins with none."""
    start = near.read(near.at, near.at + len(_SIGNATURE))
    if start[:1] == b"\x05":
        return _read(near, far, _socks5, Socks("5"))
    if start[:1] == b"\x04" and start[1:2] in (b"\x01", b"\x02"):
        return _read(near, far, _socks4, Socks("4"))
    if start.startswith(b"PROXY "):
        return _header(near, far, _line)
    if start == _SIGNATURE:
        return _header(near, far, _binary)
    return None


class _Talk:
    """Both directions of a SOCKS dialog while they are read, and what is known so far."""

    def __init__(self, near: Reader, far: Reader, known: Socks) -> None:
        self.near = near.moved(near.at)
        self.far = far.moved(far.at)
        self.known = known

    def note(self, **found: object) -> None:
        self.known = replace(self.known, **found)

    def carried(self, reader: Reader, start: int) -> int | None:
        """The packet that the message from ``start`` on came in."""
        packets = reader.packets(start, reader.at)
        self.note(packets=tuple(sorted({*self.known.packets, *packets})))
        return packets[0] if packets else None


def _read(near: Reader, far: Reader, steps: Callable[[_Talk], bool], known: Socks) -> Read | None:
    """What a dialog gives as far as it is in the capture; None when it is no SOCKS after all."""
    talk = _Talk(near, far, known)
    through = False
    try:
        through = steps(talk)
    except (Short, Hole):
        pass
    except _NoSocksError:
        return None
    return Read(talk.known, talk.near.at, talk.far.at, through) if talk.known.packets else None


class _NoSocksError(Exception):
    """The bytes do not fit."""


def _socks5(talk: _Talk) -> bool:
    start = talk.near.at
    count = talk.near.take(2)[1]
    offered = talk.near.take(count)
    if not count:
        raise _NoSocksError
    heard = talk.far.peek(2)
    if heard[:1] not in (b"", b"\x05"):
        raise _NoSocksError
    talk.carried(talk.near, start)
    talk.note(offered=tuple(_METHODS.get(number, f"method_{number}") for number in offered))
    if heard:
        start = talk.far.at
        method = talk.far.take(2)[1]
        reply = talk.carried(talk.far, start)
        talk.note(method=_METHODS.get(method, f"method_{method}"))
        if method == 0xFF:
            talk.note(granted=False, reply="none_acceptable", reply_packet=reply)
            return False
    if talk.near.peek(1) == b"\x01":
        _password(talk)
    return _request_5(talk)


def _password(talk: _Talk) -> None:
    """RFC 1929: version, user name, password; version, status."""
    start = talk.near.at
    user = talk.near.take(talk.near.take(2)[1])
    secret = talk.near.take(talk.near.take(1)[0])
    packet = talk.carried(talk.near, start)
    talk.note(
        user=user.decode("utf-8", "replace"),
        password=bool(secret),
        password_packet=packet,
        method=talk.known.method or "password",
    )
    if not talk.far.peek(1):
        return
    start = talk.far.at
    accepted = talk.far.take(2)[1] == 0
    reply = talk.carried(talk.far, start)
    talk.note(login=accepted)
    if not accepted:
        talk.note(granted=False, reply="password_refused", reply_packet=reply)


def _request_5(talk: _Talk) -> bool:
    start = talk.near.at
    version, command, _, kind = talk.near.take(4)
    if version != 5 or command not in _COMMANDS:
        raise Short
    host = _address(talk.near, kind)
    port = int.from_bytes(talk.near.take(2), "big")
    talk.note(request_packet=talk.carried(talk.near, start), command=_COMMANDS[command], host=host, port=port)
    start = talk.far.at
    version, code, _, kind = talk.far.take(4)
    if version != 5:
        raise Short
    words = _REPLIES_5[code] if code < len(_REPLIES_5) else f"reply_{code}"
    talk.note(granted=code == 0, reply=words, reply_code=code, reply_packet=talk.far.near_packet(start))
    _address(talk.far, kind)
    talk.far.take(2)
    talk.carried(talk.far, start)
    return code == 0 and command == 1


def _address(reader: Reader, kind: int) -> str:
    if kind == _IPV4:
        return str(ipaddress.IPv4Address(reader.take(4)))
    if kind == _IPV6:
        return str(ipaddress.IPv6Address(reader.take(16)))
    if kind == _DOMAIN:
        return reader.take(reader.take(1)[0]).decode("utf-8", "replace")
    raise Short


def _socks4(talk: _Talk) -> bool:
    start = talk.near.at
    _, command, port, address = struct.unpack(">BBH4s", talk.near.take(8))
    user = talk.near.until(b"\0", _USER).decode("utf-8", "replace")
    named = address[:3] == bytes(3) and address[3] != 0
    host = talk.near.until(b"\0", _NAME).decode("utf-8", "replace") if named else str(ipaddress.IPv4Address(address))
    heard = talk.far.peek(2)
    if heard and (heard[0] != 0 or (heard[1:2] and heard[1] not in _REPLIES_4)):
        raise _NoSocksError
    talk.note(request_packet=talk.carried(talk.near, start))
    talk.note(version="4a" if named else "4", command=_COMMANDS[command], host=host, port=port, user=user or None)
    start = talk.far.at
    code = talk.far.take(8)[1]
    packet = talk.carried(talk.far, start)
    talk.note(granted=code == _GRANTED_4, reply=_REPLIES_4[code], reply_code=code, reply_packet=packet)
    return code == _GRANTED_4 and command == 1


def _header(near: Reader, far: Reader, parse: Callable[[Reader], ProxyHeader | None]) -> Read | None:
    reader = near.moved(near.at)
    try:
        found = parse(reader)
    except (Short, Hole):
        return None
    if found is None:
        return None
    return Read(replace(found, packets=reader.packets(near.at, reader.at)), reader.at, far.at, open=True)


def _line(reader: Reader) -> ProxyHeader | None:
    """Version 1: ``PROXY TCP4 10.1.2.3 10.9.8.7 50123 5985``, or UNKNOWN with anything behind it."""
    words = reader.until(b"\r\n", _LINE).decode("latin-1").split(" ")
    if len(words) == 6 and words[1] in ("TCP4", "TCP6") and words[4].isdecimal() and words[5].isdecimal():
        ends = _ip(words[2]), _ip(words[3])
        named = _between(1, ends[0], int(words[4]), ends[1], int(words[5]))
        return None if None in ends else named
    return ProxyHeader(1) if words[1:2] == ["UNKNOWN"] else None


def _between(version: int, client: str | None, client_port: int, server: str | None, server_port: int) -> ProxyHeader:
    return ProxyHeader(version, client_host=client, client_port=client_port, server_host=server, server_port=server_port)


def _ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _binary(reader: Reader) -> ProxyHeader | None:
    """Version 2: signature, version and command, family and protocol, size; addresses, ports, then fields of type, size
    and value."""
    kind, family, size = struct.unpack(">BBH", reader.take(16)[12:])
    if kind >> 4 != 2 or kind & 15 > 1:
        return None
    rest = reader.take(size)
    if kind & 15 == 0:
        return ProxyHeader(2, local=True)
    width = {_TCP4: 4, _TCP6: 16}.get(family)
    if width is None or len(rest) < 2 * width + 4:
        return ProxyHeader(2)
    hosts = [str(ipaddress.ip_address(rest[at : at + width])) for at in (0, width)]
    ports = struct.unpack_from(">HH", rest, 2 * width)
    named = _between(2, hosts[0], ports[0], hosts[1], ports[1])
    return replace(named, authority=_authority(rest[2 * width + 4 :]))


def _authority(fields: bytes) -> str | None:
    at = 0
    while at + 3 <= len(fields):
        kind, size = struct.unpack_from(">BH", fields, at)
        if kind == _AUTHORITY:
            return fields[at + 3 : at + 3 + size].decode("utf-8", "replace") or None
        at += 3 + size
    return None
