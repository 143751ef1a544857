"""What a parser says of some bytes: the value it read, and what was wrong with them."""

import hashlib
from typing import Generic, NamedTuple, TypeVar

from analyzer.auth.headers import Credentials
from analyzer.records.auth import Mechanism, Token
from analyzer.records.quality import Absent, Known, Why

T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """``value`` is what could be read; ``complaint`` says what was wrong ("" when nothing was). A value may be good and still have a complaint."""

    value: Known[T]
    complaint: str = ""


def unreadable(detail: str) -> Reading[T]:
    """A reading that gave no value."""
    return Reading(Absent(Why.MALFORMED, detail), detail)


MALFORMED = "auth.malformed-token"


class Complaint(NamedTuple):
    """An issue's code and detail, before it is known where it belongs."""

    code: str
    detail: str


class TokenReading(NamedTuple):
    """A token and what was wrong with it."""

    token: Token
    complaints: tuple[Complaint, ...]


def plain(sent: Credentials, mechanism: Mechanism, raw: bytes | None = None, user: str | None = None, realm: str | None = None) -> Token:
    """Credentials that are no security token. ``raw``: their bytes, which are digested and not kept; without it the text as sent."""
    content = sent.value.encode("latin-1", "replace") if raw is None else raw
    return Token(sent.scheme, mechanism, "credentials", len(content), hashlib.sha256(content).digest(), user=user, realm=realm)


def complaints(detail: str) -> tuple[Complaint, ...]:
    """What is malformed, when anything is."""
    return (Complaint(MALFORMED, detail),) if detail else ()
