"""A keyed permutation of the numbers below any size, of one cycle: nothing is its own image, two numbers never have the same one, and the key leads back.

A Feistel network over the next even number of bits (rounds by BLAKE2b with the key), walked until the result is below the size again (cycle walking: Black and
Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002), gives an order; the image of a number is the one that follows it in that order.
"""

from collections.abc import Callable
from hashlib import blake2b

_FORTH = tuple(range(8))
_BACK = _FORTH[::-1]


class Permutation:
    """Of the numbers 0 to ``size`` - 1. ``label`` tells the permutations of one key apart."""

    def __init__(self, key: bytes, label: str, size: int) -> None:
        self.size = size
        self._half = max(((size - 1).bit_length() + 1) // 2, 1)
        self._bytes = -(-self._half // 8)
        self._hash = blake2b(label.encode(), key=key, digest_size=max(8, self._bytes))

    def image(self, number: int, forbidden: Callable[[int], bool] = lambda _: False) -> int:
        """Where the number goes. Images that are ``forbidden`` are passed over: give none that is. A number alone stays."""
        return self._step(number, 1, forbidden)

    def origin(self, number: int, forbidden: Callable[[int], bool] = lambda _: False) -> int:
        """Where an image came from."""
        return self._step(number, -1, forbidden)

    def _step(self, number: int, by: int, forbidden: Callable[[int], bool]) -> int:
        place = self._walk(number, _FORTH)
        while True:
            place = (place + by) % self.size
            found = self._walk(place, _BACK)
            if found == number or not forbidden(found):
                return found

    def _walk(self, number: int, order: tuple[int, ...]) -> int:
        while True:
            number = self._network(number, order)
            if number < self.size:
                return number

    def _network(self, number: int, order: tuple[int, ...]) -> int:
        mask = (1 << self._half) - 1
        left, right = number >> self._half, number & mask
        for place in order:
            if order is _FORTH:
                left, right = right, left ^ self._round(place, right)
            else:
                left, right = right ^ self._round(place, left), left
        return left << self._half | right

    def _round(self, place: int, value: int) -> int:
        made = self._hash.copy()
        made.update(bytes((place,)) + value.to_bytes(self._bytes, "big"))
        return int.from_bytes(made.digest(), "big") & ((1 << self._half) - 1)
