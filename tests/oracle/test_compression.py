"""The examples of MS-XCA, an LZXPRESS Huffman encoder written from its pseudo-code, an SLDC encoder written from ECMA-321; and any bytes."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyzer.formats import sldc
from analyzer.formats.content import Room
from analyzer.wsman import xpress

_TABLE = 256
texts = st.one_of(
    st.binary(max_size=600),
    st.lists(st.sampled_from([b"<s:Envelope>", b"AAAA", b"\xff\xff", b"a", bytes(70), b"C:\\Windows\\"]), max_size=80).map(b"".join),
)


def _table(**codes: int) -> bytearray:
    """Code lengths by symbol, four bits each."""
    made = bytearray(_TABLE)
    for name, size in codes.items():
        symbol = int(name[1:])
        made[symbol // 2] |= size << 4 * (symbol % 2)
    return made


def test_the_first_example_of_ms_xca() -> None:
    letters = {f"s{0x61 + place}": 5 if place < 22 else 4 for place in range(26)}
    packed = bytes(_table(**letters, s256=4)) + bytes.fromhex("d8523ed794115be9195ff9d67cdf8d0400000000")
    assert xpress.decompress(packed, 26) == b"abcdefghijklmnopqrstuvwxyz"


def test_the_second_example_of_ms_xca() -> None:
    packed = bytes(_table(s97=3, s98=3, s99=2, s256=2, s287=2)) + bytes.fromhex("a8dc0000ff2601")
    assert xpress.decompress(packed, 300) == b"abc" * 100


class _Encoder:
    """MS-XCA 2.1.4.3: sixteen bits are written to a place kept free for them, since bytes in between are read sooner."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x99" * _TABLE + bytes(4))  # all 512 symbols have nine bits
        self._places = [_TABLE, _TABLE + 2]
        self._word, self._free = 0, 16

    def bits(self, count: int, value: int) -> None:
        if self._free >= count:
            self._word, self._free = self._word << count | value, self._free - count
            return
        count -= self._free
        struct.pack_into("<H", self.out, self._places.pop(0), self._word << self._free | value >> count)
        self._places.append(len(self.out))
        self.out += bytes(2)
        self._word, self._free = value & ((1 << count) - 1), 16 - count

    def match(self, size: int, distance: int) -> None:
        power, size = distance.bit_length() - 1, size - 3
        self.bits(9, 256 + (power << 4) + min(size, 15))
        if size >= 15:
            self.out += bytes([size - 15]) if size - 15 < 255 else b"\xff" + struct.pack("<H", size)
        if power:
            self.bits(power, distance - (1 << power))

    def finished(self) -> bytes:
        struct.pack_into("<H", self.out, self._places[0], self._word << self._free)
        return bytes(self.out)


def _xpress(text: bytes) -> bytes:
    made, at = _Encoder(), 0
    for begin, size, distance in _matches(text, least=3, most=60_000, window=65_535):
        for byte in text[at:begin]:
            made.bits(9, byte)
        made.match(size, distance)
        at = begin + size
    for byte in text[at:]:
        made.bits(9, byte)
    return made.finished()


def _matches(text: bytes, *, least: int, most: int, window: int) -> list[tuple[int, int, int]]:
    """Greedily: (place, size, distance)."""
    found, at = [], 1
    while at + least <= len(text):
        begin = text.rfind(text[at : at + least], max(0, at - window), at + least - 1)
        if begin < 0:
            at += 1
            continue
        size = least
        while at + size < len(text) and size < most and text[begin + size] == text[at + size]:
            size += 1
        found.append((at, size, at - begin))
        at += size
    return found


@given(texts)
@example(b"a" * 300)
@example(b"xy" * 20_000)
def test_what_was_packed_by_xpress_is_unpacked(text: bytes) -> None:
    assert xpress.decompress(_xpress(text), len(text)) == text


@given(texts.filter(bool), st.integers(0, 3))
def test_a_stream_of_blocks_is_put_together(text: bytes, stored: int) -> None:
    packed = _xpress(text)
    blocks = [struct.pack("<HH", len(text) - 1, len(packed) - 1) + packed] if len(packed) != len(text) else []
    blocks += [struct.pack("<HH", len(text) - 1, len(text) - 1) + text] * stored
    data = b"".join(blocks)
    assert xpress.inflate(data, Room(1 << 20)) == text * len(blocks)
    if blocks:
        assert xpress.inflate(data, Room(len(text) * len(blocks) - 1)) is None
        assert xpress.inflate(data[:-1], Room(1 << 20)) in (None, text * (len(blocks) - 1))


@given(st.binary(max_size=700))
def test_any_bytes_are_unpacked_or_refused(data: bytes) -> None:
    for found in (xpress.inflate(data, Room(1000)), xpress.decompress(data, 1000), sldc.inflate(data, 1000), xpress.decompress(b"\x99" * _TABLE + data, 1000)):
        assert found is None or len(found) <= 1000


_FLUSH, _SCHEME_1, _SCHEME_2, _END, _RESET_1, _RESET_2 = 0, 1, 2, 4, 5, 6


def _control(symbol: int) -> str:
    return "1" * 9 + f"{symbol:04b}"


def _count(size: int) -> str:
    """The match count field (ECMA-321 8.3)."""
    if size < 4:
        return f"0{size - 2}"
    for ones, width, least in ((1, 2, 4), (2, 3, 8), (3, 4, 16)):
        if size < 2 * least:
            return "1" * ones + "0" + f"{size - least:0{width}b}"
    return "1111" + f"{size - 32:08b}"


def _sldc(text: bytes, *, reset: int = _RESET_1) -> bytes:
    """A record, with the size that Windows appends."""
    bits = _control(reset)
    if reset == _RESET_2:
        bits += "".join(f"{byte:08b}" + ("0" if byte == 0xFF else "") for byte in text)
    else:
        at = 0
        for begin, size, distance in _matches(text, least=2, most=271, window=1023):
            bits += "".join(f"0{byte:08b}" for byte in text[at:begin]) + "1" + _count(size) + f"{(begin - distance) % 1024:010b}"
            at = begin + size
        bits += "".join(f"0{byte:08b}" for byte in text[at:])
    bits += _control(_END)
    bits += "0" * (-len(bits) % 32)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") + struct.pack("<I", len(text))


def test_bytes_in_scheme_2() -> None:
    """As on the wire: reset to scheme 2, the letters shifted by 13 bits, end of record, padding."""
    assert sldc.inflate(bytes.fromhex("ffb3a32b9ba1039ba3934b733ffd0000"), 100) == b"test string"


@given(texts, st.sampled_from([_RESET_1, _RESET_2]))
@example(b"ab" * 3000, _RESET_1)
@example(bytes(5000), _RESET_1)
def test_what_was_packed_by_sldc_is_unpacked(text: bytes, reset: int) -> None:
    packed = _sldc(text, reset=reset)
    assert sldc.inflate(packed, 1 << 20) == text
    if text:
        assert sldc.inflate(packed, len(text) - 1) is None
        assert sldc.inflate(packed[: len(packed) // 2 - 2], 1 << 20) is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"<s:Envelope/>", bytes(100)])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    assert sldc.inflate(data, 100) is None
