"""The pieces of a stream in blocks: as a plain list has them, in whatever order they come."""

import random
from itertools import pairwise

import pytest

from analyzer.transport import pieces
from analyzer.transport.pieces import Extent, Pieces


def _piece(at: int, size: int) -> Extent:
    return Extent(at, size, 0, at, at, at, 0)


def _free(taken: set[int], at: int, end: int) -> list[tuple[int, int]]:
    """Byte by byte."""
    free: list[tuple[int, int]] = []
    for place in range(at, end):
        if place in taken:
            continue
        if free and free[-1][1] == place:
            free[-1] = (free[-1][0], place + 1)
        else:
            free.append((place, place + 1))
    return free


@pytest.mark.parametrize("seed", range(20))
def test_pieces_in_any_order_are_as_in_a_plain_list(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MOST", 4)
    draw = random.Random(seed)
    found, taken = Pieces(), set[int]()
    for _ in range(300):
        at = draw.randrange(400)
        end = at + draw.choice((1, 1, 2, 5, 40))
        if at >= found.end:
            found.append(_piece(at, end - at))
            taken.update(range(at, end))
            continue
        free = found.free(at, end)
        assert free == _free(taken, at, end)
        for start, stop in free:
            found.insert(_piece(start, stop - start))
            taken.update(range(start, stop))
        over = list(found.over(at, end))
        assert over == [one for one in found if one.at < end and one.at + one.size > at]
        old = found.holding(at)
        assert old.at <= at < old.at + old.size
        if old.size > 1 and draw.random() < 0.5:
            found.replace(old, [_piece(old.at, 1), _piece(old.at + 1, old.size - 1)])
        assert all(one.at + one.size <= other.at for one, other in pairwise(found))
        assert {place for one in found for place in range(one.at, one.at + one.size)} == taken
