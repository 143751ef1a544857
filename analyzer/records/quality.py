"""Why a value is not there. ``None`` means legitimately absent (no such header); `Absent` means that we could not have it, and says why."""

from enum import StrEnum
from typing import NamedTuple, NoReturn, TypeAlias, TypeVar


class Why(StrEnum):
    """The closed list of reasons for a value we could not have."""

    NOT_CAPTURED = "not_captured"
    UNSENT = "unsent"
    MALFORMED = "malformed"
    SEALED = "sealed"
    OVER_LIMIT = "over_limit"
    UNSUPPORTED = "unsupported"


class Absent(NamedTuple):
    """A value that the evidence does not give, with the reason. It has no truth value: narrow with ``isinstance`` (which is asked of every value, and
    costs more with a Struct, whose metaclass has its say)."""

    why: Why
    detail: str = ""

    def __bool__(self) -> NoReturn:
        msg = "an absent value has no truth value; test with isinstance(value, Absent)"
        raise TypeError(msg)


T = TypeVar("T")
Known: TypeAlias = T | Absent
