"""tshark reads the captures of the tests that were chosen, two at a time, while the tests wait only for their own."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.oracle.captures import NAMES, path
from tests.oracle.ours import ours
from tests.oracle.tshark import Opinion, opinion


class Opinions:
    """tshark's readings by the name of the capture."""

    def __init__(self, pool: ThreadPoolExecutor, names: list[str]) -> None:
        self._pool = pool
        self._futures: dict[str, Future[Opinion]] = {}
        for name in names:
            self._ask(name)

    def __getitem__(self, name: str) -> Opinion:
        return self._ask(name).result()

    def _ask(self, name: str) -> Future[Opinion]:
        if name not in self._futures:
            self._futures[name] = self._pool.submit(_opinion, name)
        return self._futures[name]


def _opinion(name: str) -> Opinion:
    mine = ours(path(name))
    return opinion(path(name), mine.ports, [stream.pair for stream in mine.streams])


@pytest.fixture(scope="session")
def opinions(request: pytest.FixtureRequest) -> Iterator[Opinions]:
    chosen = {item.callspec.params.get("name") for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")}
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        yield Opinions(pool, [name for name in NAMES if name in chosen])


@pytest.fixture
def capture(name: str) -> Path:
    return path(name)
