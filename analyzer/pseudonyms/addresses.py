"""Addresses and their pseudonyms, written with as many characters: a network becomes one network, and what kind of address it is stays.

Two addresses that share their first octets (groups of IPv6) share those of their pseudonyms, and only those. An octet is replaced by one with as many digits,
so that a text keeps its length; prefixes are therefore kept at octets and groups, not, as Crypto-PAn does it, at each bit. What tells a kind stays: loopback,
private, link-local, shared, multicast, broadcast (RFC 6890), the zeros of IPv6, an octet 0 or 255.
"""

import ipaddress
from collections.abc import Sequence

from analyzer.pseudonyms.permutation import Permutation

_KINDS = {10: ((0, 255),), 172: ((16, 31),), 192: ((168, 168),), 169: ((254, 254),), 100: ((64, 127),), 198: ((18, 19),), 203: ()}
"""First octets with networks of their own kind, and the second octets that tell it."""
_DIGITS = ((0, 0), (1, 9), (10, 99), (100, 254), (255, 255))
_STAY4 = {0, 127, *range(224, 256)}


class Addresses:
    """Replaces addresses. ``pairs``: what was replaced, as texts."""

    def __init__(self, key: bytes, pairs: dict[str, str]) -> None:
        self._key = key
        self.pairs = pairs
        self._permutations: dict[tuple[str, int], Permutation] = {}
        self._seen: dict[bytes, bytes] = {}

    def packed(self, address: bytes) -> bytes:
        """An address of 4 or 16 bytes."""
        if address not in self._seen:
            made = self._seen[address] = self._v4(address) if len(address) == 4 else self._v6(address)
            if made != address:
                self.pairs[str(ipaddress.ip_address(address))] = str(ipaddress.ip_address(made))
        return self._seen[address]

    def text(self, address: str) -> str:
        """An address as text, in the way in which it is written. What is none stays."""
        try:
            one = ipaddress.ip_address(address)
        except ValueError:
            return address
        made = self.packed(one.packed)
        if one.version == 4:
            return ".".join(map(str, made))
        words, tail = address, ""
        if "." in address:
            words, tail = address.rpartition(":")[0], f":{'.'.join(map(str, made[12:]))}"
        return _like(words.split(":"), made, 6 if tail else 8) + tail

    def hardware(self, address: bytes) -> bytes:
        """A MAC address; those of groups, and all zeros, stay."""
        if address[0] & 1 or not any(address):
            return address
        number = int.from_bytes(address, "big")
        low, high = number & ((1 << 40) - 1), address[0]
        first = self._permutation("mac", 64).image(high >> 2) << 2 | high & 3
        made = bytes((first,)) + self._permutation(f"mac {high}", 1 << 40).image(low).to_bytes(5, "big")
        self.pairs[":".join(f"{one:02x}" for one in address)] = ":".join(f"{one:02x}" for one in made)
        return made

    def _permutation(self, label: str, size: int) -> Permutation:
        found = self._permutations.get((label, size))
        if found is None:
            found = self._permutations[label, size] = Permutation(self._key, label, size)
        return found

    def _v4(self, address: bytes) -> bytes:
        if address[0] in _STAY4:
            return address
        made = [address[0] if address[0] in _KINDS else self._first(address[0])]
        for place in range(1, 4):
            value, before = address[place], bytes(address[:place]).hex()
            low, high = next(pair for pair in _DIGITS if pair[0] <= value <= pair[1])
            for first, last in _KINDS.get(address[0], ()) if place == 1 else ():
                if first <= value <= last:
                    low, high = max(low, first), min(high, last)
                elif low <= first <= high and value < first:
                    high = first - 1
                elif low <= last <= high:
                    low = last + 1
            made.append(low + self._permutation(f"4 {before} {low}", high - low + 1).image(value - low))
        return bytes(made)

    def _first(self, octet: int) -> int:
        low, high = next(pair for pair in _DIGITS if pair[0] <= octet <= pair[1])
        found = self._permutation(f"4 first {low}", high - low + 1)
        return low + found.image(octet - low, lambda one: low + one in _KINDS or low + one in _STAY4)

    def _v6(self, address: bytes) -> bytes:
        groups = [int.from_bytes(address[at : at + 2], "big") for at in range(0, 16, 2)]
        if not any(groups[:7]) or address[:1] == b"\xff":
            return address[:13] + bytes(3) if address[:13] == bytes.fromhex("ff0200000000000000000001ff") else address
        if address[:12] in (bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8)):
            return address[:12] + self.packed(address[12:])
        made = []
        for place, value in enumerate(groups):
            low, high = _group(value, first=place == 0)
            made.append(low + self._permutation(f"6 {address[: place * 2].hex()} {low}", high - low + 1).image(value - low))
        return b"".join(one.to_bytes(2, "big") for one in made)


def _group(value: int, *, first: bool) -> tuple[int, int]:
    """The groups that one may become: with as many digits, and of the first one's kind."""
    if first:
        for low, high in ((0x2001, 0x2001), (0x2002, 0x2002), (0x2000, 0x3FFF), (0xFC00, 0xFCFF), (0xFD00, 0xFDFF), (0xFE80, 0xFEBF)):
            if low <= value <= high:
                return (0x2003, 0x3FFF) if low == 0x2000 and value > 0x2002 else (low, high) if low >= 0xFC00 else (value, value)
        return value, value
    return next(pair for pair in ((0, 0), (1, 0xF), (0x10, 0xFF), (0x100, 0xFFF), (0x1000, 0xFFFF)) if pair[0] <= value <= pair[1])


def _like(words: Sequence[str], made: bytes, count: int) -> str:
    """The first ``count`` groups of ``made`` in the way of ``words``, which were split at colons."""
    groups = [int.from_bytes(made[at : at + 2], "big") for at in range(0, count * 2, 2)]
    gap = next((place for place in range(1, len(words)) if not words[place]), len(words))
    told = []
    for place, word in enumerate(words):
        group = groups[place if place < gap else place - len(words)]
        new = f"{group:x}".zfill(len(word)) if word else ""
        told.append(new.upper() if word.isupper() else new)
    return ":".join(told)
