"""Files of Microsoft Network Monitor: the same packets as in a pcap, and damage that is told."""

import random
import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.capture.containers import rows
from analyzer.capture.scan import scan
from analyzer.capture.window import Walk
from analyzer.settings import Limits, Scope
from tests.build.packets import CLIENT, SERVER, T0_NS, Frame, Line, filling, netmon, pcap

VERSIONS = [(1, 1), (2, 0), (2, 1), (2, 2), (2, 3)]
NDIS = struct.pack("<IHH8s", 0x2ED6006E, 0x4729, 0x4609, bytes.fromhex("b4233ee7bcd678ef"))
PKTMON = struct.pack("<IHH8s", 0x4D4F80D9, 0xC8BD, 0x4D73, bytes.fromhex("bb5b19c90402c5ac"))
WHOLE = 0xC000_0001


class Read(NamedTuple):
    walk: Walk
    packets: list[tuple[int, int, int, bytes, int]]


def read(data: bytes, limits: Limits | None = None) -> Read:
    walk = Walk()
    listed = rows(filling(data), limits or Limits(), walk)
    return Read(
        walk,
        [(row.number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size]), row.wire_size) for row in listed],
    )


def frames() -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n")
    line.put(SERVER, 0, b"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")
    return line.frames


def event(provider: bytes, number: int, data: bytes, keywords: int = WHOLE) -> bytes:
    """An event of Windows' tracing in a frame: EVENT_HEADER, context, counts, data."""
    head = struct.pack("<HH20x", 80 + len(data), 0) + provider + struct.pack("<H6xQ", number, keywords) + bytes(24)
    return head + struct.pack("<IHHB", 0, 0, len(data), 0) + data


def ndis(frame: bytes) -> bytes:
    return struct.pack("<III", 13, 13, len(frame)) + frame


def pktmon(frame: bytes, number: int, *, kind: int = 1) -> bytes:
    return struct.pack("<QHHHHHHHIIHH", 7, number, 1, 1, kind, 1, 1, 1, 0, 0, len(frame), len(frame)) + frame


@pytest.mark.parametrize("version", VERSIONS)
def test_the_packets_are_those_of_a_pcap(version: tuple[int, int]) -> None:
    found = read(netmon(frames(), version=version))
    assert found.packets == [(place, one.ts_ns, 1, one.data, one.sent) for place, one in enumerate(frames(), 1)]
    assert found.walk.format == ("netmon1" if version[0] == 1 else "netmon2")
    assert [code for code, _, _ in found.walk.problems] == ([] if version == (2, 3) else ["capture.local-time"])


@pytest.mark.parametrize("version", VERSIONS)
def test_without_the_table_frames_are_read_one_behind_the_other(version: tuple[int, int]) -> None:
    found = read(netmon(frames(), version=version, table=False))
    assert [data for _, _, _, data, _ in found.packets] == [one.data for one in frames()]
    assert "capture.cut" in [code for code, _, _ in found.walk.problems]


def test_a_frame_that_is_cut_keeps_its_number() -> None:
    whole = frames()
    found = read(netmon([*whole[:2], Frame(T0_NS, whole[2].data[:60], wire_size=900)]))
    assert found.packets[2][3:] == (whole[2].data[:60], 900)


def test_packets_in_events_of_tracing() -> None:
    one, two, three = frames()[:3]
    data = [
        event(bytes(16), 1, b"anything"),
        event(NDIS, 1001, ndis(one.data)),
        event(NDIS, 1001, ndis(one.data), 0x4000_0001),
        event(NDIS, 1002, b"metadata"),
        event(PKTMON, 160, pktmon(two.data, 1)),
        event(PKTMON, 160, pktmon(two.data, 1)),
        event(PKTMON, 160, pktmon(three.data[14:], 2, kind=3)),
        event(PKTMON, 160, pktmon(b"?", 3, kind=4)),
        b"short",
    ]
    found = read(netmon([Frame(T0_NS + place, one) for place, one in enumerate(data)], media=[0xFFE0] * len(data)))
    assert [(number, link, data) for number, _, link, data, _ in found.packets] == [
        (2, 1, one.data),
        (5, 1, two.data),
        (7, 101, three.data[14:]),
    ]
    assert found.walk.packets == len(data)


@pytest.mark.parametrize(
    ("media", "link", "skip"),
    [(1, 1, 0), (8, 101, 0), (9, 101, 0), (10, 101, 0), (11, 0x4000_000B, 0), (0xE071, 113, 0), (6, 105, 4), (2, 0x4000_0002, 0)],
)
def test_media(media: int, link: int, skip: int) -> None:
    data = b"\x02\x04\x00\x00" + bytes(60)
    found = read(netmon([Frame(T0_NS, data)], media=[media]))
    assert found.packets == [(1, T0_NS, link, data[skip:], len(data) - skip)]


def test_the_scan_finds_the_same_flow(tmp_path: Path) -> None:
    flows = []
    for name, data in (
        ("one.pcap", pcap(frames())),
        ("two.cap", netmon(frames())),
        ("three.cap", netmon(frames(), version=(1, 1))),
    ):
        (tmp_path / name).write_bytes(data)
        found = scan(str(tmp_path / name), 0, name, Limits(), Scope())
        (flow,) = found.flows
        flows.append((flow.hosts, flow.ports, flow.verdict, flow.segments.seq, flow.segments.size, flow.segments.ts_ns))
    assert flows[0] == flows[1] == flows[2]


def test_more_than_the_limit_is_told() -> None:
    found = read(netmon(frames() * 9000), Limits(netmon_bytes=2 << 20))
    assert "capture.limit" in [code for code, _, _ in found.walk.problems]


@pytest.mark.parametrize("size", [4, 20, 71, 72, 100, 300, 420])
def test_a_file_that_ends_early(size: int) -> None:
    found = read(netmon(frames())[:size])
    assert "capture.cut" in [code for code, _, _ in found.walk.problems]


@pytest.mark.parametrize("year", [0, 1, 1601, 1969, 10_000])
def test_a_start_before_1970_is_no_time(year: int, tmp_path: Path) -> None:
    """Times are counted in 64 bits of nanoseconds since 1970."""
    data = bytearray(netmon(frames(), version=(2, 0)))
    struct.pack_into("<H", data, 8, year)
    path = tmp_path / "early.cap"
    path.write_bytes(data)
    found = scan(str(path), 0, "early.cap", Limits(), Scope())
    assert "the file's start is no time; times count from 1970" in [issue.detail for issue in found.issues]
    assert found.capture.packets == len(frames())
    assert [flow.segments.ts_ns[0] // 1_000_000_000 for flow in found.flows] == [0]


def test_damage_never_raises() -> None:
    data = [event(NDIS, 1001, ndis(frames()[0].data)), event(PKTMON, 160, pktmon(frames()[0].data, 1))]
    whole = [netmon(frames(), version=version) for version in VERSIONS]
    whole.append(netmon([Frame(T0_NS, one) for one in data], media=[0xFFE0] * 2))
    for seed in range(1500):
        dice = random.Random(seed)
        changed = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(4, len(changed))] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
        read(bytes(changed[: dice.randrange(4, len(changed) + 1)]))
