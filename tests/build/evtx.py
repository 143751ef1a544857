"""A small event log in Microsoft's binary form (EVTX), of one chunk, to be read and damaged."""

import struct
import zlib
from collections.abc import Sequence

Tree = tuple[str, "str | Sequence[Tree]"]
_CHUNK, _HEAD = 65536, 512
_FILETIME = 134_117_604_450_000_000


def _named(name: str) -> bytes:
    raw = name.encode("utf-16-le")
    number = 0
    for letter in name:
        number = (number * 65599 + ord(letter)) & 0xFFFFFFFF
    return struct.pack("<IHH", 0, number & 0xFFFF, len(name)) + raw + b"\0\0"


def _element(tree: Tree, at: int) -> bytes:
    """An element without a dependency id, as outside of templates, whose token lies at ``at`` of the chunk; its name stands inside of it."""
    name, inside = tree
    head = struct.pack("<I", at + 9) + _named(name) + b"\x02"
    if isinstance(inside, str):
        content = b"\x05\x01" + struct.pack("<H", len(inside)) + inside.encode("utf-16-le")
    else:
        content = b""
        for one in inside:
            content += _element(one, at + 5 + len(head) + len(content))
    body = head + content + b"\x04"
    return b"\x01" + struct.pack("<I", len(body)) + body


def evtx(events: Sequence[Tree]) -> bytes:
    """The file."""
    records = b""
    last = _HEAD
    for number, tree in enumerate(events, 1):
        last = _HEAD + len(records)
        xml = b"\x0f\x01\x01\x00" + _element(tree, last + 24 + 4) + b"\x00"
        size = 24 + len(xml) + 4
        records += struct.pack("<IIQQ", 0x2A2A, size, number, _FILETIME + number) + xml + struct.pack("<I", size)
    count = len(events)
    head = struct.pack("<8sQQQQIIIII", b"ElfChnk\0", 1, count, 1, count, 128, last, _HEAD + len(records), zlib.crc32(records), 0).ljust(120, b"\0")
    tables = bytes(_HEAD - 128)
    chunk = head + struct.pack("<II", 0, zlib.crc32(head + tables)) + tables + records
    file = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, 0, count + 1, 128, 1, 3, 4096, 1).ljust(120, b"\0")
    return (file + struct.pack("<II", 0, zlib.crc32(file))).ljust(4096, b"\0") + chunk.ljust(_CHUNK, b"\0")


def event(number: int, data: dict[str, str], *, channel: str = "Security", host: str = "SRV01.lab.example") -> Tree:
    """An event as Windows writes it, with its values as elements."""
    when: Tree = ("TimeCreated", [("SystemTime", "2026-01-02T03:04:05.100Z")])
    system: list[Tree] = [("EventID", str(number)), when, ("EventRecordID", "77"), ("Channel", channel), ("Computer", host)]
    return ("Event", [("System", system), ("EventData", list(data.items()))])
