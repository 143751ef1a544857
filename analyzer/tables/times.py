"""Times as text: RFC 3339, UTC, nanoseconds, ``Z``."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S = 1_000_000_000


def rfc3339(ns: int) -> str:
    """Nanoseconds since 1970 UTC as ``2026-01-02T03:04:05.123456789Z``. Exact; int64 nanoseconds end in the year 2262."""
    seconds, fraction = divmod(ns, _NS_PER_S)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def seconds(ns: int) -> float:
    """A duration in nanoseconds as seconds."""
    return ns / _NS_PER_S
