"""Plain LZ77: the examples of MS-XCA, a compressor written from its description, and damage; both forms of the module."""

import random
from types import ModuleType

import pytest

from analyzer.formats import forms, lz77
from tests.build.traces import compress

FORMS = [pytest.param(forms.source(lz77), id="source"), pytest.param(lz77, id="as built")]


@pytest.mark.parametrize("form", FORMS)
def test_the_examples_of_the_specification(form: ModuleType) -> None:
    """MS-XCA 3.1."""
    letters = b"abcdefghijklmnopqrstuvwxyz"
    assert form.decompress(bytes.fromhex("3f000000") + letters, 26) == (letters, True)
    assert form.decompress(bytes.fromhex("ffffff1f61626317000fff2601"), 300) == (b"abc" * 100, True)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_compressed_comes_back(form: ModuleType) -> None:
    dice = random.Random(3)
    for size in (0, 1, 31, 32, 33, 1000, 70_000):
        for letters in (b"ab", bytes(range(256)), b"\0"):
            data = bytes(dice.choice(letters) for _ in range(size))
            for plain in (data, data[: size // 2] * 2, b"x" * 300 + data):
                assert form.decompress(compress(plain), len(plain)) == (plain, True)
                assert form.decompress(compress(plain), len(plain) + 100) == (plain, True)


def test_no_more_than_asked_for() -> None:
    assert lz77.decompress(compress(b"a" * 60_000), 1000) == (b"a" * 1000, True)


def test_both_forms_agree_on_damage_and_neither_raises() -> None:
    source = forms.source(lz77)
    whole = compress(b"".join(bytes([place % 7, place % 11, place]) for place in range(256)) * 4)
    for seed in range(600):
        dice = random.Random(seed)
        changed = bytearray(whole[: dice.randrange(1, len(whole))])
        for _ in range(dice.randrange(4)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        assert source.decompress(bytes(changed), 5000) == lz77.decompress(bytes(changed), 5000)


def test_a_match_before_the_beginning_is_damage() -> None:
    assert lz77.decompress(bytes.fromhex("ffffff7f415000"), 10) == (b"A", False)
