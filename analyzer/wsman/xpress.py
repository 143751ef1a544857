"""LZ77 with Huffman codes (MS-XCA 2.2, "LZXPRESS Huffman"), as Windows compresses the streams of a shell with CompressionType xpress.

A shell's stream (MS-WSMV 3.1.4.1.31.6) is a run of blocks: two little-endian 16-bit sizes, each stored minus one, of the plain and the compressed data; equal
sizes mean that the data is stored as it is. Each block of at most 64 KiB is decompressed on its own.
"""

import struct

from analyzer.formats.content import Room
from analyzer.formats.holes import Holed, joined, lost

_TABLE = 256
_BITS = 15
_LENGTH_ESCAPE = 15


def inflate(data: bytes, room: Room) -> bytes | None:
    """The plain bytes of a stream's blocks; None when the data is not such a run, or there is no ``room`` for what it would become, which is then full."""
    out = []
    size = at = 0
    while at < len(data):
        if at + 4 > len(data):
            return None
        plain, packed = (value + 1 for value in struct.unpack_from("<HH", data, at))
        block = data[at + 4 : at + 4 + packed]
        size += plain
        if size > room.left:
            room.full = True
            return None
        if len(block) < packed:
            return None
        piece = block if packed == plain else decompress(block, plain)
        if piece is None:
            return None
        out.append(piece)
        at += 4 + packed
    room.took(size)
    return b"".join(out)


def inflate_holed(found: Holed, room: Room) -> Holed:
    """The same of data that lacks bytes: a block that does is as many missing bytes as its header says, and behind a header that does nothing can be told."""
    pieces: list[Holed] = []
    size = at = 0
    data = found.data
    while at < len(data) or any(where == at for where, hole in found.holes if not hole):
        if at + 4 > len(data) or found.touches(at, at + 4):
            pieces.append(lost(None))
            break
        plain, packed = (value + 1 for value in struct.unpack_from("<HH", data, at))
        block = found.cut(at + 4, at + 4 + packed)
        size += plain
        if size > room.left:
            room.full = True
            size -= plain
            pieces.append(lost(None))
            break
        if packed == plain and len(block.data) == packed:
            pieces.append(block)
        else:
            piece = None if block.holes or len(block.data) < packed else decompress(block.data, plain)
            pieces.append(lost(plain) if piece is None else Holed(piece))
        at += 4 + packed
    room.took(size)
    return joined(pieces)


def decompress(data: bytes, size: int) -> bytes | None:
    """``size`` bytes from one LZXPRESS Huffman block; None when the data is damaged."""
    if len(data) < _TABLE + 4:
        return None
    table = _decoding_table(data[:_TABLE])
    if table is None:
        return None
    try:
        return _expand(data, size, table)
    except (IndexError, struct.error):
        return None


def _decoding_table(lengths: bytes) -> list[tuple[int, int]] | None:
    """For every 15 bits the symbol that they begin with and its length (MS-XCA 2.2.4: canonical codes, 4 bits for each of 512 symbols)."""
    sizes = [nibble for byte in lengths for nibble in (byte & 15, byte >> 4)]
    if sum(1 << (_BITS - size) for size in sizes if size) != 1 << _BITS:
        return None
    table: list[tuple[int, int]] = []
    for length, symbol in sorted((size, symbol) for symbol, size in enumerate(sizes) if size):
        table += [(symbol, length)] * (1 << (_BITS - length))
    return table


def _expand(data: bytes, size: int, table: list[tuple[int, int]]) -> bytes:
    """MS-XCA 2.2.4, in its own names: NextBits, ExtraBitCount, CurrentPosition."""
    out = bytearray()
    position = _TABLE + 4
    bits = int.from_bytes(data[_TABLE : _TABLE + 2], "little") << 16 | int.from_bytes(data[_TABLE + 2 : _TABLE + 4], "little")
    extra = 16
    while len(out) < size:
        symbol, length = table[bits >> (32 - _BITS)]
        bits = bits << length & 0xFFFFFFFF
        extra -= length
        if extra < 0:
            bits |= _word(data, position) << -extra
            extra += 16
            position += 2
        if symbol < 256:
            out.append(symbol)
            continue
        symbol -= 256
        length, distance_bits = symbol & 15, symbol >> 4
        if length == _LENGTH_ESCAPE:
            length = data[position]
            position += 1
            if length == 255:
                length = struct.unpack_from("<H", data, position)[0]
                position += 2
                if length == 0:
                    length = struct.unpack_from("<I", data, position)[0]
                    position += 4
                length -= _LENGTH_ESCAPE
            length += _LENGTH_ESCAPE
        length += 3
        distance = (bits >> (32 - distance_bits) if distance_bits else 0) + (1 << distance_bits)
        bits = bits << distance_bits & 0xFFFFFFFF
        extra -= distance_bits
        if extra < 0:
            bits |= _word(data, position) << -extra
            extra += 16
            position += 2
        _copy(out, distance, min(length, size - len(out)))
    return bytes(out)


def _word(data: bytes, at: int) -> int:
    """The next 16 bits; zeros after the end, which a decoder may read ahead of."""
    return int.from_bytes(data[at : at + 2], "little")


def _copy(out: bytearray, distance: int, length: int) -> None:
    """A match may overlap itself."""
    start = len(out) - distance
    if start < 0:
        raise IndexError
    if distance >= length:
        out += out[start : start + length]
        return
    pattern = bytes(out[start:])
    out += (pattern * (length // distance + 1))[:length]
