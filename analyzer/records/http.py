"""HTTP messages as they were sent (RFC 9112), each byte of which leads back to a stream offset and by it to packets."""

import re
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from analyzer.records.quality import Known

CREDENTIALS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "proxy-authentication-info",
        "cookie",
        "set-cookie",
    }
)
"""Fields, in lower case, whose value is a credential, or a token that one can be guessed from."""


class Header(Struct, frozen=True, gc=False):
    """One field line in the order sent. Texts are the bytes as sent, decoded as Latin-1 (lossless). ``at`` is the offset of the line in its
    message, so that one object serves all messages that have it.

    A credential does not show itself where a record is printed: of it only the first word is in ``repr``.
    """

    name: str
    value: str
    at: int

    def __repr__(self) -> str:
        scheme, blank, _ = self.value.partition(" ")
        named = scheme.replace("-", "").isalpha() and len(scheme) <= 20
        hidden = f"{scheme}{' ***' if blank else ''}" if named else "***"
        return f"Header(name={self.name!r}, value={(hidden if self.name.lower() in CREDENTIALS else self.value)!r}, at={self.at})"


_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+://")


def is_absolute(target: str) -> bool:
    """The target is a whole URI, as clients send it to a proxy (RFC 9112 section 3.2.2); a path may have ``://`` in it, too."""
    return not target.startswith("/") and _ABSOLUTE.match(target) is not None


class Framing(StrEnum):
    """How the end of a body was found (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    TO_END = "to_end"
    TUNNEL = "tunnel"


class Span(NamedTuple):
    """Bytes [at, at+size) of a stream."""

    at: int
    size: int


class Body(Struct, frozen=True, gc=False):
    """A message's body. ``spans`` are its payload bytes without chunk framing; ``size`` their sum (missing bytes included); ``declared`` the Content-Length.

    ``missing`` counts bytes of the spans that are not in the capture; ``complete`` says that the framing's end was reached. ``digest`` is SHA-256 of the
    payload when it is wholly captured. ``starts`` is its first bytes (at most 64, up to the first hole), enough to recognise XML or a multipart delimiter.
    """

    framing: Framing
    size: int
    declared: int | None
    spans: tuple[Span, ...]
    missing: int
    complete: bool
    digest: Known[bytes]
    starts: bytes


class Request(Struct, frozen=True, gc=False):
    """``target`` as sent (origin, absolute or authority form); ``version`` like ``HTTP/1.1``. [at, end_at) is the whole message in the stream to the server."""

    id: str
    method: str
    target: str
    version: str
    headers: tuple[Header, ...]
    body: Body
    at: int
    end_at: int
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]


class Response(Struct, frozen=True, gc=False):
    """A final response; [at, end_at) is the whole message in the stream to the client."""

    id: str
    status: int
    reason: str
    version: str
    headers: tuple[Header, ...]
    body: Body
    at: int
    end_at: int
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]


class Interim(NamedTuple):
    """A 1xx response before the final one."""

    status: int
    ts_ns: int
    packet: int


class Exchange(Struct, frozen=True, gc=False):
    """A request and its response; either may be `Absent`. ``quality``: words for what is not whole (empty when all is well), as the exchanges table shows.

    Words: request_missing, response_missing, request_cut, response_cut, unpaired.
    """

    id: str
    connection: str
    capture: int
    position: int
    request: Known[Request]
    response: Known[Response]
    interim: tuple[Interim, ...] = ()
    quality: tuple[str, ...] = ()
    stream_error: str | None = None
    """HTTP/2: the error with which one side ended the stream, by name (RFC 9113 section 7)."""
