"""Streaming Lossless Data Compression (ECMA-321), as Windows' event collector compresses bodies: ``Content-Encoding: SLDC`` (MS-WSMV 2.2.9.2).

Bits are read from the most significant one. A 13-bit control symbol (nine ones and four bits) says what follows. In scheme 1 a 0 and eight bits are a literal;
a 1 with a match count and a 10-bit displacement copies out of the last 1024 bytes. In scheme 2 bytes stand as they are, and FF is followed by a 0. After the
record, which is padded to whole words, Windows appends the plain size as 32 bits; the record's own end is proof enough.
"""

_HISTORY = 1024
_CONTROL = 0x1FF
_FLUSH, _SCHEME_1, _SCHEME_2, _FILE_MARK, _END_OF_RECORD, _RESET_1, _RESET_2, _END_MARKER = 0, 1, 2, 3, 4, 5, 6, 15


class _EndError(ValueError):
    """The bits are used up, or make no symbol. It never leaves this module."""


class _Bits:
    """Bits of ``data`` from the most significant one of each byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._held = 0
        self._count = 0

    def peek(self, count: int) -> int:
        """The next bits, zeros after the end."""
        while self._count < count:
            following = self._data[self._at : self._at + 4].ljust(4, b"\x00")
            self._held = (self._held & ((1 << self._count) - 1)) << 32 | int.from_bytes(following, "big")
            self._at += 4
            self._count += 32
        return self._held >> (self._count - count) & ((1 << count) - 1)

    def take(self, count: int) -> int:
        """The next bits."""
        value = self.peek(count)
        self._count -= count
        if self._at * 8 - self._count > len(self._data) * 8:
            raise _EndError
        return value


def inflate(data: bytes, limit: int) -> bytes | None:
    """The plain bytes of the first record; None when the data is damaged, is no SLDC or would become larger than ``limit`` bytes."""
    try:
        return _expanded(_Bits(data), limit)
    except _EndError:
        return None


def _expanded(bits: _Bits, limit: int) -> bytes:
    """ECMA-321 clause 8."""
    out = bytearray()
    since = 0
    """Where the history begins: a reset empties it."""
    scheme = 0
    while len(out) <= limit:
        if bits.peek(9) == _CONTROL:
            symbol = bits.take(13) & 15
            if symbol == _END_OF_RECORD:
                return bytes(out)
            if symbol in (_RESET_1, _RESET_2):
                since = len(out)
            if symbol in (_SCHEME_1, _RESET_1):
                scheme = 1
            elif symbol in (_SCHEME_2, _RESET_2):
                scheme = 2
            elif symbol not in (_FLUSH, _FILE_MARK, _END_MARKER, _END_OF_RECORD):
                raise _EndError
        elif scheme == 1 and bits.take(1):
            _copy(out, since, _match_count(bits), bits.take(10))
        elif scheme:
            literal = bits.take(8)
            out.append(literal)
            if scheme == 2 and literal == 0xFF:
                bits.take(1)
        else:
            raise _EndError
    raise _EndError


def _match_count(bits: _Bits) -> int:
    """ECMA-321 clause 8.3: longer counts have longer prefixes."""
    if not bits.take(1):
        return 2 + bits.take(1)
    for width, least in ((2, 4), (3, 8), (4, 16)):
        if not bits.take(1):
            return least + bits.take(width)
    longest = bits.take(8)
    if longest >= 0xF0:
        raise _EndError
    return 32 + longest


def _copy(out: bytearray, since: int, count: int, displacement: int) -> None:
    """Copies from the history, a ring in which the byte after the last reset lies at 0; a match may run into what it writes."""
    written = len(out) - since
    back = (written - displacement - 1) % _HISTORY + 1
    empty = min(max(back - written, 0), count)
    out += bytes(empty)
    count -= empty
    if count <= back:
        out += out[len(out) - back : len(out) - back + count]
        return
    pattern = bytes(out[-back:])
    out += (pattern * (count // back + 1))[:count]
