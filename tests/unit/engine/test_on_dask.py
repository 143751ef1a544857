"""How jobs are packed, and when a job goes along with them; a cluster itself is in tests/golden/test_cluster.py."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import pytest

from analyzer.engine.on_dask import _Beside, _packs, _told_from


@pytest.mark.parametrize("threads", [1, 2, 7, 64])
@pytest.mark.parametrize("count", [0, 1, 2, 16, 200, 10_001])
def test_packs_have_all_jobs_in_order_and_end_small(count: int, threads: int) -> None:
    packs = list(_packs(range(count), threads))
    assert list(chain.from_iterable(packs)) == list(range(count))
    sizes = [len(pack) for pack in packs]
    assert sizes == sorted(sizes, reverse=True)
    if count:
        assert sizes[-1] == 1
        assert sizes[0] <= max(count // (threads * 8), 1)
        assert len(sizes) <= 30 * threads or sizes[0] == 1


class _Client:
    def __init__(self) -> None:
        self.asked: list[tuple[object, dict[str, object]]] = []

    def submit(self, job: partial[object], **how: object) -> str:
        self.asked.append((job.args[1], how))
        return f"future {job.args[1]}"


class _Future(NamedTuple):
    where: str
    told: bool

    def result(self) -> tuple[str, bool]:
        return self


class _Along:
    def work(self, ask: object) -> object:
        return ask

    def ask(self, found: Sequence[object]) -> int | None:
        return len(found) if len(found) != 50 else None

    def told(self, told: bool) -> bool:  # noqa: FBT001  as it is told
        return told


def test_a_job_goes_along_again_when_it_has_ended_and_more_is_there() -> None:
    client: Any = _Client()
    beside = _Beside(client, _Along(), "tcp://a", 200)
    assert not beside.is_due(32)
    assert beside.is_due(33)
    assert beside.asked(range(33)) == ["future 33"]
    assert client.asked[0][1]["workers"] == ["tcp://a"]
    assert client.asked[0][1]["allow_other_workers"]
    assert not beside.is_due(100)  # it runs
    ended: Any = _Future("tcp://b", told=True)
    beside.ended(ended)
    assert beside.home == "tcp://b"  # who holds it now
    assert beside.asked(range(50)) == []  # nothing to do
    assert not beside.is_due(82)
    assert beside.is_due(83)
    beside.asked(range(180))
    failed: Any = _Future("tcp://c", told=False)
    beside.ended(failed)
    assert beside.home == "tcp://b"
    assert not beside.is_due(190)  # few are left
    assert beside.is_due(191)


def test_it_is_told_from_where() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="worker"):
        _told_from(len, [1])
