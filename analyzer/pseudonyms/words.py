"""Words and their pseudonyms: of equal length in UTF-8 and UTF-16, letters for letters, digits for digits, the same case, and never a word that stays."""

import re
from collections.abc import Callable
from functools import cache

from analyzer.pseudonyms.permutation import Permutation

WORD = re.compile(r"[^\W_]+")
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_BLOCKS = ((0x80, 0x24F), (0x250, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x3FFFF))
"""Code points of which all letters take as many bytes in UTF-8; Latin letters stay Latin."""
PIECE = 48
"""Characters of a word that are replaced together."""


@cache
def _others(first: int, last: int) -> str:
    """The letters between two code points, those with two cases in lower case."""
    return "".join(sign for sign in map(chr, range(first, last + 1)) if sign.isalpha() and sign.lower() == sign)


def _lower(sign: str) -> str:
    made = sign.lower()
    return made if len(made) == 1 and len(made.encode()) == len(sign.encode()) else sign


def _alphabet(sign: str) -> str:
    if sign in _LETTERS:
        return _LETTERS
    if sign in _DIGITS:
        return _DIGITS
    if sign < "\x80" or not sign.isalpha():
        return sign
    return next(signs for signs in (_others(*ends) for ends in _BLOCKS) if sign in signs or sign <= signs[-1])


def folded(word: str) -> str:
    """The word as the map has it."""
    return "".join(map(_lower, word))


class Words:
    """Replaces words. ``taken``: words that no pseudonym may be, in lower case. ``pairs``: what was replaced, the pseudonym of each word."""

    def __init__(self, key: bytes, taken: Callable[[str], bool], pairs: dict[str, str]) -> None:
        self._key = key
        self._taken = taken
        self.pairs = pairs
        self._permutations: dict[str, Permutation] = {}

    def image(self, word: str) -> str:
        """The pseudonym of a word (`WORD`)."""
        return "".join(self._piece(word[at : at + PIECE]) for at in range(0, len(word), PIECE))

    def _piece(self, word: str) -> str:
        lower = folded(word)
        if lower not in self.pairs:
            self.pairs[lower] = self._image(lower)
        return like(word, self.pairs[lower])

    def _image(self, lower: str) -> str:
        alphabets = [_alphabet(sign) for sign in lower]
        if any(sign not in signs for sign, signs in zip(lower, alphabets, strict=True)):
            alphabets = [signs if sign in signs else sign for sign, signs in zip(lower, alphabets, strict=True)]
        pattern = "".join(signs[0] for signs in alphabets)
        size, number = 1, 0
        for sign, signs in zip(lower, alphabets, strict=True):
            size, number = size * len(signs), number * len(signs) + signs.index(sign)
        permutation = self._permutations.get(pattern)
        if permutation is None:
            permutation = self._permutations[pattern] = Permutation(self._key, f"word {pattern}", size)
        return _spelt(permutation.image(number, lambda one: self._taken(_spelt(one, alphabets))), alphabets)


def _spelt(number: int, alphabets: list[str]) -> str:
    signs = []
    for own in reversed(alphabets):
        number, place = divmod(number, len(own))
        signs.append(own[place])
    return "".join(reversed(signs))


def like(word: str, other: str) -> str:
    """``other``, which is in lower case and as long, in the case of ``word``."""
    if word.isascii() and word.islower():
        return other
    made = []
    for sign, new in zip(word, other, strict=True):
        upper = new.upper() if sign != _lower(sign) else new
        made.append(upper if len(upper) == 1 and _lower(upper) == new else new)
    return "".join(made)
