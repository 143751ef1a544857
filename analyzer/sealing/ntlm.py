"""Opens bodies that an NTLM security context sealed (MS-NLMP 3.4.3, 3.4.4), and proves each one by its signature.

With extended session security each direction has its own keystream and counter; without, both share one (a conversation is half duplex). Each message uses its
own length of the keystream and, with key exchange, 8 bytes more for its signature (12 without extended session security). After a loss the counter, which is in
clear, tells how many messages are missing but not how long they were: the keystream position is searched within a window, first by what the plaintext must
begin with, and accepted only when the signature agrees (a wrong acceptance has a chance of 2^-64). Without extended session security the counter is sealed too:
checksum and counter must agree together, the counter with a small number of lost messages (2^-54).
"""

import hmac
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from msgspec import Struct

from analyzer.auth.schemes.ntlm_keys import ESS, KEY_EXCHANGE, Keys
from analyzer.formats.holes import Holed
from analyzer.sealing.holed import STARTS, begins_well
from analyzer.sealing.rc4 import Rc4, xor

_SIGNATURE = 16
_WINDOW_PER_MESSAGE = 1 << 19
_WINDOW = 1 << 22
_LOST_MESSAGES = 1024
_SEARCHES = 16
_PASSED = 64 << 20
"""Bytes of the keystream that are passed over, at most, by lengths that nothing proves."""
_RETURNS = 8
"""How often a direction goes back to its last proved place, which costs the keystream from its beginning."""
_TRIES = 4096


class Direction(Struct):
    """One direction's keystream and counter."""

    cipher: Rc4
    sign_key: bytes
    sequence: int = 0
    begin: int = 0
    """The sequence number of its first message."""
    proved: tuple[int, int] | None = None
    """Where it was after the last message that was proved, when it went on since by lengths that only their sender declared."""
    returns: int = 0
    """How often it was gone back to such a place."""
    lied: bool = False
    """A declared length proved wrong: it goes on by none of them any more, and the next message is searched for."""
    failures: int = 0
    """Searches in a row that found nothing; after `_SEARCHES` of them the context is not this traffic's, and no more are made."""


class Opened(Struct, frozen=True, gc=False):
    """The plaintext of a part; ``good`` when its signature agrees."""

    text: bytes
    good: bool


class Found(NamedTuple):
    """A plaintext that was proved, and its counter."""

    text: bytes
    number: int


Proof = Callable[[bytes, bytes], int | None]
"""proof(plaintext, keystream after it): the message's counter, None when the signature does not agree."""


class NtlmContext:
    """The security context after the handshake. ``mic``: for each direction, whether an SPNEGO mechListMIC took sequence number 0 (MS-SPNG 3.2.5.1)."""

    def __init__(self, keys: Keys, *, client_mic: bool, server_mic: bool) -> None:
        self.keys = keys
        self.ess = bool(keys.flags & ESS)
        self.key_exchange = bool(keys.flags & KEY_EXCHANGE)
        client = Direction(Rc4(keys.seal_client), keys.sign_client, int(client_mic), int(client_mic))
        server = Direction(Rc4(keys.seal_server), keys.sign_server, int(server_mic), int(server_mic)) if self.ess else client
        self._directions = {True: client, False: server}

    def expects(self, *, from_client: bool) -> int:
        """The sequence number of the next message of a direction."""
        return self._directions[from_client].sequence

    def fresh(self) -> "NtlmContext":
        """The same context where it began."""
        made = NtlmContext(self.keys, client_mic=False, server_mic=False)
        for way, own in self._directions.items():
            made._directions[way].sequence = own.begin
            made._directions[way].begin = own.begin
        return made

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
        """Messages of these plaintext lengths went by and could not be read. The lengths are what their sender declared, so the place before them is kept."""
        way = self._directions[from_client]
        at, _ = way.proved = way.proved or (way.cipher.at, way.sequence)
        further = sum(size + self._overhead() for size in sizes)
        if way.lied or way.cipher.at + further - at > _PASSED:
            return
        way.cipher.skip(further)
        way.sequence += len(sizes)

    def _overhead(self) -> int:
        return (8 if self.key_exchange else 0) if self.ess else 12

    def open(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        """The plaintext of one part; None when it was not sealed by this context. A part that is refused leaves the context as it was."""
        if len(header) != _SIGNATURE or header[:4] != b"\x01\x00\x00\x00":
            return None
        way = self._directions[from_client]
        proof = self._proof(way, header)
        found = _tried(way.cipher, data, proof, self._overhead())
        if found is None and way.failures < _SEARCHES:
            found = self._searched(way, header, data, proof)
            way.failures += found is None
        if found is None and way.proved is not None and way.returns < _RETURNS:
            found = self._back(way, header, data, proof)
        if found is None:
            return None
        way.failures, way.proved = 0, None
        way.sequence = found.number + 1
        return Opened(found.text, good=True)

    def _back(self, way: Direction, header: bytes, data: bytes, proof: Proof) -> Found | None:
        """At the place of the last message that was proved, as if nothing had gone by since, and behind it."""
        here = way.cipher.at, way.sequence
        way.returns += 1
        at, way.sequence = way.proved or here
        way.cipher.back_to(at)
        found = _tried(way.cipher, data, proof, self._overhead()) or self._searched(way, header, data, proof)
        if found is None:
            way.cipher.back_to(here[0])
            way.sequence = here[1]
        else:
            way.lied = True
        return found

    def guess(self, header: bytes, found: Holed, *, from_client: bool) -> Holed | None:
        """What can be read of a part that lacks bytes, without proof: only where it is the next message, so that its place in the keystream is known. The
        context stays where it is: `passed` moves it on."""
        if len(header) != _SIGNATURE or header[:4] != b"\x01\x00\x00\x00" or not all(size for _, size in found.holes):
            return None
        way = self._directions[from_client]
        if self.ess and struct.unpack_from("<I", header, 12)[0] != way.sequence:
            return None
        text = Holed(xor(found.data, way.cipher.peek(len(found.data))), found.holes)
        return text if begins_well(text) else None

    def _proof(self, way: Direction, header: bytes) -> Proof:
        """What tells the counter of a plaintext from the keystream bytes after it, None when the signature does not agree."""
        number = struct.unpack_from("<I", header, 12)[0]

        def with_ess(text: bytes, after: bytes) -> int | None:
            mac = hmac.digest(way.sign_key, struct.pack("<I", number) + text, "md5")[:8]
            if self.key_exchange:
                mac = xor(mac, after)
            return number if number >= way.sequence and hmac.compare_digest(mac, header[4:12]) else None

        def without_ess(text: bytes, after: bytes) -> int | None:
            # MS-NLMP 3.4.4.1: four bytes are used for the pad, four seal the CRC, four the counter
            if xor(struct.pack("<I", zlib.crc32(text)), after[4:8]) != header[8:12]:
                return None
            told: int = struct.unpack("<I", xor(header[12:16], after[8:12]))[0]
            return told if way.sequence <= told <= way.sequence + _LOST_MESSAGES else None

        return with_ess if self.ess else without_ess

    def _searched(self, way: Direction, header: bytes, data: bytes, proof: Proof) -> Found | None:
        """At the positions ahead where the plaintext would begin as a message does. The keystream is made once and the tries cut out of it."""
        missing = 1
        begin = way.cipher.at
        if self.ess:
            number = struct.unpack_from("<I", header, 12)[0]
            missing = number - way.sequence
            if missing < 0 or (missing == 0 and begin):
                return None
        overhead = self._overhead()
        window = min(max(missing, 1) * _WINDOW_PER_MESSAGE, _WINDOW) if self.ess else _WINDOW
        keystream = way.cipher.peek(window + len(data) + overhead)
        for place in islice(_candidates(keystream[:window], data[:5]), _TRIES):
            end = place + len(data)
            text = xor(data, keystream[place:end])
            number = proof(text, keystream[end : end + overhead])
            if number is not None:
                way.cipher.skip(end + overhead)
                return Found(text, number)
        return None


def _tried(cipher: Rc4, data: bytes, proof: Proof, overhead: int) -> Found | None:
    """At the keystream's present position, which is left only when it is the right one."""
    text, after = cipher.tried(data, overhead)
    number = proof(text, after)
    if number is None:
        cipher.untried(data, text, after)
        return None
    return Found(text, number)


def _candidates(keystream: bytes, start: bytes) -> Iterator[int]:
    """Keystream offsets at which ``start`` would decrypt to the beginning of a message, the likeliest first."""
    seen: set[int] = set()
    for text in STARTS:
        if len(start) < len(text):
            continue
        wanted = xor(text, start[: len(text)])
        at = keystream.find(wanted)
        while at >= 0:
            if at not in seen:
                seen.add(at)
                yield at
            at = keystream.find(wanted, at + 1)
