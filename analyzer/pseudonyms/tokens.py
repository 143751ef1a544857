"""Tokens of logons with pseudonyms: NTLM messages (MS-NLMP 2.2), and the strings of DER, of which Kerberos messages, SPNEGO and certificates are made.

Lengths stay. Responses, signatures and integrity codes (MIC) stay as well, so they no longer fit what they were made of.
"""

import struct
from typing import Protocol

from analyzer.pseudonyms.addresses import Addresses

_SIGNATURE = b"NTLMSSP\0"
_UNICODE = 1
_FIELDS = {1: (16, 24), 2: (12,), 3: (28, 36, 44)}
"""By the message's number, where its fields with names stand (length, room, offset): domain, workstation; target; domain, user, workstation."""
_INFO = {2: 40, 3: 20}
"""Where the field with AV_PAIRs stands: TargetInfo, and the NT response, in which they follow 44 bytes."""
_PAIRS_AT = {2: 0, 3: 44}
_NAMES = {1, 2, 3, 4, 5, 9}
_STRINGS = {0x0C: "utf-8", 0x12: "latin-1", 0x13: "latin-1", 0x14: "latin-1", 0x16: "latin-1", 0x1A: "latin-1", 0x1B: "utf-8", 0x1E: "utf-16-be"}
_ADDRESS, _WIDE = 0x87, {0x81, 0x82, 0x86}
_DEPTH = 24
_SERIAL = 8


class Namer(Protocol):
    """Replaces names. ``addresses`` replaces addresses."""

    addresses: Addresses

    def name(self, text: str) -> str:
        """Of equal length."""

    def other(self, text: str) -> str:
        """The same of a text of a protocol."""


def token(data: bytes, names: Namer) -> bytes | None:
    """The token with its names replaced; None when it is none of these."""
    at = data.find(_SIGNATURE)
    if at == 0:
        return ntlm(data, names)
    if data[:1] in (b"\x60", b"\xa1", b"\x6e", b"\x30") and len(data) > 16 and _ends(data, 0) == len(data):
        made = der(data, names)
        return made if at < 0 else made[:at] + ntlm(data[at:], names)
    return None


def ntlm(data: bytes, names: Namer) -> bytes:
    """An NTLM message; what follows its last field stays."""
    made = bytearray(data)
    if len(data) < 16:
        return data
    kind = int.from_bytes(data[8:12], "little")
    flags_at = {1: 12, 2: 20, 3: 60}.get(kind, 12)
    wide = bool(int.from_bytes(data[flags_at : flags_at + 4], "little") & _UNICODE) and kind != 1
    for where in _FIELDS.get(kind, ()):
        at, size = _field(data, where)
        made[at : at + size] = _text(data[at : at + size], "utf-16-le" if wide else "latin-1", names)
    if kind in _INFO:
        at, size = _field(data, _INFO[kind])
        at, end = at + _PAIRS_AT[kind], at + size
        while at + 4 <= end:
            name, size = struct.unpack_from("<HH", data, at)
            if name == 0 or at + 4 + size > end:
                break
            if name in _NAMES:
                made[at + 4 : at + 4 + size] = _text(data[at + 4 : at + 4 + size], "utf-16-le", names)
            at += 4 + size
    return bytes(made)


def _field(data: bytes, at: int) -> tuple[int, int]:
    if at + 8 > len(data):
        return 0, 0
    size, _, where = struct.unpack_from("<HHI", data, at)
    return (where, size) if where >= 12 and where + size <= len(data) else (0, 0)


def _text(data: bytes, coding: str, names: Namer) -> bytes:
    try:
        made = names.name(data.decode(coding)).encode(coding)
    except UnicodeError:
        return bytes(len(data))
    return made if len(made) == len(data) else bytes(len(data))


def _ends(data: bytes, at: int) -> int:
    """Where the element at ``at`` ends; -1 when its length cannot be read."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        return -1
    size, head = data[at + 1], 2
    if size & 0x80:
        count = size & 0x7F
        if not 0 < count <= 4 or at + 2 + count > len(data):
            return -1
        size, head = int.from_bytes(data[at + 2 : at + 2 + count], "big"), 2 + count
    return at + head + size


def _head(data: bytes, at: int) -> int:
    return 2 + (data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0)


def der(data: bytes, names: Namer, *, certificate: bool = False) -> bytes:
    """DER with the texts in it replaced. ``certificate``: the names of X.509's GeneralName, and the serial number, too."""
    made = bytearray(data)
    _walk(made, 0, len(data), names, 0, certificate=certificate)
    return bytes(made)


def _walk(made: bytearray, at: int, end: int, names: Namer, depth: int, *, certificate: bool) -> None:
    data = bytes(made[at:end])
    start, place, order = at, 0, 0
    while place < len(data):
        stop = _ends(data, place)
        if stop < 0 or stop > len(data) or stop <= place:
            return
        tag, begin = data[place], place + _head(data, place)
        value = data[begin:stop]
        if tag in _STRINGS:
            made[start + begin : start + stop] = _text(value, _STRINGS[tag], names)
        elif certificate and tag in _WIDE:
            made[start + begin : start + stop] = _text(value, "latin-1", names)
        elif certificate and tag == _ADDRESS:
            made[start + begin : start + stop] = _address(value, names)
        elif certificate and tag == 0x02 and depth == 2 and order <= 1 and len(value) >= _SERIAL:
            made[start + begin : start + stop] = _scrambled(value, names)
        elif depth < _DEPTH and (tag & 0x20 or (tag == 0x04 and _nests(value))):
            _walk(made, start + begin, start + stop, names, depth + 1, certificate=certificate)
        place, order = stop, order + 1


def _nests(value: bytes) -> bool:
    return value[:1] in (b"\x30", b"\x60", b"\x6e", b"\x6f", b"\xa0", b"\xa1") and _ends(value, 0) == len(value)


def _address(value: bytes, names: Namer) -> bytes:
    """An address, or a network: an address and a mask (RFC 5280 4.2.1.10). What is neither is blanked."""
    if len(value) in (4, 16):
        return names.addresses.packed(value)
    half = len(value) // 2
    if len(value) not in (8, 32):
        return bytes(len(value))
    hosts = int.from_bytes(value[half:], "big") ^ ((1 << 8 * half) - 1)
    return names.addresses.packed(value[:half]) + (value[half:] if hosts & (hosts + 1) == 0 else bytes(half))


def _scrambled(value: bytes, names: Namer) -> bytes:
    """A serial number, by which a certificate is found in public logs: other digits, the first byte stays."""
    digits = names.name(f"x{value[1:].hex()}")
    return value[:1] + bytes(sum(map(ord, digits[1 + at : 3 + at])) % 256 for at in range(0, 2 * (len(value) - 1), 2))
