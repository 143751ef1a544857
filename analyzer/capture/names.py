"""Names that messages over UDP give to addresses: IP packets in, claims out. What is damaged gives what came before the damage.

DNS is RFC 1035 with RFC 3596, mDNS RFC 6762, LLMNR RFC 4795, NBNS RFC 1002, DHCP RFC 2131 with the options of RFC 2132 and the client's name of RFC 4702.
Libraries for these give all of a message or nothing; here a record that is no use costs only itself.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from analyzer.capture.icmp import ip_headers
from analyzer.records.ids import packet_key
from analyzer.records.names import NameClaim, Naming

_UDP, _HEADER = 17, 8
_RECORDS = 256
"""Records of one message that are looked at."""
_LABELS = 128
"""Labels of one name, pointers included: 255 bytes hold 127 (RFC 1035 section 2.3.4)."""
_A, _CNAME, _PTR, _AAAA = 1, 5, 12, 28
_NB, _NBSTAT = 0x20, 0x21
_UNIQUE = (0x00, 0x20)
"""Sixteenth bytes of NetBIOS names that are a machine's own: workstation and file server; the others are of users, domains and browsers."""
_GROUP = 0x8000
_COOKIE = b"\x63\x82\x53\x63"
_SOURCES = {53: Naming.DNS, 5353: Naming.MDNS, 5355: Naming.LLMNR, 137: Naming.NBNS, 67: Naming.DHCP, 68: Naming.DHCP}
_REVERSE4, _REVERSE6 = ".in-addr.arpa", ".ip6.arpa"


class _Record(NamedTuple):
    """A resource record: its name, type, and where its data lie."""

    name: bytes
    kind: int
    at: int
    size: int


def name_claims(capture: int, packets: Iterable[tuple[int, int, bytes]], host: Callable[[bytes], str]) -> tuple[NameClaim, ...]:
    """What IP packets say, given as (packet number, time, bytes), in order of packets. ``host`` makes text of an address."""
    found: list[NameClaim] = []
    leases: dict[bytes, str] = {}
    for number, ts_ns, packet in sorted(packets):
        try:
            source, said_by, at = _datagram(packet)
        except (struct.error, IndexError):  # shorter than its headers say
            continue
        told = _dhcp(packet[at:], leases) if source is Naming.DHCP else _netbios(packet[at:], said_by) if source is Naming.NBNS else _dns(packet[at:])
        key, teller = packet_key(capture, number), host(said_by)
        found += [NameClaim(key, ts_ns, source, teller, name, host(address)) for name, address in dict.fromkeys(told)]
    return tuple(found)


def _datagram(packet: bytes) -> tuple[Naming, bytes, int]:
    """The protocol, the sender's address, and where the message begins."""
    _, sender, _, protocol, _, at = ip_headers(packet, 0)
    near, far = struct.unpack_from(">HH", packet, at)
    source = _SOURCES.get(near) or _SOURCES.get(far)
    if protocol != _UDP or source is None:
        raise IndexError
    return source, sender, at + _HEADER


def _dns(message: bytes) -> list[tuple[str, bytes]]:
    """(name, address) of an answer's addresses; a name that stands for another one has its addresses, too."""
    found: list[tuple[str, bytes]] = []
    stands_for: dict[bytes, list[bytes]] = {}
    addresses: list[tuple[bytes, bytes]] = []
    for record in _records(message):
        data = message[record.at : record.at + record.size]
        if (record.kind, record.size) in ((_A, 4), (_AAAA, 16)):
            addresses.append((record.name, data))
        elif record.kind == _CNAME:
            target, _ = _name(message, record.at)
            stands_for.setdefault(target.lower(), []).append(record.name)
        elif record.kind == _PTR:
            address = _reversed(_text(record.name).lower())
            if address is not None:
                found.append((_text(_name(message, record.at)[0]), address))
    for name, address in addresses:
        known = {name.lower()}
        waiting = [name]
        while waiting:
            one = waiting.pop(0)
            found.append((_text(one), address))
            for alias in stands_for.get(one.lower(), ()):
                if alias.lower() not in known:
                    known.add(alias.lower())
                    waiting.append(alias)
    return [(name, address) for name, address in found if name]


def _records(message: bytes) -> Iterator[_Record]:
    """The resource records behind the questions, up to the first that is damaged."""
    try:
        questions, *counts = struct.unpack_from(">4H", message, 4)
        at = 12
        for _ in range(min(questions, _RECORDS)):
            at = _name(message, at)[1] + 4
        for _ in range(min(sum(counts), _RECORDS)):
            name, at = _name(message, at)
            kind, _, _, size = struct.unpack_from(">HHIH", message, at)
            at += 10
            if at + size > len(message):
                return
            yield _Record(name, kind, at, size)
            at += size
    except (struct.error, IndexError):
        return


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A domain name with its dots, and where it ends (RFC 1035 section 4.1.4). IndexError where it does not."""
    labels: list[bytes] = []
    end = -1
    for _ in range(_LABELS):
        size = message[at]
        if size >= 0xC0:
            end = at + 2 if end < 0 else end
            at = (size & 0x3F) << 8 | message[at + 1]
        elif size > 0x3F:
            break
        elif size == 0:
            return b".".join(labels), at + 1 if end < 0 else end
        else:
            labels.append(message[at + 1 : at + 1 + size])
            at += 1 + size
    raise IndexError


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace").rstrip(".")


def _reversed(name: str) -> bytes | None:
    """The address that a name for the way back stands for (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    if name.endswith(_REVERSE4):
        parts = name.removesuffix(_REVERSE4).split(".")
        sound = len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts if len(part) < 4)
        return bytes(int(part) for part in reversed(parts)) if sound and max(map(len, parts)) < 4 else None
    digits = name.removesuffix(_REVERSE6).split(".")
    if not name.endswith(_REVERSE6) or len(digits) != 32 or not all(len(digit) == 1 and digit in "0123456789abcdef" for digit in digits):
        return None
    return bytes.fromhex("".join(reversed(digits)))


def _netbios(message: bytes, said_by: bytes) -> list[tuple[str, bytes]]:
    """Addresses of machines' names in answers and registrations; the names in a node's status are its sender's own."""
    found: list[tuple[str, bytes]] = []
    for record in _records(message):
        data = message[record.at : record.at + record.size]
        name = _unfolded(record.name.split(b".")[0])
        if record.kind == _NB and name is not None:
            entries = [data[at : at + 6] for at in range(0, len(data) - 5, 6)]
            found += [(name, entry[2:]) for entry in entries if not int.from_bytes(entry[:2], "big") & _GROUP]
        elif record.kind == _NBSTAT and data:
            for at in range(1, min(1 + 18 * data[0], len(data) - 17), 18):
                own = _machine(data[at : at + 16])
                if own is not None and not int.from_bytes(data[at + 16 : at + 18], "big") & _GROUP:
                    found.append((own, said_by))
    return found


def _unfolded(label: bytes) -> str | None:
    """A machine's name out of the letters that stand for its half bytes (RFC 1001 section 14.1)."""
    if len(label) != 32 or not all(0x41 <= letter <= 0x50 for letter in label):
        return None
    return _machine(bytes(((label[at] - 0x41) << 4) | (label[at + 1] - 0x41) for at in range(0, 32, 2)))


def _machine(name: bytes) -> str | None:
    if len(name) != 16 or name[15] not in _UNIQUE or name[0] in (0x00, 0x2A):
        return None
    return name[:15].rstrip(b" \x00").decode("cp437", "replace") or None


def _dhcp(message: bytes, leases: dict[bytes, str]) -> list[tuple[str, bytes]]:
    """The name that a client gave itself, for the address that a server acknowledged or that the client says it has.

    ``leases``: names by transaction and hardware address, until the acknowledgement comes."""
    try:
        kind, size = message[0], message[2]
        mine, yours = message[12:16], message[16:20]
        transaction = message[4:8] + message[28 : 28 + min(size, 16)]
    except IndexError:
        return []
    options = _options(message)
    name = _fqdn(options.get(81, b"")) or options.get(12, b"").rstrip(b"\x00").decode("utf-8", "replace")
    word = options.get(53, b"")
    if kind == 1:
        if name and len(leases) < _RECORDS * _RECORDS:
            leases[transaction] = name
        return [(name, mine)] if name and word == b"\x03" and any(mine) else []
    if kind != 2 or word != b"\x05" or not any(yours):
        return []
    given = leases.pop(transaction, "") or name
    return [(given, yours)] if given else []


def _options(message: bytes) -> dict[int, bytes]:
    """The options behind the magic cookie (RFC 2132 section 2)."""
    found: dict[int, bytes] = {}
    at = 240
    if message[236:240] != _COOKIE:
        return found
    while at + 1 < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        size = message[at + 1]
        found.setdefault(message[at], message[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def _fqdn(option: bytes) -> str:
    """The client's full name (RFC 4702 section 2): flags, two codes, then the name in DNS's form where the flag E says so, else as text."""
    if len(option) < 4:
        return ""
    if not option[0] & 4:
        return option[3:].rstrip(b"\x00").decode("utf-8", "replace")
    try:
        return _text(_name(option + b"\x00", 3)[0])
    except IndexError:
        return ""
