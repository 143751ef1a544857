"""Damages classic pcap files as captures are damaged in practice: packets lost, the beginning or the end missing, packets cut by a snap length."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_FILE_HEADER = 24
_RECORD_HEADER = 16
_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


class Record(NamedTuple):
    """A packet of a capture: its time as two numbers, its size on the wire, and the bytes captured."""

    seconds: int
    fraction: int
    wire_size: int
    data: bytes


Damage = Callable[[Sequence[Record]], list[Record]]


def damaged(source: Path, target: Path, damage: Damage) -> Path:
    """Writes ``source`` to ``target`` as ``damage`` leaves it."""
    raw = source.read_bytes()
    order = "<" if raw[:4] in _LITTLE else ">"
    records, at = [], _FILE_HEADER
    while at + _RECORD_HEADER <= len(raw):
        seconds, fraction, size, wire_size = struct.unpack_from(f"{order}IIII", raw, at)
        records.append(Record(seconds, fraction, wire_size, raw[at + _RECORD_HEADER : at + _RECORD_HEADER + size]))
        at += _RECORD_HEADER + size
    kept = damage(records)
    body = b"".join(struct.pack(f"{order}IIII", one.seconds, one.fraction, len(one.data), one.wire_size) + one.data for one in kept)
    target.write_bytes(raw[:_FILE_HEADER] + body)
    return target


def every(step: int, offset: int = 0) -> Damage:
    """Loses every ``step``-th packet."""
    return lambda records: [one for place, one in enumerate(records) if place % step != offset % step]


def one_lost(place: float) -> Damage:
    """Loses the packet at that share of the file, and two more behind it."""
    return lambda records: [*records[: int(len(records) * place)], *records[int(len(records) * place) + 3 :]]


def part(begin: float, end: float) -> Damage:
    """Keeps the packets between two shares of the file."""
    return lambda records: list(records[int(len(records) * begin) : int(len(records) * end)])


def snapped(size: int) -> Damage:
    """Cuts every packet to ``size`` bytes."""
    return lambda records: [one._replace(data=one.data[:size]) for one in records]
