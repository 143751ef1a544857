import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.ids import packet_key
from analyzer.tables.packets import frame_filter, number_set, packet_set
from tests.build.evidence import capture

CAPTURES = [capture(), capture(1, "leg-b.pcapng")]


def test_numbers_as_wireshark_writes_them() -> None:
    assert number_set([12, 13, 14, 15, 16, 17, 21]) == "12..17,21"
    assert packet_set([], CAPTURES) is None


def test_several_captures_are_named() -> None:
    keys = [packet_key(1, 5), *(packet_key(0, number) for number in (17, 16, 15, 14, 13, 12))]
    assert packet_set(keys, CAPTURES) == "leg-a.pcapng:12..17;leg-b.pcapng:5"
    assert frame_filter(keys, 0) == "frame.number in {12..17}"
    assert frame_filter([packet_key(0, 12), packet_key(0, 13), packet_key(0, 21)], 0) == "frame.number in {12..13, 21}"
    assert frame_filter(keys, 2) is None


def test_a_set_without_a_column_beside_it_names_its_capture() -> None:
    keys = [packet_key(1, 5), packet_key(1, 6)]
    assert packet_set(keys, CAPTURES) == "5..6"
    assert packet_set(keys, CAPTURES, named=True) == "leg-b.pcapng:5..6"
    assert packet_set([packet_key(0, 5)], CAPTURES[:1], named=True) == "5"
    assert packet_set([], CAPTURES, named=True) is None


@given(st.sets(st.integers(1, 300)))
def test_a_set_can_be_read_back(numbers: set[int]) -> None:
    text = number_set(sorted(numbers))
    assert not text or re.fullmatch(r"\d+(\.\.\d+)?(,\d+(\.\.\d+)?)*", text)
    read: set[int] = set()
    for piece in text.split(",") if text else []:
        first, _, last = piece.partition("..")
        read.update(range(int(first), int(last or first) + 1))
    assert read == numbers


@given(st.lists(st.integers(1, 60), max_size=40))
def test_a_set_holds_each_number_once_and_joins_neighbours(numbers: list[int]) -> None:
    text = number_set(sorted(set(numbers)))
    held = [range(int(begin), int(end or begin) + 1) for piece in text.split(",") if piece for begin, _, end in [piece.partition("..")]]
    assert [number for one in held for number in one] == sorted(set(numbers))
    assert all(one.start > before.stop for before, one in pairwise(held)), "neighbours are one range"
