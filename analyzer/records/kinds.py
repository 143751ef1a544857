"""Exchanges of one kind: what is asked and answered in their first lines, and what their bodies say. Of a thousand exchanges most are as others before them,
so what depends on nothing else is worked out once for each kind.

A kind has no fields, sizes, times or ids: those are each exchange's own.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from analyzer.records.http import Exchange
from analyzer.records.quality import Absent, Known
from analyzer.records.sealing import IDENTIFY, Message, Protection

T = TypeVar("T", bound=Hashable)
_Key: TypeAlias = tuple[Any, ...] | None
"""What makes the kind of a request or of a response, in the order of the fields of `Asked` and `Answered`."""


class Said(NamedTuple):
    """What a body says, of what `Message` has. ``whole``: all of it was captured."""

    protection: Protection
    operation: Known[str] | None
    action: str | None
    resource_uri: str | None
    wsman: bool
    whole: bool

    @property
    def is_clear(self) -> bool:
        """As `analyzer.records.candidates.is_clear` says of a message."""
        return self.protection is Protection.CLEAR and self.operation not in IDENTIFY


class Asked(NamedTuple):
    """A request of a kind."""

    method: str
    target: str
    version: str
    said: Said | None


class Answered(NamedTuple):
    """A response of a kind."""

    status: int
    version: str
    said: Said | None


class Kind(Struct, frozen=True, gc=False):
    """Exchanges that are alike: the request and the response, None where that is not in the capture, and the places of the exchanges, in order."""

    asked: Asked | None
    answered: Answered | None
    places: array[int]


def kinds(own: Iterable[Exchange], messages: Mapping[str, Message]) -> tuple[Kind, ...]:
    """The kinds of these exchanges, in order of their first ones."""
    found: dict[tuple[_Key, _Key], array[int]] = {}
    get = messages.get
    for place, exchange in enumerate(own):
        half, answer = exchange.request, exchange.response
        asked: _Key = None
        answered: _Key = None
        if not isinstance(half, Absent):
            said, body = get(half.id), half.body
            told = None if said is None else (said.protection, said.operation, said.action, said.resource_uri, said.wsman, body.complete and not body.missing)
            asked = half.method, half.target, half.version, told
        if not isinstance(answer, Absent):
            said, body = get(answer.id), answer.body
            told = None if said is None else (said.protection, said.operation, said.action, said.resource_uri, said.wsman, body.complete and not body.missing)
            answered = answer.status, answer.version, told
        key = asked, answered
        known = found.get(key)
        if known is None:
            known = found[key] = array("L")
        known.append(place)
    return tuple([Kind(_asked(asked), _answered(answered), places) for (asked, answered), places in found.items()])


def _asked(key: _Key) -> Asked | None:
    if key is None:
        return None
    method, target, version, told = key
    return Asked(method, target, version, None if told is None else Said(*told))


def _answered(key: _Key) -> Answered | None:
    if key is None:
        return None
    status, version, told = key
    return Answered(status, version, None if told is None else Said(*told))


def by(every: Iterable[Kind], part: Callable[[Kind], T | None]) -> dict[T, array[int]]:
    """The places of exchanges by ``part`` of their kind, each in order; those of which it is None are left out."""
    found: dict[T, list[array[int]]] = {}
    for kind in every:
        own = part(kind)
        if own is not None:
            found.setdefault(own, []).append(kind.places)
    return {own: together(places) for own, places in found.items()}


def together(places: Sequence[array[int]]) -> array[int]:
    """The places of several kinds, in order."""
    return places[0] if len(places) == 1 else array("L", sorted(chain.from_iterable(places)))
