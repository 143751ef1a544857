from analyzer.reports.raw import pieces
from tests.build.evidence import extents, stream

FILE = bytes(range(256))


def fetch(source: int, at: int, size: int) -> bytes:
    assert source == 0
    return FILE[at : at + size]


def test_bytes_are_read_where_they_lie_and_holes_stay() -> None:
    made = stream(30, at=extents((0, 10, 100, 1), (10, 5, 50, 2), (20, 10, 200, 3)))
    found = list(pieces(made, 5, 25, fetch))
    assert [(piece.at, piece.packet, piece.data) for piece in found] == [(5, 1, FILE[105:110]), (10, 2, FILE[50:55]), (20, 3, FILE[200:205])]
    assert list(pieces(made, 15, 20, fetch)) == []
    assert list(pieces(stream(0, at=extents()), 0, 5, fetch)) == []
