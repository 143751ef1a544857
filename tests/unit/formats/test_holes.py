"""What is missing is never read over: texts and bytes keep their holes, in size and place."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.holes import HOLE, UNKNOWN, Holed, bytes_of, joined, lost, said, shown, text_of, unshown


def holed(data: bytes, start: int, size: int) -> Holed:
    return Holed(data[:start] + bytes(size) + data[start + size :], ((start, size),))


def test_a_text_says_where_it_lacks_something() -> None:
    text = text_of(holed(b"whoami /all", 3, 4))
    assert text == f"who{HOLE * 4}/all"
    assert shown(text) == ("who[4 bytes are not in the capture]/all", ((3, 4),))
    assert shown("whole") == ("whole", ())
    assert shown(f"a{UNKNOWN}b{HOLE}") == ("a[a part is not in the capture]b[1 byte is not in the capture]", ((1, 0), (1 + len(said(0)) + 1, 1)))


def test_a_captured_character_is_never_taken_for_a_hole() -> None:
    data = f"a{HOLE}b".encode()
    assert shown(text_of(holed(data + b"cd", len(data), 1)))[1] == ((3, 1),)
    assert text_of(Holed(data)) == f"a{HOLE}b"


def test_pieces_and_cuts() -> None:
    whole = joined((Holed(b"ab"), lost(3), Holed(b"c"), lost(None)))
    assert whole == Holed(b"ab\0\0\0c", ((2, 3), (6, 0)))
    assert (whole.missing, whole.cut(0, 4).missing, whole.cut(0, 2)) == (None, 2, Holed(b"ab"))
    assert whole.cut(3, 6) == Holed(b"\0\0c", ((0, 2), (3, 0)))
    assert (whole.touches(0, 2), whole.touches(1, 3), whole.touches(5, 6)) == (False, True, False)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_base64_with_a_hole_gives_only_bytes_that_are_there_and_in_their_place(data: bytes, draw: st.DataObject) -> None:
    text = base64.b64encode(data).decode()
    start = draw.draw(st.integers(0, len(text) - 1))
    size = draw.draw(st.integers(1, len(text) - start))
    found = bytes_of(text[:start] + HOLE * size + text[start + size :])
    gone = {at for where, hole in found.holes for at in range(where, where + hole)}
    assert found.holes
    for at, byte in enumerate(data):
        assert at in gone or found.data[at] == byte
    touched = set(range(start // 4 * 3, -(-(start + size) // 4) * 3))
    assert {at for at in gone if at < len(data)} <= touched


def test_what_follows_a_hole_of_unknown_size_comes_after_it() -> None:
    text = base64.b64encode(b"abcdef").decode()
    assert bytes_of(text + UNKNOWN) == Holed(b"abcdef", ((6, 0),))
    assert bytes_of(text[:6] + HOLE * 4) == Holed(b"abc", ((3, 0),))
    long = base64.b64encode(bytes(range(90))).decode()
    for begin in range(12):
        for end in range(60, 70):
            found = bytes_of(long[:begin] + UNKNOWN + long[end:])
            assert found.holes == ((begin // 4 * 3, 0),)
            assert found.data == bytes(range(begin // 4 * 3)) + bytes(range(-(-end // 4) * 3, 90))
    assert bytes_of(long[:8] + UNKNOWN + long[30:50] + UNKNOWN) == Holed(bytes(range(6)), ((6, 0),))


@pytest.mark.parametrize("text", ["plain", f"a{HOLE * 1200}b{UNKNOWN}", f"{UNKNOWN}{HOLE}x", HOLE])
def test_what_was_shown_can_be_parsed_again(text: str) -> None:
    told, holes = shown(text)
    again = unshown(told, holes)
    assert shown(again) == (told, holes)
    assert again.count(HOLE) == (0 if UNKNOWN + HOLE in text else text.count(HOLE))
