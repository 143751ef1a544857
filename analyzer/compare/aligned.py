"""The steps of two cases in pairs."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from analyzer.compare.rows import Rows
from analyzer.compare.steps import Step, clients

_ALIGNED = 2_000
"""Steps of a client that are aligned after the first difference; the rest is told as it stands, one below the other."""


class Pair(NamedTuple):
    """One step of each case, or of one of them only. ``left_client`` and ``right_client``: whose."""

    left_client: str | None
    right_client: str | None
    left: Step | None
    right: Step | None

    @property
    def same(self) -> bool:
        """Both did the same, with the same outcome."""
        return self.left is not None and self.right is not None and (self.left.key, self.left.outcome) == (self.right.key, self.right.outcome)


class Aligned(NamedTuple):
    """All pairs in order, client by client, and the place of the first one that differs."""

    pairs: tuple[Pair, ...]
    first: int | None


def aligned(left: Rows, right: Rows) -> Aligned:
    """Clients of one address belong together, the others in the order in which they began."""
    own, other = clients(left), clients(right)
    pairs = [pair for a, b in _matched(list(own), list(other)) for pair in _pairs(a, b, own.get(a or "", []), other.get(b or "", []))]
    return Aligned(tuple(pairs), next((place for place, pair in enumerate(pairs) if not pair.same), None))


def _matched(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    both = [one for one in left if one in right]
    rest = [one for one in right if one not in both]
    for one in left:
        yield one, one if one in both else rest.pop(0) if rest else None
    for one in rest:
        yield None, one


def _pairs(a: str | None, b: str | None, left: Sequence[Step], right: Sequence[Step]) -> Iterator[Pair]:
    """In step up to the first difference; after it what is alike is found again."""
    begin = 0
    while begin < min(len(left), len(right)) and (left[begin].key, left[begin].outcome) == (right[begin].key, right[begin].outcome):
        yield Pair(a, b, left[begin], right[begin])
        begin += 1
    first, second = left[begin : begin + _ALIGNED], right[begin : begin + _ALIGNED]
    matcher = SequenceMatcher(None, [(step.key, step.outcome) for step in first], [(step.key, step.outcome) for step in second], autojunk=False)
    for what, i, i2, j, j2 in matcher.get_opcodes():
        own, other = list(first[i:i2]), list(second[j:j2])
        if what == "equal":
            yield from (Pair(a, b, x, y) for x, y in zip(own, other, strict=True))
            continue
        while own and other and own[0].key == other[0].key:  # the same was tried, with another outcome
            yield Pair(a, b, own.pop(0), other.pop(0))
        yield from (Pair(a, b, x, None) for x in own)
        yield from (Pair(a, b, None, y) for y in other)
    yield from (Pair(a, b, x, None) for x in left[begin + _ALIGNED :])
    yield from (Pair(a, b, None, y) for y in right[begin + _ALIGNED :])
