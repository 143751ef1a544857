"""Captures of snoop and of Endace cards: the packets that went in, damage that is told, and tshark's view of the same files."""

import os
import random
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.capture.containers import rows
from analyzer.capture.window import Walk
from analyzer.settings import Limits
from tests.build.packets import CLIENT, SERVER, Frame, Line, filling
from tests.build.traces import erf, snoop

CAPTURES = Path(os.environ.get("WINRM_CAPTURES", "/nowhere"))
MADE: dict[str, Callable[[Sequence[Frame]], bytes]] = {"snoop": snoop, "erf": erf}


class Read(NamedTuple):
    walk: Walk
    packets: list[tuple[int, int, int, bytes, int]]


def read(data: bytes, size: int = 1 << 20) -> Read:
    walk = Walk()
    listed = rows(filling(data, size), Limits(), walk)
    return Read(walk, [(row.number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size]), row.wire_size) for row in listed])


def frames(count: int = 6) -> list[Frame]:
    line = Line()
    line.handshake()
    for place in range(count):
        line.put(CLIENT if place % 2 else SERVER, 60 * place, bytes([65 + place % 26]) * (1 + 7 * (place % 9)), cut=place % 2)
    return line.frames


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("window", [1, 100, 1 << 20])
def test_the_packets_come_back(name: str, window: int) -> None:
    given = frames(30)
    found = read(MADE[name](given), window)
    assert found.packets == [(number, one.ts_ns // 1000 * 1000, 1, one.data, one.sent) for number, one in enumerate(given, 1)]
    assert (found.walk.format, found.walk.packets, found.walk.problems) == (name, len(given), [])


@pytest.mark.parametrize("name", MADE)
def test_damage_costs_what_it_hits(name: str) -> None:
    given = frames(60)
    data = bytearray(MADE[name](given))
    at = len(MADE[name](given[:20])) + {"snoop": 8, "erf": 10}[name]
    wrong = {"snoop": b"\xff\xff\xff\xff", "erf": b"\0\0"}[name]
    data[at : at + len(wrong)] = wrong
    found = read(bytes(data))
    assert "capture.damaged-record" in [code for code, _, _ in found.walk.problems]
    assert len(given) - 3 <= len(found.packets) < len(given)


@pytest.mark.parametrize("name", MADE)
def test_the_last_packet_is_cut(name: str) -> None:
    given = frames(20)
    found = read(MADE[name](given)[:-10])
    assert len(found.packets) == len(given) - 1
    assert [code for code, _, _ in found.walk.problems] == ["capture.cut"]


def test_another_version_of_snoop_is_named() -> None:
    found = read(b"snoop\0\0\0" + struct.pack(">II", 3, 4) + bytes(100))
    assert (found.walk.format, found.walk.instead) == ("", "the file is a capture of snoop, of version 3; only version 2 is known")
    assert "ends inside its header, after 9 of 16 bytes" in read(b"snoop\0\0\0\0").walk.instead


def test_other_link_types_are_counted() -> None:
    one = bytearray(snoop(frames(1)))
    one[12:16] = struct.pack(">I", 26)
    assert {link for _, _, link, _, _ in read(bytes(one)).packets} == {0x4000_001A}


def test_extension_headers_of_erf() -> None:
    given = frames(3)
    out = bytearray()
    for record in (erf([one]) for one in given):
        out += record[:8] + bytes([record[8] | 0x80]) + record[9:10] + struct.pack(">H", len(record) + 16) + record[12:16]
        out += b"\x83" + bytes(7) + b"\x04" + bytes(7) + record[16:]
    assert [data for _, _, _, data, _ in read(bytes(out)).packets] == [one.data for one in given]


def test_what_is_no_erf() -> None:
    for seed in range(3000):
        dice = random.Random(seed)
        assert read(bytes(dice.choice((0, 1, 2, dice.randrange(256))) for _ in range(dice.randrange(1, 300)))).packets == []


@pytest.mark.parametrize("name", MADE)
def test_damage_never_raises(name: str) -> None:
    whole = MADE[name](frames())
    for seed in range(800):
        dice = random.Random(seed)
        changed = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
        read(bytes(changed[: dice.randrange(4, len(changed) + 1)]))


def told_by_tshark(path: Path) -> list[tuple[int, int, int]]:
    """Number, size and size sent of each frame."""
    fields = ["-e", "frame.number", "-e", "frame.cap_len", "-e", "frame.len"]
    shown = subprocess.run(["tshark", "-r", str(path), "-T", "fields", *fields], capture_output=True, text=True, check=True).stdout
    return [(int(number), int(size), int(sent)) for number, size, sent in (line.split("\t") for line in shown.splitlines())]


def test_damage_to_the_end_is_told_of_the_packet_that_would_have_come() -> None:
    given = frames(4)
    found = read(erf(given) + b"\xff" * 500)
    assert len(found.packets) == len(given)
    assert [(code, number) for code, _, number in found.walk.problems] == [("capture.damaged-record", len(given) + 1)]


@pytest.mark.tshark
@pytest.mark.parametrize("name", MADE)
def test_tshark_sees_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"made.{name}"
    path.write_bytes(MADE[name](frames(30)))
    assert told_by_tshark(path) == [(number, len(data), sent) for number, _, _, data, sent in read(path.read_bytes()).packets]


@pytest.mark.tshark
@pytest.mark.parametrize("form", ["snoop", "netmon1", "netmon2"])
def test_what_editcap_writes(form: str, tmp_path: Path) -> None:
    from tests.build.packets import pcap

    (tmp_path / "a.pcap").write_bytes(pcap(frames(30), nanoseconds=False))
    path = tmp_path / f"a.{form}"
    subprocess.run(["editcap", "-F", form, str(tmp_path / "a.pcap"), str(path)], check=True, capture_output=True)
    found = read(path.read_bytes())
    assert told_by_tshark(path) == [(number, len(data), sent) for number, _, _, data, sent in found.packets]
    assert len(found.packets) == 33


@pytest.mark.captures
@pytest.mark.tshark
@pytest.mark.parametrize("name", ["100_packets", "5_packets", "provenance"])
def test_real_files_of_endace_cards(name: str) -> None:
    path = CAPTURES / "LibtraceTeam+libtrace" / f"test__traces__{name}.erf"
    if not path.exists():
        pytest.skip("the file is not there")
    found = read(path.read_bytes())
    told = told_by_tshark(path)
    assert (found.walk.packets, found.walk.problems) == (len(told), [])
    assert found.packets == [] if name == "provenance" else [(n, len(data), sent) for n, _, _, data, sent in found.packets] == told
