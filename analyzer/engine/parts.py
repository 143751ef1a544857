"""Which connections have to be looked at together, and which groups of them are looked at one after the other.

A part is a set of connections that no bond (`analyzer.engine.bonds`) ties to any other; parts are put together into groups of about as many bytes as memory
allows. What a group gives does not depend on the other groups, so groups can be of any size.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from analyzer.records.arrays import Ints


class Summary(Struct, frozen=True, gc=False):
    """What is kept of one connection that was read: its number, its capture points, its bonds, about how many bytes of memory its records take, and where
    these lie (file, offset, bytes). ``with_``: numbers of connections that are views of it."""

    number: int
    points: tuple[int, ...]
    bonds: Ints
    cost: int
    place: tuple[str, int, int]
    with_: tuple[int, ...] = ()
    failed: bool = False
    """Nobody answered it, or refused it."""
    by_gateway: bool = False
    """It has answers that only a gateway gives: those that failed meanwhile may be its own (`tcp.service-unreachable`)."""


class Roots:
    """Sets of places that are joined (union-find)."""

    def __init__(self, count: int) -> None:
        self._parent = array("q", range(count))

    def root(self, place: int) -> int:
        """The place that stands for all that it is joined with."""
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def join(self, one: int, other: int) -> None:
        """They are one; the smaller place stands for both."""
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first


def parts(found: Sequence[Summary], tied: Iterable[tuple[int, int]] = ()) -> list[list[int]]:
    """The parts, as places in ``found``, each in order, in order of their first ones. ``tied``: pairs of bonds that tie all that has one of them.

    Captures of several points have clocks of their own, which their connections tell together: where a part has connections at several points, all that is
    at these points goes with it."""
    roots = Roots(len(found))
    for one, other in _shared(found):
        roots.join(one, other)
    _join_views(found, roots)
    _join_tied(found, roots, tied)
    _join_troubles(found, roots)
    _join_points(found, roots)
    made: dict[int, list[int]] = defaultdict(list)
    for place in range(len(found)):
        made[roots.root(place)].append(place)
    return list(made.values())


def _shared(found: Sequence[Summary]) -> Iterator[tuple[int, int]]:
    """Neighbours among the places that have a bond, for each bond: all bonds are sorted, as a table of them takes several times the memory."""
    import numpy as np

    if not found:
        return
    values = np.concatenate([np.frombuffer(one.bonds, dtype=np.int64) for one in found])
    owners = np.repeat(np.arange(len(found), dtype=np.int32), [len(one.bonds) for one in found])
    order = np.argsort(values, kind="stable")
    values, owners = values[order], owners[order]
    equal = np.flatnonzero(values[1:] == values[:-1])
    pairs = np.unique(np.stack((owners[equal], owners[equal + 1]), axis=1), axis=0) if len(equal) else ()
    for one, other in pairs:
        yield int(one), int(other)


def _join_views(found: Sequence[Summary], roots: Roots) -> None:
    places = {one.number: place for place, one in enumerate(found)}
    for place, one in enumerate(found):
        for number in one.with_:
            if number in places:
                roots.join(place, places[number])


def _join_tied(found: Sequence[Summary], roots: Roots, tied: Iterable[tuple[int, int]]) -> None:
    pairs = set(tied)
    if not pairs:
        return
    asked = {bond for pair in pairs for bond in pair}
    first: dict[int, int] = {}
    for place, one in enumerate(found):
        for bond in asked.intersection(one.bonds):
            first.setdefault(bond, place)
    # a bond without a connection of its own still ties those that it is tied with
    names = {bond: number for number, bond in enumerate(asked)}
    among = Roots(len(names))
    for one_bond, other_bond in pairs:
        among.join(names[one_bond], names[other_bond])
    leader: dict[int, int] = {}
    for bond, place in first.items():
        root = among.root(names[bond])
        roots.join(place, leader.setdefault(root, place))


def _join_troubles(found: Sequence[Summary], roots: Roots) -> None:
    """At each capture point the connections that failed, where a gateway had trouble, and the gateway's."""
    troubled = {point for one in found if one.by_gateway for point in one.points}
    first: dict[int, int] = {}
    for place, one in enumerate(found):
        for point in troubled.intersection(one.points) if one.failed or one.by_gateway else ():
            roots.join(place, first.setdefault(point, place))


def _join_points(found: Sequence[Summary], roots: Roots) -> None:
    points: dict[int, set[int]] = defaultdict(set)
    for place, one in enumerate(found):
        points[roots.root(place)].update(one.points)
    joined: dict[int, int] = {}
    several = [root for root, own in points.items() if len(own) > 1]
    for root in several:
        for point in points[root]:
            roots.join(root, joined.setdefault(point, root))
    if several:
        for root, own in points.items():
            for point in own & joined.keys():
                roots.join(root, joined[point])


def groups(found: Sequence[Summary], made: Iterable[Sequence[int]], room: int) -> list[list[int]]:
    """Parts put together, in their order, as long as they take no more than ``room`` bytes; a part that is larger is a group of its own. ``room`` 0: each
    part is one."""
    out: list[list[int]] = []
    held = 0
    for part in made:
        cost = sum(found[place].cost for place in part)
        if out and room and held + cost <= room:
            out[-1] += part
            held += cost
        else:
            out.append(list(part))
            held = cost
    return [sorted(group) for group in out]
