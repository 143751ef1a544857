"""Captures cut into files as a capture program that rotates them would, and tables of the pieces made comparable with those of the whole."""

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from analyzer.api import Case
from analyzer.tables.registry import TABLES

_SHB, _IDB, _PACKETS = 0x0A0D0D0A, 1, (2, 3, 6)
_CAPTURES = ("captures",)
_OF_ONE_FILE = ("filter", "path")
"""Columns that are about one file by design."""


class Cuttable(NamedTuple):
    """A capture as what each piece begins with, and its records: (what a later piece has to repeat as well, packets in it, bytes)."""

    head: bytes
    records: tuple[tuple[bytes, int, bytes], ...]

    @property
    def packets(self) -> int:
        """How many packets it has."""
        return sum(count for _, count, _ in self.records)

    def piece(self, first: int, last: int) -> bytes:
        """The packets ``first`` to ``last`` (from 1); what stands before the first packet is in the first piece only, what follows a packet is with that."""
        out, number = [self.head], 0
        repeated: list[bytes] = []
        for again, count, data in self.records:
            number += count
            if first <= max(number, 1) <= last:
                out += repeated
                repeated = []
                out.append(data)
            elif number < first and again:
                repeated.append(again)
        return b"".join(out)


def cuttable(data: bytes) -> Cuttable | None:
    """A pcap or a pcapng; None for what is neither, or compressed."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return _pcapng(data)
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(data[:4])
    if order is None:
        return None
    found, at = [], 24
    while at + 16 <= len(data):
        end = at + 16 + struct.unpack_from(order + "I", data, at + 8)[0]
        found.append((b"", 1 if end <= len(data) else 0, data[at:end]))
        at = end
    return Cuttable(data[:24], tuple(found))


def _pcapng(data: bytes) -> Cuttable:
    found, at = [], 0
    order = "<"
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        kind, size = struct.unpack_from(order + "II", data, at)
        block = data[at : at + size]
        found.append((block if kind in (_SHB, _IDB) else b"", int(kind in _PACKETS), block))
        at += max(size, 12)
    return Cuttable(b"", tuple(found))


def pieces(whole: Cuttable, ends: Sequence[int], folder: Path, name: Callable[[int], str]) -> list[tuple[Path, int]]:
    """Writes the pieces that end after the packets ``ends`` and the rest; gives each file and how many packets come before it."""
    made, begin = [], 1
    for place, end in enumerate([*ends, whole.packets + 1], 1):
        path = folder / name(place)
        path.write_bytes(whole.piece(begin, end))
        made.append((path, begin - 1))
        begin = end + 1
    return made


class Names(NamedTuple):
    """What the pieces are called in the tables: name to (name of the whole, packets before)."""

    known: dict[str, tuple[str, int]]

    def packets(self, text: str, capture: str | None) -> str:
        """A set of packets with the numbers of the whole captures, by their names."""
        found: dict[str, set[int]] = {}
        for part in text.split(";"):
            name, colon, numbers = part.rpartition(":")
            own, before = self.known[name if colon else str(capture)]
            found.setdefault(own, set()).update(number + before for number in _numbers(numbers))
        return ";".join(f"{name}:{sorted(numbers)}" for name, numbers in sorted(found.items()))

    def text(self, text: str) -> str:
        """A sentence with the numbers of the whole captures; names of captures left out where they only tell whose packet it is."""
        only = next(iter(self.known)) if len(self.known) == 1 else None
        text = re.sub(r"(?<=packets )(?:\S+:)?\d[\d.,]*(?:;\S+:[\d.,]+)*(?=; )", lambda found: self.packets(found[0], only), text)
        for name, (own, before) in self.known.items():
            quoted = re.escape(name)
            text = re.sub(rf"\b(\d[\d,]*) of {quoted}", partial(_moved, before), text)
            text = re.sub(rf"…?{quoted}(?: and \d+ more files? of it)?", own, text)
        return re.sub(r"\bpacket (\d[\d,]*)", lambda found: f"packet {int(found[1].replace(',', ''))}", text)


def _moved(before: int, found: re.Match[str]) -> str:
    return str(int(found[1].replace(",", "")) + before)


def _numbers(text: str) -> Iterator[int]:
    for piece in text.split(","):
        first, _, last = piece.partition("..")
        yield from range(int(first), int(last or first) + 1)


def comparable(case: Case, names: Names, leave_out: Iterable[str] = ()) -> dict[str, list[tuple[object, ...]]]:
    """The rows of every table but `captures`, with the packet numbers and names of the whole captures."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for table in TABLES:
        if table.name in (*_CAPTURES, *leave_out):
            continue
        rows: list[tuple[object, ...]] = []
        for row in case.listed(table.name):
            capture = row.get("capture")
            cells = []
            for key, value in row.items():
                own = row.get(key.replace("packet", "capture"), capture) if "packet" in key else capture
                cells.append((key, _cell(key, value, names, None if own is None else str(own))))
            rows.append(tuple(cell for cell in cells if cell[0] not in _OF_ONE_FILE))
        found[table.name] = rows
    return found


def _cell(key: str, value: object, names: Names, capture: str | None) -> object:
    if not isinstance(value, str):
        if key in ("packet", "alert_packet") and isinstance(value, int) and capture is not None:
            return value + names.known[capture][1]
        return value
    if key in ("capture", "alert_capture"):
        return ",".join(sorted({names.known[one][0] for one in value.split(",")}))
    if key.endswith("packets") and re.search(r"\d", value) and not re.search("[a-z] ", value):
        return names.packets(value, capture)
    if key == "missing":
        return re.sub(r"\(packets ([^)]*)\)", lambda found: f"(packets {names.packets(found[1], capture)})", value)
    if key in ("facts", "history"):
        return re.sub(r'"packets":"([^"]*)"', lambda found: f'"packets":"{names.packets(found[1], capture)}"', value)
    return names.text(value)
