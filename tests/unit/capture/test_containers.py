"""Bytes of pcap and pcapng in, packets as Wireshark counts them out; damage costs what it hits and no more."""

import struct
from collections.abc import Iterable

import pytest

from analyzer.capture.containers import rows
from analyzer.capture.window import Row, Walk, Window
from analyzer.settings import Limits
from tests.build.packets import Frame, filling, pcap, pcapng

FRAMES = [Frame(1_700_000_000_000_000_000 + place * 1_234_567, bytes([place]) * (40 + place)) for place in range(8)]


def read(data: bytes, size: int = 1 << 20) -> tuple[list[tuple[int, int, int, bytes]], Walk]:
    """(number, time, link, bytes) of each packet."""
    walk = Walk()
    return [_copy(row) for row in rows(filling(data, size), Limits(), walk)], walk


def _copy(row: Row) -> tuple[int, int, int, bytes]:
    return row.number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size])


def expected(frames: Iterable[Frame]) -> list[tuple[int, int, int, bytes]]:
    return [(number, one.ts_ns, one.link, one.data) for number, one in enumerate(frames, 1)]


def codes(walk: Walk) -> list[str]:
    return [code for code, _, _ in walk.problems]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [1, 7, 24, 1 << 20])
def test_pcap(order: str, size: int) -> None:
    found, walk = read(pcap(FRAMES, order=order), size)
    assert (found, walk.format, walk.packets, walk.problems) == (expected(FRAMES), "pcap-ns", 8, [])


def test_pcap_with_microseconds() -> None:
    found, walk = read(pcap(FRAMES, nanoseconds=False))
    assert walk.format == "pcap"
    assert [ts for _, ts, _, _ in found] == [one.ts_ns // 1000 * 1000 for one in FRAMES]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [1, 7, 24, 1 << 20])
def test_pcapng(order: str, size: int) -> None:
    found, walk = read(pcapng(FRAMES, order=order), size)
    assert (found, walk.format, walk.packets, walk.problems) == (expected(FRAMES), "pcapng", 8, [])


def test_file_offsets_lead_to_the_bytes() -> None:
    for data in (pcap(FRAMES), pcapng(FRAMES)):
        for row in rows(filling(data, 100), Limits(), Walk()):
            assert data[row.file_at : row.file_at + row.size] == row.buffer[row.at : row.at + row.size]


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 60])
def test_a_pcap_that_ends_inside_a_record(cut: int) -> None:
    found, walk = read(pcap(FRAMES)[:-cut])
    assert found == expected(FRAMES[: 7 if cut < 63 else 6])
    assert codes(walk) == ["capture.cut"]


@pytest.mark.parametrize("cut", [1, 30, 70])
def test_a_pcapng_that_ends_inside_a_block(cut: int) -> None:
    found, walk = read(pcapng(FRAMES)[:-cut])
    assert found == expected(FRAMES[:7])
    assert codes(walk) == ["capture.cut"]


@pytest.mark.parametrize("order", "<>")
def test_pcap_goes_on_behind_a_record_that_lies(order: str) -> None:
    data = bytearray(pcap(FRAMES, order=order))
    at = 24 + 16 + 40
    struct.pack_into(order + "I", data, at + 8, 0x7FFFFFFF)
    found, walk = read(bytes(data))
    assert [row[3] for row in found] == [one.data for one in FRAMES if one is not FRAMES[1]]
    assert codes(walk) == ["capture.damaged-record"]


def test_pcapng_goes_on_behind_a_block_that_lies() -> None:
    data = bytearray(pcapng(FRAMES))
    at = data.index(FRAMES[1].data) - 28
    struct.pack_into("<I", data, at + 4, 0x7FFFFFF0)
    found, walk = read(bytes(data))
    assert [row[3] for row in found] == [one.data for one in FRAMES if one is not FRAMES[1]]
    assert codes(walk) == ["capture.damaged-record"]


def test_rubbish_after_the_header_is_given_up() -> None:
    found, walk = read(pcap([]) + b"\xff" * 5000)
    assert found == []
    assert codes(walk) == ["capture.damaged-record"]


def test_a_large_damaged_pcapng_is_searched_quickly() -> None:
    """Every four bytes look like a packet block that is longer than what is left."""
    found, _ = read(pcapng([]) + struct.pack("<II", 6, 15 << 20) * 200_000, 1 << 16)
    assert found == []


def test_packets_of_an_unknown_interface_keep_their_numbers() -> None:
    data = bytearray(pcapng(FRAMES))
    struct.pack_into("<I", data, data.index(FRAMES[2].data) - 20, 9)
    found, walk = read(bytes(data))
    assert [row[0] for row in found] == [1, 2, 4, 5, 6, 7, 8]
    assert walk.problems[0][0::2] == ("capture.unknown-interface", 3)


def _block(kind: int, body: bytes, order: str = "<") -> bytes:
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\x00" * (-len(value) % 4)


SECTION = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


@pytest.mark.parametrize(
    ("options", "ticks", "ts_ns"),
    [
        (b"", 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (_option(9, b"\x09"), 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (_option(9, b"\x03"), 1_700_000_000_123, 1_700_000_000_123_000_000),
        (_option(9, b"\x8a"), 1_700_000_000 << 10 | 512, 1_700_000_000_500_000_000),
        (_option(14, struct.pack("<q", 1_000_000_000)), 700_000_000_000_000, 1_700_000_000_000_000_000),
    ],
    ids=["microseconds", "nanoseconds", "milliseconds", "powers of two", "an offset"],
)
def test_time_resolutions(options: bytes, ticks: int, ts_ns: int) -> None:
    interface = _block(1, struct.pack("<HHI", 1, 0, 0) + options)
    packet = _block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, 4, 4) + b"data")
    assert read(SECTION + interface + packet)[0] == [(1, ts_ns, 1, b"data")]


def test_a_time_that_no_clock_shows_is_the_time_before() -> None:
    interface = _block(1, struct.pack("<HHI", 1, 0, 0))
    good = _block(6, struct.pack("<IIIII", 0, 0, 5_000_000, 4, 4) + b"good")
    bad = _block(6, struct.pack("<IIIII", 0, 0xFFFFFFFF, 0xFFFFFFFF, 4, 4) + b"bad!")
    found, walk = read(SECTION + interface + good + bad)
    assert [ts for _, ts, _, _ in found] == [5_000_000_000] * 2
    assert codes(walk) == ["capture.damaged-record"]


def test_simple_packets_take_the_snap_length_of_the_first_interface() -> None:
    interface = _block(1, struct.pack("<HHI", 101, 0, 4))
    simple = _block(3, struct.pack("<I", 9) + b"data")
    assert read(SECTION + interface + simple)[0] == [(1, 0, 101, b"data")]


def test_a_second_section_may_have_the_other_byte_order_and_its_own_interfaces() -> None:
    first, second = FRAMES[:3], [one._replace(link=113) for one in FRAMES[3:]]
    assert read(pcapng(first) + pcapng(second, order=">"))[0] == expected([*first, *second])


def test_blocks_that_wireshark_counts_take_a_number() -> None:
    interface = _block(1, struct.pack("<HHI", 1, 0, 0))
    packet = _block(6, struct.pack("<IIIII", 0, 0, 0, 4, 4) + b"data")
    found, walk = read(SECTION + interface + _block(9, b"MESSAGE=hello___") + packet)
    assert [row[0] for row in found] == [2]
    assert walk.packets == 2


def test_secrets_and_comments_are_kept() -> None:
    interface = _block(1, struct.pack("<HHI", 1, 0, 0))
    secrets = _block(10, struct.pack("<II", 0x544C534B, 8) + b"CLIENT_R")
    packet = _block(6, struct.pack("<IIIII", 0, 0, 0, 4, 4) + b"data" + _option(1, b"look"))
    data = SECTION + interface + secrets + packet
    _, walk = read(data)
    assert [data[at : at + size] for _, at, size in walk.secrets] == [b"CLIENT_R"]
    assert walk.comments == [(1, "look")]


@pytest.mark.parametrize("data", [b"", b"\x00", b"RIFF" * 10, b"\xd4\xc3\xb2\xa1", b"MDMP" + bytes(100)])
def test_what_is_no_capture_has_no_format(data: bytes) -> None:
    found, walk = read(data)
    assert (found, walk.format) == ([], "")


@pytest.mark.parametrize("searched", [1024, 8192])
def test_records_are_found_wherever_they_lie_behind_damage(searched: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are searched for by pieces; they may lie at the end of one, or in two."""
    monkeypatch.setattr("analyzer.capture.pcap._SEARCHED", searched)
    data = pcap(FRAMES)
    for gap in (*range(5400, 6400), *range(7900, 8300)):
        walk = Walk()
        damaged = data[:24] + b"\xff" * gap + data[24:]
        found = [row.size for row in rows(filling(damaged, 1 << 16), Limits(read_size_bytes=64), walk)]
        assert found == [len(one.data) for one in FRAMES], gap
        assert walk.problems == [("capture.damaged-record", f"{gap} bytes passed over at offset 24", 1)]


def test_what_looks_like_records_to_the_end_is_searched_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place looks like a record that goes on behind the window: the window is moved once for each half of it, not for each place."""
    monkeypatch.setattr("analyzer.capture.pcap._SEARCHED", 4096)
    moves = []
    need = Window.need

    def counted(window: Window, size: int) -> bool:
        before = window.base
        told = need(window, size)
        moves.append(window.base != before)
        return told

    monkeypatch.setattr(Window, "need", counted)
    head = struct.pack("<IIII", 0, 0, 3000, 3000)
    walk = Walk()
    data = pcap([])[:24] + b"\xff" * 16 + (head[8:12] * 20_000)
    list(rows(filling(data, 1 << 16), Limits(read_size_bytes=64), walk))
    assert sum(moves) < 4 * len(data) // 4096 + 10
