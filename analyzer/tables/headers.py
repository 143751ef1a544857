"""Header values that several tables show. Names compare without case (RFC 9110 section 5.1); values are the bytes as sent."""

from collections.abc import Callable, Sequence

from analyzer.records.http import Exchange, Header, Request, Response
from analyzer.records.quality import Absent, Known

_MOST_KNOWN = 4096


class Fields:
    """The fields of one head by their names in lower case; each name's values in their order."""

    __slots__ = ("_values",)

    def __init__(self, headers: Sequence[Header]) -> None:
        self._values: dict[str, list[str]] = {}
        for header in headers:
            self._values.setdefault(header.name.lower(), []).append(header.value)

    def first(self, name: str) -> str | None:
        """As `first`."""
        values = self._values.get(name)
        return values[0] if values else None

    def joined(self, name: str) -> str | None:
        """As `joined`."""
        values = self._values.get(name)
        return ", ".join(values) if values else None

    def scheme(self, name: str) -> str | None:
        """As `scheme`."""
        return _first_word(self.first(name))


NO_FIELDS = Fields(())


def fields_of() -> Callable[[Sequence[Header]], Fields]:
    """What gives the fields of heads. Equal heads are mostly one object, whose fields are read once."""
    known: dict[int, tuple[Sequence[Header], Fields]] = {}  # with the object, as the number of one that is gone is given to another

    def found(headers: Sequence[Header]) -> Fields:
        there = known.get(id(headers))
        if there is None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            there = known[id(headers)] = headers, Fields(headers)
        return there[1]

    return found


def first(headers: Sequence[Header], name: str) -> str | None:
    """The first value of a field, or None."""
    return next((header.value for header in headers if header.name.lower() == name), None)


def joined(headers: Sequence[Header], name: str) -> str | None:
    """All values of a field, comma-joined as RFC 9110 section 5.3 allows, or None."""
    values = [header.value for header in headers if header.name.lower() == name]
    return ", ".join(values) if values else None


def scheme(headers: Sequence[Header], name: str) -> str | None:
    """The first word of a credentials or challenge field: the authentication scheme as it was spelled."""
    return _first_word(first(headers, name))


def _first_word(value: str | None) -> str | None:
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
