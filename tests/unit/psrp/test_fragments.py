"""Fragments become messages whatever was lost, and no bytes stop what follows them."""

import struct
import uuid
from array import array
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.holes import HOLE, UNKNOWN, Holed
from analyzer.psrp.fragments import Defragmenter, PsMessage, Strings

POOL = uuid.UUID(int=0xAB)
PIPELINE = uuid.UUID(int=0xCD)
OUTPUT = 0x00041004


def message(text: str, *, kind: int = OUTPUT, pipeline: uuid.UUID = PIPELINE, mark: bytes = b"\xef\xbb\xbf") -> bytes:
    return struct.pack("<II16s16s", 1, kind, POOL.bytes_le, pipeline.bytes_le) + mark + text.encode()


def fragments(data: bytes, *, identity: int = 1, size: int = 50) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return [struct.pack(">QQBI", identity, number, (number == 0) | (number == len(pieces) - 1) << 1, len(piece)) + piece for number, piece in enumerate(pieces)]


def read(pieces: Sequence[bytes]) -> list[PsMessage]:
    """All messages, those that lack fragments last."""
    reader = Defragmenter[int]()
    found = [message for place, piece in enumerate(pieces) for one, _ in reader.messages(piece, place) for message in each(one)]
    return found + [message for one, _ in reader.unfinished() for message in each(one)]


def each(found: PsMessage | Strings) -> list[PsMessage]:
    """The messages that a run of strings stands for."""
    if isinstance(found, PsMessage):
        return [found]
    alike = PsMessage("PIPELINE_OUTPUT", str(POOL).upper(), found.pipeline, "", 0, whole=True)
    begins = [0, *found.ends]
    texts = [found.texts[begin:end].decode() for begin, end in pairwise(begins)]
    return [alike._replace(text=f"<S>{text}</S>", size=size) for text, size in zip(texts, found.sizes, strict=True)]


@pytest.mark.parametrize("size", [1, 39, 40, 41, 1000])
def test_a_message_is_put_together(size: int) -> None:
    data = message("<S>text</S>")
    assert read(fragments(data, size=size)) == [PsMessage("PIPELINE_OUTPUT", str(POOL).upper(), str(PIPELINE).upper(), "<S>text</S>", len(data), whole=True)]
    assert read([b"".join(fragments(data, size=size))]) == read(fragments(data, size=size))


def test_a_pool_message_has_no_pipeline_and_an_unknown_type_its_number() -> None:
    (found,) = read(fragments(message("x", kind=0x00099999, pipeline=uuid.UUID(int=0), mark=b"")))
    assert (found.kind, found.pipeline, found.text) == ("0x00099999", None, "x")


def test_objects_may_be_interleaved() -> None:
    one, other = fragments(message("one" * 40), identity=1), fragments(message("other" * 40), identity=2)
    mixed = [piece for pair in zip(one, other, strict=False) for piece in pair] + one[len(other) :] + other[len(one) :]
    assert sorted(found.text for found in read(mixed)) == ["one" * 40, "other" * 40]
    assert all(found.whole for found in read(mixed))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_fragment_is_said_and_costs_nothing_else(lost: int) -> None:
    pieces = fragments(message("a" * 150), identity=7)
    del pieces[lost]
    other, cut = read([*pieces, *fragments(message("b"), identity=8)])
    assert (other.text, other.whole) == ("b", True)
    assert not cut.whole
    assert (cut.kind == "PIPELINE_OUTPUT") is (lost != 0)


def test_an_identity_that_is_used_again_begins_anew() -> None:
    begun = fragments(message("a" * 150), identity=1)[:1]
    first, second = read([*begun, *fragments(message("b"), identity=1)])
    assert not first.whole
    assert (second.text, second.whole) == ("b", True)


def test_a_fragment_that_is_sent_twice_counts_once() -> None:
    pieces = fragments(message("a" * 150))
    (found,) = read([pieces[0], *pieces])
    assert (found.text, found.whole) == ("a" * 150, True)


def test_an_object_without_its_end_is_given_at_the_end_with_its_place() -> None:
    reader = Defragmenter[str]()
    pieces = fragments(message("a" * 150))
    assert [found for place, piece in zip("ab", pieces, strict=False) for found in reader.messages(piece, place)] == []
    ((found, places),) = reader.unfinished()
    assert isinstance(found, PsMessage)
    assert (found.kind, found.whole, places) == ("PIPELINE_OUTPUT", False, ("a", "b"))
    assert found.text == "a" * (100 - 40 - 3) + UNKNOWN
    assert list(reader.unfinished()) == []


def test_fragments_may_come_in_any_order() -> None:
    pieces = fragments(message("abc" * 60))
    assert len(pieces) == 5
    for order in ([1, 0, 2, 3, 4], [4, 3, 2, 1, 0], [0, 2, 1, 4, 3]):
        (found,) = read([pieces[place] for place in order])
        assert (found.text, found.whole) == ("abc" * 60, True)


def test_what_is_missing_stands_in_its_place() -> None:
    data = fragments(message("a" * 40, mark=b""), size=1000)[0]
    holed = Holed(data[:71] + bytes(5) + data[76:], ((71, 5),))
    ((found, _),) = Defragmenter[int]().messages(holed, 0)
    assert isinstance(found, PsMessage)
    assert (found.text, found.size, found.whole) == ("a" * 10 + HOLE * 5 + "a" * 25, 80, False)
    pieces = fragments(message("a" * 150, mark=b""), size=60)
    (cut,) = read([pieces[0], pieces[3]])
    assert cut.text == "a" * 20 + UNKNOWN + "a" * 10
    pieces = fragments(message("a" * 400, mark=b""), size=60)
    (cut,) = read([*pieces[:2], *pieces[4:]])
    assert cut.text == "a" * 80 + HOLE * 120 + "a" * 200


def test_the_same_numbers_under_two_commands_are_two_objects() -> None:
    """Their fragments cross, and neither lends the other what it lacks."""
    one, other = fragments(message("one" * 40), identity=1), fragments(message("other" * 40), identity=1)
    reader = Defragmenter[int]()
    sent = [(piece, "A") for piece in one[:2]] + [(piece, "B") for piece in other] + [(piece, "A") for piece in one[3:]]
    found = [found for piece, owner in sent for found, _ in reader.messages(piece, 0, owner)]
    assert [one.text for one in found if isinstance(one, PsMessage)] == ["other" * 40]
    ((rest, _),) = reader.unfinished("A")
    assert isinstance(rest, PsMessage)
    assert (rest.whole, HOLE * 50 in rest.text, "other" in rest.text) == (False, True, False)
    assert list(reader.unfinished()) == []


@given(st.lists(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda blob: struct.pack(">QQBI", 1, 0, 3, len(blob)) + blob)), max_size=8))
def test_any_bytes_are_read(pieces: list[bytes]) -> None:
    assert all(one.size <= sum(map(len, pieces)) for one in read(pieces))


def test_a_number_without_bounds_costs_no_memory() -> None:
    (found,) = read([struct.pack(">QQBI", 1, (1 << 64) - 1, 3, 1) + b"a"])
    assert not found.whole


TEXTS = st.one_of(st.text(max_size=9).map(lambda text: f"<S>{text}</S>"), st.text(alphabet="<S>/a", max_size=9), st.just("<S></S>"))


@given(st.lists(st.tuples(TEXTS, st.sampled_from([0xCD, 0xEF, 0]), st.booleans()), max_size=9), st.integers(0, 400))
def test_a_run_of_strings_is_what_its_messages_are(objects: list[tuple[str, int, bool]], cut: int) -> None:
    """Read all at once, and fragment by fragment with nothing to run on to."""
    pieces = [
        fragments(message(text, pipeline=uuid.UUID(int=pipeline), mark=b"\xef\xbb\xbf" * mark), identity=number % 7, size=1000)[0]
        for number, (text, pipeline, mark) in enumerate(objects)
    ]
    assert read([b"".join(pieces)]) == read(pieces)
    assert [one.text for one in read(pieces)] == [text for text, _, _ in objects]
    read([b"".join(pieces)[cut:]])


def test_strings_of_one_pipeline_come_together() -> None:
    pieces = [fragments(message(f"<S>{number}</S>"), identity=number, size=1000)[0] for number in range(3)]
    size = 40 + 3 + 8
    assert [one for one, _ in Defragmenter[int]().messages(b"".join(pieces), 0)] == [
        Strings(str(PIPELINE).upper(), b"012", array("Q", [1, 2, 3]), array("Q", [size] * 3))
    ]


@given(st.lists(st.text(max_size=90), min_size=1, max_size=6), st.integers(1, 60), st.randoms(use_true_random=False))
def test_messages_survive_any_cutting_and_order(texts: list[str], size: int, chance: Random) -> None:
    pieces = [piece for identity, text in enumerate(texts, 1) for piece in fragments(message(text), identity=identity, size=size)]
    assert [found.text for found in read(pieces)] == texts
    chance.shuffle(pieces)
    mixed = read(pieces)
    assert sorted(found.text for found in mixed) == sorted(texts)
    assert all(found.whole for found in mixed)


@pytest.mark.parametrize("size", [30, 10_000])
def test_an_object_that_is_longer_than_the_limit_is_its_beginning_and_counted(size: int) -> None:
    text = "<S>" + "x" * 500 + "</S>"
    reader = Defragmenter[int](limit=100)
    pieces = fragments(message(text, kind=0x00041005), size=size)
    found = [one for place, piece in enumerate(pieces) for one, _ in reader.messages(piece, place)]
    (one,) = found
    assert isinstance(one, PsMessage)
    assert not one.whole
    assert one.text == "<S>" + "x" * (100 - 43 - 3) + UNKNOWN
    assert reader.cut == 1


def test_numbers_that_a_sender_chooses_take_no_memory() -> None:
    """Three fragments of a byte each can claim that a million lie between them. That is believed for a megabyte in all, not for each object."""

    def claims(identity: int) -> bytes:
        return b"".join(struct.pack(">QQBI", identity, number, number == 0, 1) + b"x" for number in (0, 1, 1 << 18))

    found = read([b"".join(claims(identity) for identity in range(40))])
    assert len(found) == 40
    assert sum(len(one.text) for one in found) < (1 << 20) + 40 * 100


def test_a_run_of_lost_fragments_still_has_its_size() -> None:
    pieces = fragments(message("a" * 2000), size=100)
    (found,) = read([*pieces[:2], pieces[-1]])
    assert HOLE * (100 * (len(pieces) - 3)) in found.text
