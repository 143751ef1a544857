"""TLS record protection from a key log: cipher suites, key derivation, one record at a time (RFC 5246 section 6.3, RFC 8446 section 7).

scapy's TLS session wants both directions whole and in order, and keeps every record; evidence has gaps and may be large. So the schedule is here, on the
ciphers of cryptography; tshark is the oracle of the tests.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable

from msgspec import Struct

TLS13 = 0x0304


class Suite(Struct, frozen=True, gc=False):
    """``kind``: gcm, chacha, ccm, ccm8, cbc (AES, or triple DES when ``block`` is 8) or rc4; key and MAC key sizes in bytes; the hash of PRF or HKDF; ``mac``
    the hash of the HMAC of CBC and RC4 suites."""

    kind: str
    key: int
    digest: str
    mac: str = ""
    mac_size: int = 0
    block: int = 16


def _cbc(key: int, mac: str, digest: str = "sha256") -> Suite:
    return Suite("cbc", key, digest, mac, hashlib.new(mac).digest_size)


SUITES: dict[int, Suite] = {
    0x1301: Suite("gcm", 16, "sha256"),
    0x1302: Suite("gcm", 32, "sha384"),
    0x1303: Suite("chacha", 32, "sha256"),
    0x1304: Suite("ccm", 16, "sha256"),
    0x1305: Suite("ccm8", 16, "sha256"),
    **dict.fromkeys((0x009C, 0x009E, 0xC02B, 0xC02F, 0xC02D, 0xC031), Suite("gcm", 16, "sha256")),
    **dict.fromkeys((0x009D, 0x009F, 0xC02C, 0xC030, 0xC02E, 0xC032), Suite("gcm", 32, "sha384")),
    **dict.fromkeys((0xCCA8, 0xCCA9, 0xCCAA, 0xCCAB, 0xCCAC, 0xCCAD, 0xCCAE), Suite("chacha", 32, "sha256")),
    **dict.fromkeys((0xC09C, 0xC09E, 0xC0AC), Suite("ccm", 16, "sha256")),
    **dict.fromkeys((0xC09D, 0xC09F, 0xC0AD), Suite("ccm", 32, "sha256")),
    **dict.fromkeys((0xC0A0, 0xC0A2, 0xC0AE), Suite("ccm8", 16, "sha256")),
    **dict.fromkeys((0xC0A1, 0xC0A3, 0xC0AF), Suite("ccm8", 32, "sha256")),
    **dict.fromkeys((0x002F, 0x0033, 0xC009, 0xC013), _cbc(16, "sha1")),
    **dict.fromkeys((0x0035, 0x0039, 0xC00A, 0xC014), _cbc(32, "sha1")),
    **dict.fromkeys((0x003C, 0x0067, 0xC023, 0xC027), _cbc(16, "sha256")),
    **dict.fromkeys((0x003D, 0x006B), _cbc(32, "sha256")),
    **dict.fromkeys((0xC024, 0xC028), _cbc(32, "sha384", "sha384")),
    **dict.fromkeys((0x000A, 0x0013, 0x0016, 0xC003, 0xC008, 0xC00D, 0xC012), Suite("cbc", 24, "sha256", "sha1", 20, block=8)),
    **dict.fromkeys((0x0005, 0xC002, 0xC007, 0xC00C, 0xC011), Suite("rc4", 16, "sha256", "sha1", 20)),
    0x0004: Suite("rc4", 16, "sha256", "md5", 16),
}
"""Cipher suites by number (IANA registry); others are not opened."""


class Ends(Struct, frozen=True, gc=False):
    """What differs between the two directions: the key, the IV (or the implicit part of the nonce), the MAC key of CBC suites."""

    key: bytes
    iv: bytes
    mac: bytes


def prf(version: int, digest: str, secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """The PRF of TLS 1.2 (RFC 5246 section 5), or of TLS 1.0 and 1.1 (RFC 4346 section 5)."""
    if version >= 0x0303:
        return _p_hash(digest, secret, label + seed, size)
    half = (len(secret) + 1) // 2
    first, second = _p_hash("md5", secret[:half], label + seed, size), _p_hash("sha1", secret[-half:], label + seed, size)
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def _p_hash(digest: str, secret: bytes, seed: bytes, size: int) -> bytes:
    out, link = b"", seed
    while len(out) < size:
        link = hmac.digest(secret, link, digest)
        out += hmac.digest(secret, link + seed, digest)
    return out[:size]


def key_block(version: int, suite: Suite, master: bytes, client_random: bytes, server_random: bytes) -> tuple[Ends, Ends]:
    """Client's and server's keys of TLS 1.0 to 1.2 (RFC 5246 section 6.3)."""
    fixed = {"gcm": 4, "ccm": 4, "ccm8": 4, "chacha": 12}.get(suite.kind, suite.block if suite.kind == "cbc" and version < 0x0302 else 0)
    block = prf(version, suite.digest, master, b"key expansion", server_random + client_random, 2 * (suite.mac_size + suite.key + fixed))
    pieces = []
    at = 0
    for size in (suite.mac_size, suite.mac_size, suite.key, suite.key, fixed, fixed):
        pieces.append(block[at : at + size])
        at += size
    return Ends(pieces[2], pieces[4], pieces[0]), Ends(pieces[3], pieces[5], pieces[1])


def expand_label(digest: str, secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 section 7.1)."""
    info = struct.pack(">HB", size, len(label) + 6) + b"tls13 " + label + b"\x00"
    out, block, number = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([number]), digest)
        out += block
        number += 1
    return out[:size]


def traffic_ends(suite: Suite, secret: bytes) -> Ends:
    """Key and IV of a traffic secret (RFC 8446 section 7.3)."""
    return Ends(expand_label(suite.digest, secret, b"key", suite.key), expand_label(suite.digest, secret, b"iv", 12), b"")


def updated(suite: Suite, secret: bytes) -> bytes:
    """The next traffic secret after a KeyUpdate (RFC 8446 section 7.2)."""
    return expand_label(suite.digest, secret, b"traffic upd", hashlib.new(suite.digest).digest_size)


class Unsealer:
    """Opens the records of one direction under one set of keys. ``sequence`` is the number of the next record."""

    def __init__(self, version: int, suite: Suite, ends: Ends, *, encrypt_then_mac: bool = False) -> None:
        self.version = version
        self.suite = suite
        self.sequence = 0
        self._ends = ends
        self._etm = encrypt_then_mac
        self._iv = ends.iv
        self._aead = None if suite.mac else _aead(suite, ends.key)
        self._keystream = _rc4(ends.key) if suite.kind == "rc4" else None

    def open(self, kind: int, header: bytes, body: bytes, sequence: int) -> bytes | None:
        """The plaintext of a record (with its inner type at the end for TLS 1.3), None when its tag or MAC does not agree."""
        if self.suite.kind == "rc4":
            return self._open_rc4(header, body, sequence)
        if self._aead is None:
            return self._open_cbc(kind, header, body, sequence)
        overhead = self.overhead() - 5
        if len(body) < overhead:
            return None
        if self.version == TLS13:
            return self._aead(_nonce(self._ends.iv, sequence), body, header)
        explicit = 0 if self.suite.kind == "chacha" else 8
        nonce = _nonce(self._ends.iv, sequence) if not explicit else self._ends.iv + body[:8]
        plain_size = len(body) - overhead
        associated = struct.pack(">Q", sequence) + header[:3] + struct.pack(">H", plain_size)
        return self._aead(nonce, body[explicit:], associated)

    def overhead(self) -> int:
        """Bytes that a record has beyond its plaintext, header included; for CBC the least."""
        tag = 8 if self.suite.kind == "ccm8" else 16
        if self.version == TLS13:
            return 5 + tag + 1
        if self.suite.kind == "cbc":
            return 5 + self.suite.mac_size + 1 + (self.suite.block if self.version >= 0x0302 else 0)
        if self.suite.kind == "rc4":
            return 5 + self.suite.mac_size
        return 5 + tag + (0 if self.suite.kind == "chacha" else 8)

    def _open_cbc(self, kind: int, header: bytes, body: bytes, sequence: int) -> bytes | None:
        """RFC 5246 section 6.2.3.2, and RFC 7366 for encrypt-then-MAC."""
        size = self.suite.mac_size
        if self._etm:
            body, mac = body[:-size], body[-size:]
            associated = struct.pack(">Q", sequence) + header[:3] + struct.pack(">H", len(body))
            if not hmac.compare_digest(hmac.digest(self._ends.mac, associated + body, self.suite.mac), mac):
                return None
        explicit = self.version >= 0x0302
        block = self.suite.block
        iv, data = (body[:block], body[block:]) if explicit else (self._iv, body)
        if not data or len(data) % block or len(iv) != block:
            return None
        plain = _cbc_plain(self._ends.key, iv, data)
        if not explicit:
            self._iv = data[-block:]
        padding = plain[-1] + 1
        if self._etm:
            return plain[:-padding] if padding <= len(plain) else None
        if padding + size > len(plain):
            return None
        text, mac = plain[: -padding - size], plain[-padding - size : -padding]
        associated = struct.pack(">QB", sequence, kind) + header[1:3] + struct.pack(">H", len(text))
        return text if hmac.compare_digest(hmac.digest(self._ends.mac, associated + text, self.suite.mac), mac) else None

    def _open_rc4(self, header: bytes, body: bytes, sequence: int) -> bytes | None:
        """RFC 5246 section 6.2.3.1. The keystream runs on from record to record, so after a hole nothing opens any more."""
        size = self.suite.mac_size
        if len(body) < size or self._keystream is None:
            return None
        plain = self._keystream(body)
        text, mac = plain[:-size], plain[-size:]
        associated = struct.pack(">Q", sequence) + header[:3] + struct.pack(">H", len(text))
        if hmac.compare_digest(hmac.digest(self._ends.mac, associated + text, self.suite.mac), mac):
            return text
        self._keystream = None
        return None


def _nonce(iv: bytes, sequence: int) -> bytes:
    return (int.from_bytes(iv, "big") ^ sequence).to_bytes(len(iv), "big")


def _cbc_plain(key: bytes, iv: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key) if len(iv) == 16 else TripleDES(key), modes.CBC(iv)).decryptor()
    return cipher.update(data) + cipher.finalize()


def _rc4(key: bytes) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives.ciphers import Cipher

    cipher: Callable[[bytes], bytes] = Cipher(ARC4(key), mode=None).decryptor().update
    return cipher


def _aead(suite: Suite, key: bytes) -> Callable[[bytes, bytes, bytes], bytes | None]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

    cipher: AESGCM | AESCCM | ChaCha20Poly1305
    if suite.kind == "gcm":
        cipher = AESGCM(key)
    elif suite.kind == "chacha":
        cipher = ChaCha20Poly1305(key)
    else:
        cipher = AESCCM(key, tag_length=8 if suite.kind == "ccm8" else 16)

    def opened(nonce: bytes, data: bytes, associated: bytes) -> bytes | None:
        try:
            return cipher.decrypt(nonce, data, associated)
        except (InvalidTag, ValueError):
            return None

    return opened
