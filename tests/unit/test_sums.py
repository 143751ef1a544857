"""Ranges of an object are what was written, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import InputError
from analyzer.system.sums import BLOCK, Proved, proved, sums, tail

DATA = bytes(range(256)) * 600  # two blocks and a part of a third


def _of(data: bytes) -> Proved:
    whole = data + tail(lambda at, size: data[at : at + size], len(data))
    return proved(lambda at, size: whole[at : at + size], len(whole))


@given(st.integers(0, len(DATA) + 10), st.integers(0, 2 * BLOCK))
def test_a_range_is_that_of_the_data(at: int, size: int) -> None:
    found = _of(DATA)
    assert found.read(at, size) == DATA[at : at + size]
    begin, data = found.around(at, size)
    assert DATA[begin : begin + len(data)] == data


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_at_the_edges_of_blocks(size: int) -> None:
    assert _of(DATA[:size]).read(0, size + 1) == DATA[:size]


@given(st.integers(0, len(DATA) - 1))
def test_a_block_that_changed_is_an_error_and_the_others_are_not(place: int) -> None:
    other = bytearray(DATA)
    other[place] ^= 1
    found = Proved(lambda at, size: bytes(other[at : at + size]), len(DATA), sums(lambda at, size: DATA[at : at + size], len(DATA)))
    with pytest.raises(InputError):
        found.read(place, 1)
    clean = (place // BLOCK + 1) % 3 * BLOCK
    assert found.read(clean, 100) == DATA[clean : clean + 100]


@given(st.integers(1, 100))
def test_one_that_was_cut_or_changed_behind_its_bytes_is_an_error(less: int) -> None:
    whole = DATA + tail(lambda at, size: DATA[at : at + size], len(DATA))
    cut = whole[:-less]
    with pytest.raises(InputError):
        proved(lambda at, size: cut[at : at + size], len(cut))
    changed = bytearray(whole)
    changed[-min(less, len(whole) - len(DATA))] ^= 1
    with pytest.raises(InputError):
        proved(lambda at, size: bytes(changed[at : at + size]), len(changed))
