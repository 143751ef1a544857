"""Opens bodies that an NTLM security context sealed (MS-NLMP 3.4.3, 3.4.4), and proves each one by its signature.

With extended session security each direction has its own keystream and counter; without, both share one (a conversation is half duplex). Each message uses its
own length of the keystream and, with key exchange, 8 bytes more for its signature (12 without extended session security). After a loss the counter, which is in
clear, tells how many messages are missing but not how long they were: the keystream position is searched within a window, first by what the plaintext must
begin with, and accepted only when the signature agrees (a wrong acceptance has a chance of 2^-64). Without extended session security there is no such search.
"""

import hmac
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from analyzer.auth.schemes.ntlm_keys import ESS, KEY_EXCHANGE, Keys
from analyzer.sealing.rc4 import Rc4

_SIGNATURE = 16
_WINDOW = 1 << 18
_STARTS = (b"<s:E", b"<?xm", b"<env", b"<soa", b"<SOA", b"\xef\xbb\xbf<", b"\xff\xfe<\x00", b"\xfe\xff\x00<", b"<\x00", b"<")
"""What a WinRM message begins with: XML in UTF-8 or UTF-16, with or without a byte order mark; the usual beginnings first."""
_TRIES = 4096


@dataclass(slots=True)
class Direction:
    """One direction's keystream and counter."""

    cipher: Rc4
    sign_key: bytes
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """The plaintext of a part; ``good`` when its signature agrees."""

    text: bytes
    good: bool


class NtlmContext:
    """The security context after the handshake. ``mic``: for each direction, whether an SPNEGO mechListMIC took sequence number 0 (MS-SPNG 3.2.5.1)."""

    def __init__(self, keys: Keys, *, client_mic: bool, server_mic: bool) -> None:
        self.keys = keys
        self.ess = bool(keys.flags & ESS)
        self.key_exchange = bool(keys.flags & KEY_EXCHANGE)
        client = Direction(Rc4(keys.seal_client), keys.sign_client, int(client_mic))
        server = Direction(Rc4(keys.seal_server), keys.sign_server, int(server_mic)) if self.ess else client
        self._directions = {True: client, False: server}

    def expects(self, *, from_client: bool) -> int:
        """The sequence number of the next message of a direction."""
        return self._directions[from_client].sequence

    def mark(self, *, from_client: bool) -> tuple[int, int]:
        """Where a direction is: keystream position and next sequence number."""
        way = self._directions[from_client]
        return way.cipher.at, way.sequence

    def reset(self, mark: tuple[int, int], *, from_client: bool) -> None:
        """Back to a mark."""
        way = self._directions[from_client]
        way.cipher.back_to(mark[0])
        way.sequence = mark[1]

    def passed(self, sizes: list[int], *, from_client: bool) -> None:
        """Messages of these plaintext lengths went by and could not be read."""
        way = self._directions[from_client]
        way.cipher.skip(sum(size + self._overhead() for size in sizes))
        way.sequence += len(sizes)

    def _overhead(self) -> int:
        return (8 if self.key_exchange else 0) if self.ess else 12

    def open(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        """The plaintext of one part; None when it was not sealed by this context. A part that is refused leaves the context as it was."""
        if len(header) != _SIGNATURE or header[:4] != b"\x01\x00\x00\x00":
            return None
        way = self._directions[from_client]
        if not self.ess:
            return self._open_without_ess(way, header, data)
        number = struct.unpack_from("<I", header, 12)[0]
        begin = way.cipher.at
        if number >= way.sequence:
            text = self._tried(way, header, data, number)
            if text is None and (number > way.sequence or begin == 0):
                text = self._searched(way, header, data, number, begin)
            if text is not None:
                way.sequence = number + 1
                return Opened(text, good=True)
        way.cipher.back_to(begin)
        return None

    def _tried(self, way: Direction, header: bytes, data: bytes, number: int) -> bytes | None:
        """At the keystream's present position."""
        text = way.cipher.crypt(data)
        mac = hmac.digest(way.sign_key, struct.pack("<I", number) + text, "md5")[:8]
        if self.key_exchange:
            mac = way.cipher.crypt(mac)
        return text if hmac.compare_digest(mac, header[4:12]) else None

    def _searched(self, way: Direction, header: bytes, data: bytes, number: int, begin: int) -> bytes | None:
        """At the positions after ``begin`` where the plaintext would begin as a message does. The keystream is made once and the tries cut out of it."""
        way.cipher.back_to(begin)
        keystream = way.cipher.crypt(bytes(_WINDOW + len(data) + 8))
        for place in islice(_candidates(keystream[:_WINDOW], data[:4]), _TRIES):
            end = place + len(data)
            text = _xor(data, keystream[place:end])
            mac = hmac.digest(way.sign_key, struct.pack("<I", number) + text, "md5")[:8]
            if self.key_exchange:
                mac = _xor(mac, keystream[end : end + 8])
            if hmac.compare_digest(mac, header[4:12]):
                way.cipher.back_to(begin + end + (8 if self.key_exchange else 0))
                return text
        return None

    def _open_without_ess(self, way: Direction, header: bytes, data: bytes) -> Opened | None:
        """MS-NLMP 3.4.4.1: a CRC under RC4, and the counter XORed under RC4."""
        begin = way.cipher.at
        text = way.cipher.crypt(data)
        way.cipher.crypt(bytes(4))
        checksum = way.cipher.crypt(struct.pack("<I", zlib.crc32(text)))
        number = struct.unpack("<I", way.cipher.crypt(bytes(4)))[0] ^ struct.unpack_from("<I", header, 12)[0]
        if checksum != header[8:12] or number != way.sequence:
            way.cipher.back_to(begin)
            return None
        way.sequence += 1
        return Opened(text, good=True)


def _candidates(keystream: bytes, start: bytes) -> Iterator[int]:
    """Keystream offsets at which ``start`` would decrypt to the beginning of a message, the likeliest first."""
    seen: set[int] = set()
    for text in _STARTS:
        if len(start) < len(text):
            continue
        wanted = _xor(text, start[: len(text)])
        at = keystream.find(wanted)
        while at >= 0:
            if at not in seen:
                seen.add(at)
                yield at
            at = keystream.find(wanted, at + 1)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") ^ int.from_bytes(other[: len(one)], "little")).to_bytes(len(one), "little")
