"""SLDC (ECMA-321) as event collectors use it (MS-WSMV 2.2.9.2), both ways; code of the lab's own.

Scheme 1 only: a literal is a 0 and eight bits, a match a 1, its count and where it begins in the ring of the last 1024 bytes.
"""

import struct

RING = 1024
LONGEST = 271
RESET_1, END_OF_RECORD = 5, 4
PREFIXES = ((2, "0", 1), (4, "10", 2), (8, "110", 3), (16, "1110", 4), (32, "1111", 8))
"""Smallest count, prefix, bits that follow."""


def _control(symbol: int) -> str:
    return "1" * 9 + f"{symbol:04b}"


def _count(size: int) -> str:
    least, prefix, width = next(row for row in reversed(PREFIXES) if size >= row[0])
    return prefix + f"{size - least:0{width}b}"


def packed(plain: bytes) -> bytes:
    """One record, padded to words, and the plain size that Windows appends."""
    bits = [_control(RESET_1)]
    seen: dict[bytes, int] = {}
    at = 0
    while at < len(plain):
        place = seen.get(plain[at : at + 4])
        size = 0
        if place is not None and at - place < RING:
            while size < LONGEST and at + size < len(plain) and place + size < at and plain[place + size] == plain[at + size]:
                size += 1
        for step in range(max(size, 1)):
            seen[plain[at + step : at + step + 4]] = at + step
        if size >= 4 and place is not None:
            bits.append("1" + _count(size) + f"{place % RING:010b}")
            at += size
        else:
            bits.append(f"0{plain[at]:08b}")
            at += 1
    whole = "".join([*bits, _control(END_OF_RECORD)])
    whole += "0" * (-len(whole) % 32)
    return int(whole, 2).to_bytes(len(whole) // 8, "big") + struct.pack("<I", len(plain))


def unpacked(data: bytes) -> bytes:
    """The plain bytes of a record as `packed` makes them; ValueError for another size than the one appended."""
    bits = "".join(f"{byte:08b}" for byte in data[:-4])
    at, out = 0, bytearray()
    while not bits.startswith(_control(END_OF_RECORD), at):
        if bits.startswith(_control(RESET_1), at):
            at += 13
        elif bits[at] == "0":
            out.append(int(bits[at + 1 : at + 9], 2))
            at += 9
        else:
            least, prefix, width = next(row for row in PREFIXES if bits.startswith(row[1], at + 1))
            at += 1 + len(prefix)
            size = least + int(bits[at : at + width], 2)
            place = int(bits[at + width : at + width + 10], 2)
            at += width + 10
            back = (len(out) - place - 1) % RING + 1
            for _ in range(size):
                out.append(out[-back])
    if len(out) != struct.unpack("<I", data[-4:])[0]:
        msg = "not the size that was appended"
        raise ValueError(msg)
    return bytes(out)
