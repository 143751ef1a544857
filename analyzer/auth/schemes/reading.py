"""What a parser says of some bytes: the value it read, and what was wrong with them."""

from typing import Generic, NamedTuple, TypeVar

from analyzer.records.quality import Absent, Known, Why

T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """``value`` is what could be read; ``complaint`` says what was wrong ("" when nothing was). A value may be good and still have a complaint."""

    value: Known[T]
    complaint: str = ""


def unreadable(detail: str) -> Reading[T]:
    """A reading that gave no value."""
    return Reading(Absent(Why.MALFORMED, detail), detail)
