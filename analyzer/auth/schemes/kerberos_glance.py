"""Whether a key may be the one of a Kerberos ciphertext, told by one block of it: what is meant to be found there is the tag of an ASN.1 structure.

One key in 256 is let through by chance; its integrity check tells then. That is cheap enough to try a hundred thousand keys. AES: RFC 3961 section 5.3 (DK,
n-fold), RFC 8009 section 5; RC4: RFC 4757 sections 3 and 4.
"""

import hmac
import struct
from collections.abc import Callable, Sequence
from functools import cache

_CHECKSUMS = {17: 12, 18: 12, 19: 16, 20: 24}
_SHA2 = {19: ("sha256", 16), 20: ("sha384", 32)}
_RC4 = 23
_RC4_USAGES = {3: 8, 23: 13}
"""RFC 4757 section 3: what Windows numbers otherwise; 9 may be 8."""
_BLOCK = 16

Glance = Callable[[bytes], bool]
"""glance(key): False when the key cannot be the one."""


def glance(etype: int, usage: int, cipher: bytes, tags: Sequence[int]) -> Glance:
    """What tells of a key whether ``cipher``, encrypted for a key usage, may begin with one of these tags under it."""
    if etype == _RC4 and len(cipher) >= 32:
        usages = (8, 9) if usage == 9 else (_RC4_USAGES.get(usage, usage),)
        return lambda key: any(_first_of_rc4(key, one, cipher) in tags for one in usages)
    if etype in _CHECKSUMS and len(cipher) - _CHECKSUMS[etype] >= 4 * _BLOCK:  # the first two blocks are none of those that CTS swaps
        return lambda key: _first_of_aes(etype, key, usage, cipher) in tags
    return lambda _key: True


def _first_of_rc4(key: bytes, usage: int, cipher: bytes) -> int:
    """The first byte after the confounder of 8 bytes."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives.ciphers import Cipher

    inner = hmac.digest(hmac.digest(key, struct.pack("<I", usage), "md5"), cipher[:16], "md5")
    return Cipher(ARC4(inner), mode=None).decryptor().update(cipher[16:25])[8]


def _first_of_aes(etype: int, key: bytes, usage: int, cipher: bytes) -> int:
    """The first byte after the confounder of one block, in CBC mode."""
    own = _aes_key(etype, key, usage)
    block = _aes(own, encrypt=False)(cipher[_BLOCK : 2 * _BLOCK])
    return block[0] ^ cipher[0]


def _aes_key(etype: int, key: bytes, usage: int) -> bytes:
    """Ke: the key of a usage's encryption."""
    constant = usage.to_bytes(4, "big") + b"\xaa"
    if etype in _SHA2:
        digest, size = _SHA2[etype]
        return hmac.digest(key, b"\0\0\0\1" + constant + b"\0" + (8 * size).to_bytes(4, "big"), digest)[:size]
    encrypt = _aes(key, encrypt=True)
    first = encrypt(_folded(constant))
    return first if len(key) == _BLOCK else first + encrypt(first)


def _aes(key: bytes, *, encrypt: bool) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  single blocks, as DK and CBC are made of
    return (cipher.encryptor() if encrypt else cipher.decryptor()).update


@cache
def _folded(constant: bytes) -> bytes:
    """128-fold of RFC 3961 section 5.1: the constant, turned right by 13 bits with each repetition, added with end-around carry."""
    size, bits = len(constant), 8 * len(constant)
    value = int.from_bytes(constant, "big")
    text = b"".join(((value >> turn | value << bits - turn) & ((1 << bits) - 1)).to_bytes(size, "big") for turn in (13 * i % bits for i in range(_BLOCK)))
    total = sum(int.from_bytes(text[at : at + _BLOCK], "big") for at in range(0, len(text), _BLOCK))
    while total >> 128:
        total = (total & (1 << 128) - 1) + (total >> 128)
    return total.to_bytes(_BLOCK, "big")
