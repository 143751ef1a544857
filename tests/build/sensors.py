"""Captures shared out to several sensors: each packet to one of them, or to more, with clocks of their own."""

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from analyzer.capture.containers import rows
from analyzer.capture.window import Walk
from analyzer.settings import Limits

_ETHERNET = 1


class Frame(NamedTuple):
    """A packet of a capture: number, time, bytes, size as sent; of TCP over IPv4 or IPv6 who sends and who receives, else None."""

    number: int
    ts_ns: int
    data: bytes
    wire_size: int
    ends: tuple[tuple[bytes, int], tuple[bytes, int]] | None

    @property
    def to_server(self) -> bool:
        """It goes to the lower port, which servers have."""
        return self.ends is not None and self.ends[0][1] > self.ends[1][1]


def frames(path: Path) -> list[Frame]:
    """The packets of an Ethernet capture."""
    found = []
    with path.open("rb") as file:
        for row in rows(file.readinto, Limits(), Walk()):
            assert row.link == _ETHERNET
            data = bytes(row.buffer[row.at : row.at + row.size])
            found.append(Frame(row.number, row.ts_ns, data, row.wire_size, _ends(data)))
    return found


def _ends(data: bytes) -> tuple[tuple[bytes, int], tuple[bytes, int]] | None:
    kind, at = int.from_bytes(data[12:14], "big"), 14
    if kind == 0x0800 and data[at + 9] == 6:
        hosts, tcp = (data[at + 12 : at + 16], data[at + 16 : at + 20]), at + 4 * (data[at] & 15)
    elif kind == 0x86DD and data[at + 6] == 6:
        hosts, tcp = (data[at + 8 : at + 24], data[at + 24 : at + 40]), at + 40
    else:
        return None
    source, target = struct.unpack_from(">HH", data, tcp)
    return (hosts[0], source), (hosts[1], target)


def shared_out(capture: Path, sensors: Callable[[Frame], str], folder: Path, ahead_ns: Mapping[str, int]) -> dict[str, Path]:
    """A file for each sensor, with the packets for which ``sensors`` names it (each letter is one), by a clock that is ``ahead_ns`` ahead."""
    held: dict[str, list[Frame]] = {}
    for frame in frames(capture):
        for name in sensors(frame):
            held.setdefault(name, []).append(frame)
    return {name: written(folder / f"sensor-{name}.pcap", own, ahead_ns.get(name, 0)) for name, own in sorted(held.items())}


def written(path: Path, own: list[Frame], ahead_ns: int = 0) -> Path:
    """A pcap of these packets, with nanoseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, _ETHERNET), *_records(own, ahead_ns))))
    return path


def _records(own: list[Frame], ahead_ns: int) -> Iterator[bytes]:
    for frame in own:
        seconds, rest = divmod(frame.ts_ns + ahead_ns, 1_000_000_000)
        yield struct.pack("<IIII", seconds, rest, len(frame.data), frame.wire_size) + frame.data
