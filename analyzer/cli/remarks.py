"""What two options of all commands need: the file of the log, and the zone of times."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from analyzer.errors import UsageError

if TYPE_CHECKING:
    from analyzer.tables.times import Zone

_FIRST = "# log of winrm-analyzer\n"


def opened_log(path: str) -> TextIO:
    """The log, to be added to. `OutputError`: it cannot be written, or there is a file that is no log of ours, such as evidence."""
    from analyzer.system.outputs import added_to

    return added_to(Path(path), _FIRST)


def zone(name: str) -> Zone:
    """A zone by its name of IANA's database, an offset (+02:00), ``UTC``, or ``local`` for that of this computer. `UsageError`: there is no such zone."""
    from datetime import UTC, datetime, timedelta, timezone

    if name.lower() == "local":
        return "local"
    if name.upper() in ("UTC", "Z"):
        return UTC
    told = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", name)
    if told and int(told[2]) < 24:
        offset = timedelta(hours=int(told[2]), minutes=int(told[3]))
        return timezone(-offset if told[1] == "-" else offset)
    import zoneinfo

    try:
        found = zoneinfo.ZoneInfo(name)
        datetime.now(found)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"there is no time zone {name!r}; examples: Europe/Berlin, America/New_York, +02:00, UTC, local"
        raise UsageError(msg) from error
    return found
