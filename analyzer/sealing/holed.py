"""Ciphertext that lacks bytes: what of it can be decrypted, and what shows that the key is the right one where no signature can."""

from analyzer.formats.holes import Holed, joined, lost
from analyzer.sealing.rc4 import xor

STARTS = (b"<s:E", b"<?xm", b"<env", b"<soa", b"<SOA", b"\xef\xbb\xbf<", b"\xff\xfe<\x00", b"\xfe\xff\x00<", b"<\x00", b"\x00<", b"<", b"\xff")
"""What a WinRM message begins with: XML in UTF-8 or UTF-16, with or without a byte order mark, or SLDC's first control symbol; the usual beginnings first."""
_BLOCK = 16


def begins_well(found: Holed) -> bool:
    """The text begins as WinRM's messages do, and its beginning is not missing."""
    least = next((size for start in STARTS if len(start) > 2 and found.data.startswith(start) for size in (len(start),)), None)
    return least is not None and not found.touches(0, least)


def cts_plain(key: bytes, found: Holed) -> Holed:
    """AES in CBC mode with ciphertext stealing (RFC 3962 section 5), from a zero vector: a plaintext block is known where its own ciphertext block and the one
    before it are. At least two blocks."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    data, size = found.data, len(found.data)
    last = (size - 1) // _BLOCK * _BLOCK  # where the last block begins, which may be short
    before = last - _BLOCK
    raw = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 (the chaining is done here, as blocks may be missing)
    steps = raw.update(data[:last])
    chained = xor(steps[:before], bytes(_BLOCK) + data[: max(before - _BLOCK, 0)])
    stolen = steps[before:last]
    short = data[last:]
    final = xor(stolen[: len(short)], short)
    restored = Cipher(algorithms.AES(key), modes.ECB()).decryptor().update(short + stolen[len(short) :])  # noqa: S305
    previous = data[before - _BLOCK : before] if before else bytes(_BLOCK)
    plain = chained + xor(restored, previous) + final
    if not found.holes:
        return Holed(plain)
    pieces, at = [], 0
    while at < size:
        end = min(at + _BLOCK, size)
        pieces.append(lost(end - at) if _unknown(found, at, before, size) else Holed(plain[at:end]))
        at = end
    return joined_holes(pieces)


def _unknown(found: Holed, at: int, before: int, size: int) -> bool:
    """The plaintext block at ``at`` depends on a byte that is missing."""
    if at < before:
        return found.touches(max(at - _BLOCK, 0), at + _BLOCK)
    if at == before:
        return found.touches(max(at - _BLOCK, 0), size)
    return found.touches(before, size)


def joined_holes(pieces: list[Holed]) -> Holed:
    """The pieces one after the other, holes that touch as one."""
    whole = joined(pieces)
    merged: list[tuple[int, int]] = []
    for at, size in whole.holes:
        if merged and merged[-1][0] + merged[-1][1] == at and size:
            merged[-1] = (merged[-1][0], merged[-1][1] + size)
        else:
            merged.append((at, size))
    return Holed(whole.data, tuple(merged))
