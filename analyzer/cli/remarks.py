"""What two options of all commands need: the file of the log, and the zone of times."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from analyzer.errors import OutputError, UsageError

if TYPE_CHECKING:
    from analyzer.tables.times import Zone

_FIRST = "# log of winrm-analyzer\n"


def opened_log(path: str) -> TextIO:
    """The log, to be added to. `OutputError`: it cannot be written, or there is a file that is no log of ours, such as evidence."""
    file = Path(path)
    try:
        if file.exists() and file.stat().st_size:
            with file.open("rb") as there:
                if there.read(len(_FIRST)) != _FIRST.encode():
                    msg = f"{path} exists and is no log of winrm-analyzer; name another file"
                    raise OutputError(msg)
            return file.open("a", encoding="utf-8", errors="backslashreplace")
        made = file.open("x" if not file.exists() else "a", encoding="utf-8", errors="backslashreplace")
        made.write(_FIRST)
    except OSError as error:
        msg = f"cannot write the log {path}: {error.strerror or error}"
        raise OutputError(msg) from error
    return made


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
