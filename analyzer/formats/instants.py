"""Times as event logs write them (ISO 8601 with a date): nanoseconds since 1970, and how exact they are written."""

import re
from datetime import UTC, datetime

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?\d*\s*(Z|[+-]\d\d:?\d\d)?")
_SECOND_NS = 10**9
MOST_NS = 1 << 63
"""Tables and packets count nanoseconds in 64 bits: from 1677 to 2262."""


def instant(text: str) -> tuple[int, int] | None:
    """Nanoseconds since 1970 UTC (of a time without zone: as if it were UTC), and the unit it is written in; None for what is no time, or one that tables
    cannot hold."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
    digits = found[7] or ""
    try:
        whole = int(datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()) * _SECOND_NS
    except ValueError:
        return None
    zone = found[8] or "Z"
    shift = 0 if zone == "Z" else (-1 if zone[0] == "-" else 1) * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60) * _SECOND_NS
    made = whole - shift + int(digits.ljust(9, "0"))
    return (made, 10 ** (9 - len(digits))) if abs(made) < MOST_NS else None
