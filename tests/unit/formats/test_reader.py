"""Reading a stream with holes: what is taken, where it fails and why."""

import pytest

from analyzer.formats.reader import Hole, Reader, Short
from tests.build.streams import Piece, reader

WHOLE: list[Piece] = [b"hello ", b"world\r\n", b"next"]
HOLED: list[Piece] = [b"hello ", 5, b"\r\nnext", 3]


@pytest.mark.parametrize("size", [1, 2, 6, 7, 13])
def test_take_moves_on_over_extents(size: int) -> None:
    stream = reader(WHOLE)
    assert stream.take(size) == b"hello world\r\n"[:size]
    assert stream.at == size


def test_take_at_the_end_is_short() -> None:
    stream = reader(WHOLE, 14)
    with pytest.raises(Short):
        stream.take(4)
    assert stream.at == 14


@pytest.mark.parametrize(("at", "size"), [(0, 7), (6, 1), (8, 1), (13, 7), (18, 1)])
def test_take_over_a_hole_is_a_hole(at: int, size: int) -> None:
    stream = reader(HOLED, at)
    with pytest.raises(Hole):
        stream.take(size)
    assert stream.at == at


def test_until_finds_ends_over_extents() -> None:
    stream = reader([b"hello\r", b"\nnext"])
    assert (stream.until(b"\r\n", 100), stream.at) == (b"hello", 7)


def test_until_stops_at_its_limit() -> None:
    with pytest.raises(Short):
        reader([b"x" * 50_000]).until(b"\n", 10_000)
    assert reader([b"x" * 50_000 + b"\n"]).until(b"\n", 60_000) == b"x" * 50_000


def test_until_tells_a_hole_from_the_end() -> None:
    with pytest.raises(Hole):
        reader(HOLED).until(b"\n", 100)
    with pytest.raises(Short):
        reader(WHOLE, 13).until(b"\n", 100)


def test_peek_ends_before_a_hole_and_moves_nothing() -> None:
    stream = reader(HOLED)
    assert (stream.peek(100), stream.at) == (b"hello ", 0)
    stream.at = 8
    assert stream.peek(100) == b""
    stream.at = 11
    assert stream.peek(3) == b"\r\nn"


@pytest.mark.parametrize(("start", "end", "missing"), [(0, 20, 8), (0, 6, 0), (6, 11, 5), (4, 8, 2), (10, 12, 1), (16, 20, 3), (7, 7, 0), (9, 5, 0)])
def test_missing_counts_what_is_not_there(start: int, end: int, missing: int) -> None:
    assert reader(HOLED).missing(start, end) == missing


@pytest.mark.parametrize(("start", "end", "packets"), [(0, 6, (1,)), (0, 20, (1, 2)), (11, 12, (2,)), (6, 11, ()), (5, 12, (1, 2)), (3, 3, (1,))])
def test_packets_that_carried_a_piece(start: int, end: int, packets: tuple[int, ...]) -> None:
    assert reader(HOLED).packets(start, end) == packets


@pytest.mark.parametrize(("at", "packet"), [(0, 1), (5, 1), (8, 1), (11, 2), (19, 2)])
def test_the_packet_before_a_hole_stands_for_it(at: int, packet: int) -> None:
    assert reader(HOLED).near_packet(at) == packet
    assert reader([3, b"x"]).near_packet(1) is None


@pytest.mark.parametrize(("at", "found"), [(0, 0), (5, 5), (6, 11), (10, 11), (17, None)])
def test_next_data(at: int, found: int | None) -> None:
    assert reader(HOLED).next_data(at) == found


def test_pieces_leave_holes_out_or_end_there() -> None:
    assert b"".join(reader(HOLED).pieces(3, 15)) == b"lo \r\nne"
    assert b"".join(reader(HOLED).pieces(3, 15, stop_at_gap=True)) == b"lo "


def test_a_file_that_became_shorter_ends_the_pieces() -> None:
    stream = reader(WHOLE)
    cut = Reader(stream.stream, lambda _source, at, size: b"hello world\r\n"[at : at + size][:2])
    assert b"".join(cut.pieces(0, 17)) == b"he"
