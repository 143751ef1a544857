import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain LAB\\alice", "plain LAB\\alice"),
        ("\x1b]0;pwn\x07", "\\x1b]0;pwn\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f\x00\r", "\\x7f\\x00\\x0d"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u2028", "\\u2028"),
        ("\u3164", "\\u3164"),
        ("Zoë 中文 →", "Zoë 中文 →"),
        ("tab\tline\n", "tab\\x09line\\x0a"),
    ],
)
def test_what_cannot_be_seen_is_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CORP\\\u0430dmin", "CORP\\\\u0430dmin"),  # Cyrillic a
        ("srv\u03bf1.corp.local", "srv\\u03bf1.corp.local"),  # Greek o
        ("\u0585ne", "\\u0585ne"),  # Armenian
        ("\U0001d41admin", "\\U0001d41admin"),
        ("\u0438\u0432\u0430\u043d\u043e\u0432", "\u0438\u0432\u0430\u043d\u043e\u0432"),  # a name in Cyrillic alone
        ("\u0424\u0430\u0439\u043b.txt", "\u0424\u0430\u0439\u043b.txt"),
        ("10\u00b5s m\u00fcller", "10\u00b5s m\u00fcller"),
    ],
)
def test_a_name_that_looks_like_another_one_shows_what_it_is_of(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown, "what was made visible stays as it is"


def test_asked_for_controls_stay() -> None:
    assert visible("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_long_texts_are_cut_and_say_so() -> None:
    assert visible("x" * 30, 10) == "x" * 10 + "... (20 more characters)"


@given(st.text(alphabet=st.characters()))
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = visible(text, len(text))
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in shown)
    assert visible(shown, len(shown)) == shown


def test_every_code_point() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    left = set(visible(every, len(every))) & set(
        map(chr, [*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
    )
    assert not left
