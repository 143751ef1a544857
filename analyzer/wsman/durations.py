"""Durations as XML writes them (XML Schema part 2, section 3.2.6), without years and months, whose length varies."""

import re

_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")


def duration_s(text: str | None) -> float | None:
    """The seconds of a duration like ``PT60.000S`` or ``P0DT0H1M0S``; None for what is none."""
    match = _DURATION.fullmatch(text) if text and len(text) > 1 else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
