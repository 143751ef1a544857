"""The compiled reading of strings and its source, run uncompiled, see the same in damaged fragments; and neither ever reads outside of its data.

The compiled form is built with bounds checks on: a read outside would raise IndexError, and fail a case here.
"""

import random
import struct

import pytest

from analyzer.formats import forms
from analyzer.psrp import strings

CASES = 6000
_OWNERS = (bytes(range(16)), bytes(range(1, 17)), bytes(16))
_TEXTS = (b"", b"a", b"line of text", b"&lt;x&gt;", b"_x000A_", "\u00fcber".encode(), b"a<b", b"a>b", b"<S></S>", b"\xff\xfe")

twice = pytest.mark.skipif(not forms.compiled(strings), reason="nothing is compiled here: there is one form only")


def _fragment(dice: random.Random, identity: int) -> bytes:
    kind = 0x00041004 if dice.random() < 0.95 else dice.choice((0x00041005, 0x01041004))
    text = dice.choice(_TEXTS)
    blob = struct.pack("<II16s16s", 1, kind, bytes(16), dice.choice(_OWNERS[: dice.choice((1, 1, 1, 3))]))
    blob += b"\xef\xbb\xbf" * (dice.random() < 0.8) + b"<S>" + text + b"</S>"
    flags = 3 if dice.random() < 0.95 else dice.randrange(256)
    size = len(blob) if dice.random() < 0.95 else dice.choice((0, 46, 47, len(blob) - 1, len(blob) + 1, 0xFFFFFFFF))
    return struct.pack(">QQBI", identity, 0 if dice.random() < 0.97 else 1, flags, size) + blob


def _case(number: int) -> tuple[bytes, int, dict[int, None]]:
    """Data, where to begin, and objects that are known."""
    dice = random.Random(number)
    data = bytearray(b"".join(_fragment(dice, identity) for identity in range(dice.randrange(1, 9))))
    for _ in range(dice.choice((0, 0, 1, 3))):
        at = dice.randrange(len(data))
        what = dice.randrange(3)
        if what == 0:
            data[at] = dice.randrange(256)
        elif what == 1:
            del data[at : at + dice.randrange(1, 40)]
        else:
            del data[at:]
        if not data:
            break
    return bytes(data), dice.choice((0, 0, 0, 1, len(data) // 2, len(data), len(data) + 5)), dict.fromkeys(dice.choice(((), (), (2,), (0, 5))))


@twice
@pytest.mark.parametrize("chunk", range(4))
def test_damaged_fragments_look_the_same(chunk: int) -> None:
    found = 0
    for number in range(chunk, CASES, 4):
        data, at, known = _case(number)
        compiled = strings.strings(data, at, known)
        assert compiled == forms.source(strings).strings(data, at, known), f"case {number}"
        found += compiled is not None
    assert found > CASES // 64


@twice
def test_a_place_before_the_data_is_refused() -> None:
    """What the cases above rest on: bounds checks are on."""
    with pytest.raises(IndexError):
        strings.strings(bytes(200), -100, {})


def test_a_run_is_what_its_fragments_say() -> None:
    """Sizes, ends and texts against a reading with the struct module, as far as the run goes."""
    seen = 0
    for number in range(2000):
        data, at, known = _case(number)
        run = strings.strings(data, at, known)
        if run is None:
            continue
        place, begin = at, 0
        for end, size in zip(run.ends, run.sizes, strict=True):
            identity, fragment, flags, told = struct.unpack_from(">QQBI", data, place)
            assert (fragment, flags, told) == (0, 3, size)
            assert identity not in known
            assert data[place + 45 : place + 61] == run.pipeline != bytes(16)
            text = run.texts[begin:end]
            assert data[place + 61 : place + 21 + size].removeprefix(b"\xef\xbb\xbf") == b"<S>" + text + b"</S>"
            assert not {60, 62} & set(text)
            place, begin, seen = place + 21 + size, end, seen + 1
        assert (place, begin) == (run.end_at, len(run.texts))
    assert seen > 300
