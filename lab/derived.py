"""Samples that are made of another sample's recording: what no link of the lab does, done to its packets afterwards.

    two-views-with-losses-healthy   `source-nat-two-files-healthy`, of which each file lost packets that the other one has
    overlap-with-other-content      `direct-winrs-shell-id-reused-healthy`, with segments sent once more with other bytes, each right behind the first one

The truth is the other sample's, with packet numbers put right; ``lost`` and ``overlaps`` name the packets that are gone, or came in. Only packets in the middle
of a message are taken or doubled, so that every message still begins where it began. `python -m lab.derived [NAME]` makes them, always the same.
"""

import json
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SAMPLES = Path(__file__).parents[1] / "sample_pcaps"
_SEED = 7
_PLACES = ("first_packet", "request_packet", "response_packet", "packet")
_HEAVY = 400
"""Bytes of a packet that carries more than a header block."""


class Packet(NamedTuple):
    """A record of a pcap file as it lies there."""

    head: bytes
    data: bytes


def _read(path: Path) -> tuple[bytes, list[Packet]]:
    raw, at, found = path.read_bytes(), 24, []
    while at < len(raw):
        size = struct.unpack_from("<I", raw, at + 8)[0]
        found.append(Packet(raw[at : at + 16], raw[at + 16 : at + 16 + size]))
        at += 16 + size
    return raw[:24], found


def _write(path: Path, head: bytes, packets: list[Packet]) -> None:
    path.write_bytes(head + b"".join(packet.head + packet.data for packet in packets))


def _begun(truth: dict[str, Any], capture: str) -> set[int]:
    """Packets in which something begins that the truth names."""
    rows = [row for rows in truth.values() if isinstance(rows, list) for row in rows if isinstance(row, dict) and row.get("capture") == capture]
    return {row[key] for row in rows for key in _PLACES if isinstance(row.get(key), int)}


def _middles(truth: dict[str, Any], capture: str, packets: list[Packet]) -> list[int]:
    """Numbers of packets in the middle of messages: heavy ones in which nothing begins, behind one of the same direction."""
    begun = _begun(truth, capture)
    found = []
    for number in range(2, len(packets)):
        before, own = packets[number - 2].data, packets[number - 1].data
        if len(own) > _HEAVY and number not in begun and before[26:34] == own[26:34] and len(before) > len(own) // 2:
            found.append(number)
    return found


def _renumbered(truth: dict[str, Any], capture: str, place: Callable[[int], int]) -> None:
    for rows in truth.values():
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("capture") == capture:
                row.update({key: place(row[key]) for key in _PLACES if isinstance(row.get(key), int)})


def _lossy(folder: Path, truth: dict[str, Any]) -> None:
    """Each file loses every second of the packets in the middle of messages, the one the odd ones of both, the other the even ones."""
    truth["lost"] = {}
    for parity, capture in enumerate(truth["captures"]):
        head, packets = _read(folder / capture)
        lost = _middles(truth, capture, packets)[parity::2]
        _write(folder / capture, head, [packet for number, packet in enumerate(packets, 1) if number not in lost])
        _renumbered(truth, capture, lambda number, lost=tuple(lost): number - sum(gone < number for gone in lost))  # type: ignore[misc]
        truth["lost"][capture] = lost


def _overlapping(folder: Path, truth: dict[str, Any]) -> None:
    """Some of these packets come once more at once, with other bytes in the middle of their payload, another identification and right checksums."""
    (capture,) = truth["captures"]
    head, packets = _read(folder / capture)
    chosen = sorted(random.Random(_SEED).sample(_middles(truth, capture, packets), 3))
    made: list[Packet] = []
    truth["overlaps"] = []
    for number, packet in enumerate(packets, 1):
        made.append(packet)
        if number in chosen:
            made.append(Packet(packet.head, _other(packet.data)))
            truth["overlaps"].append({"used_packet": len(made) - 1, "other_packet": len(made), "bytes": 16})
    _write(folder / capture, head, made)
    _renumbered(truth, capture, lambda number: number + sum(one < number for one in chosen))


def _other(frame: bytes) -> bytes:
    """The frame with 16 other bytes at its payload's end but 64, as someone else would send it."""
    data = bytearray(frame)
    at = len(data) - 64
    data[at : at + 16] = bytes(byte ^ 0x55 for byte in data[at : at + 16])
    data[18:20] = (int.from_bytes(data[18:20], "big") ^ 0x8000).to_bytes(2, "big")
    ip_end = 14 + (data[14] & 15) * 4
    data[24:26] = b"\0\0"
    data[24:26] = _checksum(bytes(data[14:ip_end]))
    data[ip_end + 16 : ip_end + 18] = b"\0\0"
    pseudo = bytes(data[26:34]) + b"\0\x06" + (len(data) - ip_end).to_bytes(2, "big")
    data[ip_end + 16 : ip_end + 18] = _checksum(pseudo + bytes(data[ip_end:]))
    return bytes(data)


def _checksum(data: bytes) -> bytes:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


class Recipe(NamedTuple):
    """The sample that it is made of, what is done, and a sentence on it."""

    source: str
    make: Callable[[Path, dict[str, Any]], None]
    description: str


RECIPES = {
    "two-views-with-losses-healthy": Recipe(
        "source-nat-two-files-healthy",
        _lossy,
        "Two users behind an address translation, one file on each side of the router; each file lost packets that the other one has.",
    ),
    "overlap-with-other-content": Recipe(
        "direct-winrs-shell-id-reused-healthy",
        _overlapping,
        "pypsrp runs commands in a shell whose id is used again; three segments come once more at once, with other bytes.",
    ),
}


def main(names: list[str]) -> int:
    """Makes the samples of these names, or all."""
    for name in names or RECIPES:
        recipe, folder = RECIPES[name], SAMPLES / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SAMPLES / recipe.source, folder)
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        recipe.make(folder, truth)
        truth |= {"name": name, "description": recipe.description}
        (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        sizes = [f"- `{one}`, {(folder / one).stat().st_size} bytes, {len(_read(folder / one)[1])} packets\n" for one in truth["captures"]]
        text = (
            f"# {name}\n\n{recipe.description}\n\nMade with `python -m lab.derived {name}` of the recording `sample_pcaps/{recipe.source}`,\n"
            f"whose ORIGIN.md tells how that came about and what its truth was checked against. Nothing else was altered.\n\n## Captures\n\n{''.join(sizes)}\n"
            f"## How the truth was obtained\n\n`truth.json` is that of `{recipe.source}` with the packet numbers put right.\n"
        )
        (folder / "ORIGIN.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
