"""Plain LZ77 (MS-XCA 2.4, "LZXPRESS"), as Windows compresses the buffers of an event trace. Compiled where it can be: without
a compiler it is some fifty times slower.

Flags come 32 at a time: 0 is a byte as it is, 1 a match of 16 bits: how far back minus one in the upper 13, how long minus
three in the lower 3. A length that does not fit goes on in half a byte, which two matches share, then in one, two, four bytes.
"""

_SHORT, _HALF, _BYTE = 7, 15, 255
_LEAST = 3


def decompress(data: bytes, most: int) -> tuple[bytes, bool]:
    """The plain bytes, ``most`` of them at most, and whether all of ``data`` was sound. Damage ends them early, it never raises."""
    out = bytearray(most)
    have = _expand(data, out, len(data), most)
    return (bytes(out[:have]), True) if have >= 0 else (bytes(out[: -have - 1]), False)


def _expand(data: bytes, out: bytearray, size: int, most: int) -> int:
    """How many bytes were written; -n - 1 when damage was met after n of them."""
    at = 0
    have = 0
    flags = 0
    left = 0
    shared = -1
    while have < most:
        if left == 0:
            if at + 4 > size:
                return have if at == size else -have - 1
            flags = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
            at += 4
            left = 32
        left -= 1
        if at == size:
            return have
        if not flags >> left & 1:
            out[have] = data[at]
            at += 1
            have += 1
            continue
        if at + 2 > size:
            return -have - 1
        word = data[at] | data[at + 1] << 8
        at += 2
        length = word & 7
        if length == _SHORT:
            if shared < 0:
                if at >= size:
                    return -have - 1
                length = data[at] & 15
                shared = at
                at += 1
            else:
                length = data[shared] >> 4
                shared = -1
            if length == _HALF:
                if at >= size:
                    return -have - 1
                length = data[at]
                at += 1
                if length == _BYTE:
                    if at + 2 > size:
                        return -have - 1
                    length = data[at] | data[at + 1] << 8
                    at += 2
                    if length == 0:
                        if at + 4 > size:
                            return -have - 1
                        length = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
                        at += 4
                    if length < _HALF + _SHORT:
                        return -have - 1
                    length -= _HALF + _SHORT
                length += _HALF
            length += _SHORT
        length += _LEAST
        back = (word >> 3) + 1
        if back > have:
            return -have - 1
        end = have + length if length < most - have else most
        while have < end:
            out[have] = out[have - back]
            have += 1
    return have
