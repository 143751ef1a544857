"""What is worked out of records once and asked many times. It knows what it was made of: changed copies of a record share it without seeing each other's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Index:
    """Answers by name, each with the records that it was made of. Not part of what is said: two are always equal, and one that travels arrives empty."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[tuple[object, ...], object]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Index()"

    def __reduce__(self) -> tuple[type[Index], tuple[()]]:
        return Index, ()

    def once(self, name: Hashable, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What ``make`` gives, worked out anew only when ``made_of`` are other objects than the last time."""
        known = self._made.get(name)
        if known is not None and all(map(_same, known[0], made_of)):
            return known[1]  # type: ignore[return-value]  # of this name, so what this function made
        found = make()
        self._made[name] = made_of, found
        return found


def _same(one: object, other: object) -> bool:
    return one is other
