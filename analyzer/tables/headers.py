"""Header values that several tables show. Names compare without case (RFC 9110 section 5.1); values are the bytes as sent."""

from collections.abc import Sequence

from analyzer.records.http import Exchange, Header, Request, Response
from analyzer.records.quality import Absent, Known


def first(headers: Sequence[Header], name: str) -> str | None:
    """The first value of a field, or None."""
    return next((header.value for header in headers if header.name.lower() == name), None)


def joined(headers: Sequence[Header], name: str) -> str | None:
    """All values of a field, comma-joined as RFC 9110 section 5.3 allows, or None."""
    values = [header.value for header in headers if header.name.lower() == name]
    return ", ".join(values) if values else None


def scheme(headers: Sequence[Header], name: str) -> str | None:
    """The first word of a credentials or challenge field: the authentication scheme as it was spelled."""
    value = first(headers, name)
    words = value.replace(",", " ").split(maxsplit=1) if value else []
    return words[0] if words else None


def request_of(known: Known[Request]) -> Request | None:
    """The request, or None when it is absent."""
    return None if isinstance(known, Absent) else known


def response_of(known: Known[Response]) -> Response | None:
    """The response, or None when it is absent."""
    return None if isinstance(known, Absent) else known


def begins(exchange: Exchange) -> tuple[int, int]:
    """When its request began (nanoseconds since 1970, 0 unknown), and its place on the connection."""
    request = request_of(exchange.request)
    return (request.first_ns, exchange.position) if request else (0, exchange.position)
