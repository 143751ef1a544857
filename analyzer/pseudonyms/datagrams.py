"""What packets other than those of WinRM carry, with pseudonyms: Kerberos (RFC 4120), DNS and its kin (RFC 1035, RFC 6762, RFC 4795). The rest is blanked."""

import struct

from analyzer.pseudonyms.blanks import Blanks
from analyzer.pseudonyms.texts import Texts
from analyzer.pseudonyms.tokens import der

_KERBEROS = 88
_DNS = {53, 5353, 5355}
_POINTERS = {2, 5, 12, 39}
"""Record types whose data is a name: NS, CNAME, PTR, DNAME."""
_A, _AAAA, _SRV = 1, 28, 33


def datagram(data: bytes, ports: tuple[int, int], texts: Texts, blanks: Blanks) -> bytes:
    """The payload of a UDP packet between these ports."""
    if _KERBEROS in ports and data[:1] and 0x60 <= data[0] < 0x80:
        return der(data, texts)
    if _DNS & set(ports):
        made = _dns(data, texts)
        if made is not None:
            return made
    return blanks.add("payload of a protocol that is no part of WinRM", len(data))


def stream(data: bytes, ports: tuple[int, int], texts: Texts, blanks: Blanks) -> bytes:
    """The payload of a TCP packet that belongs to no connection of the case."""
    if _KERBEROS in ports and len(data) > 4 and 0x60 <= data[4] < 0x80:
        return data[:4] + der(data[4:], texts)
    return blanks.add("payload of a protocol that is no part of WinRM", len(data))


def _dns(data: bytes, texts: Texts) -> bytes | None:
    """A message whose names and addresses are replaced; None where it cannot be read."""
    if len(data) < 12:
        return None
    made = bytearray(data)
    counts = struct.unpack_from(">4H", data, 4)
    at = 12
    try:
        for _ in range(counts[0]):
            at = _name(made, data, at, texts) + 4
        for _ in range(sum(counts[1:])):
            at = _name(made, data, at, texts)
            kind, _, _, size = struct.unpack_from(">HHIH", data, at)
            at += 10
            if at + size > len(data):
                return None
            if kind in (_A, _AAAA) and size in (4, 16):
                made[at : at + size] = texts.addresses.packed(data[at : at + size])
            elif kind in _POINTERS or kind == _SRV:
                _name(made, data, at + (6 if kind == _SRV else 0), texts)
            elif kind != 41:
                made[at : at + size] = bytes(size)
            at += size
    except (struct.error, IndexError):
        return None
    return bytes(made)


def _name(made: bytearray, data: bytes, at: int, texts: Texts) -> int:
    """Where the name at ``at`` ends. Of a name of an address (in-addr.arpa) the labels are numbers, which stay out of it."""
    labels: list[tuple[int, str]] = []
    while data[at]:
        if data[at] >= 0xC0:
            at += 1
            break
        size = data[at]
        labels.append((at + 1, data[at + 1 : at + 1 + size].decode("latin-1")))
        at += 1 + size
    for place, label in labels:
        new = "".join("x" if sign.isalnum() else sign for sign in label) if label.isdigit() else texts.name(label)
        coded = new.encode("latin-1", "replace")
        made[place : place + len(label)] = coded if len(coded) == len(label) else b"x" * len(label)
    return at + 1
