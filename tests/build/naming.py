"""Messages that give names to addresses, as they travel over UDP: DNS and its relatives (RFC 1035), NBNS (RFC 1002), DHCP (RFC 2131)."""

import ipaddress
import struct

A, CNAME, PTR, AAAA, NB, NBSTAT = 1, 5, 12, 28, 0x20, 0x21
ANSWER = 0x8400
COOKIE = b"\x63\x82\x53\x63"


def labels(name: str) -> bytes:
    """A domain name without pointers."""
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label) + b"\x00"


def record(name: bytes, kind: int, data: bytes, klass: int = 1) -> bytes:
    """A resource record; ``name`` as `labels` makes it, or a pointer."""
    return name + struct.pack(">HHIH", kind, klass, 300, len(data)) + data


def address(name: bytes | str, host: str, klass: int = 1) -> bytes:
    """An A or AAAA record."""
    packed = ipaddress.ip_address(host).packed
    return record(labels(name) if isinstance(name, str) else name, A if len(packed) == 4 else AAAA, packed, klass)


def dns(asked: str, *records: bytes, flags: int = ANSWER, kind: int = A) -> bytes:
    """A message with one question (none for an empty name) and its answers."""
    question = labels(asked) + struct.pack(">HH", kind, 1) if asked else b""
    return struct.pack(">6H", 0x1234, flags, 1 if asked else 0, len(records), 0, 0) + question + b"".join(records)


def folded(name: str, suffix: int) -> bytes:
    """A NetBIOS name in its encoded form."""
    full = name.ljust(15).encode() + bytes((suffix,))
    return b"\x20" + bytes(half + 0x41 for byte in full for half in (byte >> 4, byte & 15)) + b"\x00"


def nbns(name: str, host: str, *, suffix: int = 0x20, group: bool = False, flags: int = 0x8500) -> bytes:
    """An answer to a name query."""
    data = struct.pack(">H", 0x8000 if group else 0) + ipaddress.ip_address(host).packed
    return struct.pack(">6H", 7, flags, 0, 1, 0, 0) + record(folded(name, suffix), NB, data)


def node_status(*names: tuple[str, int, bool]) -> bytes:
    """An answer to a node status query: (name, suffix, group)."""
    entries = b"".join(name.ljust(15).encode() + bytes((suffix,)) + struct.pack(">H", 0x8000 if group else 0x0400) for name, suffix, group in names)
    return struct.pack(">6H", 8, 0x8400, 0, 1, 0, 0) + record(folded("*", 0), NBSTAT, bytes((len(names),)) + entries + bytes(46))


def dhcp(*options: tuple[int, bytes], reply: bool = False, mine: str = "0.0.0.0", yours: str = "0.0.0.0", transaction: int = 1) -> bytes:  # noqa: S104
    """A message of DHCP with its options."""
    head = struct.pack(">BBBBIHH", 2 if reply else 1, 1, 6, 0, transaction, 0, 0)
    hosts = ipaddress.ip_address(mine).packed + ipaddress.ip_address(yours).packed + bytes(8)
    told = b"".join(bytes((code, len(data))) + data for code, data in options)
    return head + hosts + b"\x02\x00\x00\x00\x00\x07" + bytes(10) + bytes(192) + COOKIE + told + b"\xff" + bytes(8)
