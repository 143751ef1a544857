"""Times as text: RFC 3339, nanoseconds; UTC with ``Z``, but where people read them in the zone that they asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S = 1_000_000_000


Zone: TypeAlias = "tzinfo | Literal['local']"


class _Display:
    """The zone in which people want to read times; ``local`` is that of this computer, None UTC."""

    zone: Zone | None = None


_display = _Display()


def rfc3339(ns: int) -> str:
    """Nanoseconds since 1970 UTC as ``2026-01-02T03:04:05.123456789Z``. Exact; int64 nanoseconds end in the year 2262."""
    seconds, fraction = divmod(ns, _NS_PER_S)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def on_screen(ns: int) -> str:
    """The same for a screen: in the zone that `show_in` set, ``2026-01-02T04:04:05.123456789+01:00``; else in UTC."""
    zone = _display.zone
    if zone is None:
        return rfc3339(ns)
    seconds, fraction = divmod(ns, _NS_PER_S)
    try:
        moment = (_EPOCH + timedelta(seconds=seconds)).astimezone(None if zone == "local" else zone)
    except (OSError, OverflowError):  # Windows knows its zone only after 1970
        return rfc3339(ns)
    offset = moment.isoformat()[19:]
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}{offset}"


def show_in(zone: Zone | None) -> None:
    """Times on a screen are those of this zone from now on; None: UTC."""
    _display.zone = zone


def seconds(ns: int) -> float:
    """A duration in nanoseconds as seconds."""
    return ns / _NS_PER_S
