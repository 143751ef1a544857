"""A name that many addresses have: which others have it is told, and costs time with their number, not with its square."""

import time

from analyzer.records.names import Naming
from analyzer.story.hosts import _Claim, _Placed


def _placed(count: int) -> _Placed:
    made = _Placed()
    for number in range(count):
        name = ("srv", "srv.one.example", f"srv.{number}.example")[number % 3]
        made.add(_Claim(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", name, next(iter(Naming)), "c1.x1", None))
    return made


def _took(count: int) -> float:
    placed = _placed(count)
    begin = time.process_time()
    for number in range(count):
        placed.elsewhere(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "srv.one.example")
    return time.process_time() - begin


def test_a_name_of_one_label_is_equal_to_each_that_begins_with_it() -> None:
    placed = _placed(7)
    assert placed.elsewhere("10.0.0.0", "srv") == [f"10.0.0.{number}" for number in range(1, 7)]
    assert placed.elsewhere("10.0.0.1", "srv.one.example") == ["10.0.0.0", "10.0.0.3", "10.0.0.4", "10.0.0.6"]
    assert placed.elsewhere("fd00::1", "srv") == []


def test_time_grows_with_the_addresses() -> None:
    few = _took(4_000)
    assert _took(16_000) < 8 * max(few, 0.03)
