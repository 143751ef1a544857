"""How connections are cut into shards: none is lost, those that lie together stay together, and no shard holds much more than another."""

from array import array
from itertools import pairwise

import pytest

from analyzer.engine.plan import Work
from analyzer.engine.shards import shards
from analyzer.records.capture import Flow, Segments, Verdict


def item(number: int, size: int) -> Work:
    flow = Flow(0, ("192.0.2.1", "192.0.2.2"), (50000, 5985), Verdict.HTTP, segments=Segments(size=array("q", [size])))
    return Work(number, (flow,), None)


@pytest.mark.parametrize("count", [1, 2, 8, 50])
@pytest.mark.parametrize("sizes", [[], [7], [0, 0, 0], [1000] * 300, [10**9, 1, 1, 1], list(range(100))])
def test_each_connection_is_in_one_shard(sizes: list[int], count: int) -> None:
    todo = [item(number, size) for number, size in enumerate(sizes, 1)]
    cut = shards(todo, count)
    assert len(cut) == count
    assert sorted(one.number for shard in cut for one in shard) == [one.number for one in todo]
    assert all([one.number for one in shard] == sorted(one.number for one in shard) for shard in cut)


def test_neighbours_stay_together() -> None:
    cut = shards([item(number, 1000) for number in range(1, 801)], 8)
    assert {len(shard) for shard in cut} <= set(range(90, 111))
    apart = sum(after.number != before.number + 1 for shard in cut for before, after in pairwise(shard))
    assert apart < 64


def test_a_large_connection_has_a_shard_of_its_own() -> None:
    cut = shards([item(1, 10), item(2, 10**6), *(item(number, 10) for number in range(3, 100))], 2)
    assert [[one.number for one in shard] for shard in cut if any(one.number == 2 for one in shard)] in ([[2]], [[1, 2]])
