"""What an error record of PowerShell says of itself, out of its JSON (`analyzer.psrp.errors`)."""

from typing import Any, NamedTuple

from msgspec import DecodeError
from msgspec.json import decode

from analyzer.records.wsman import Output


class Error(NamedTuple):
    """Category, fully qualified id, target, and where it happened; each None where the record does not say it."""

    category: str | None = None
    identity: str | None = None
    target: str | None = None
    position: str | None = None


_NONE = Error()


def error(output: Output) -> Error:
    """Of an output of the stream ``error``; of any other nothing."""
    if output.stream != "error" or output.json is None:
        return _NONE
    try:
        found = decode(output.json)
    except DecodeError:  # all of it is masked
        return _NONE
    return (
        Error(found.get("category"), found.get("id"), found.get("target") or found.get("target_name"), _position(found)) if isinstance(found, dict) else _NONE
    )


def _position(found: dict[str, Any]) -> str | None:
    """``script:line`` and the character; a line that was typed has no script."""
    line = found.get("line")
    if line is None:
        return None
    column = found.get("column")
    script = found.get("script")
    return f"{script or 'line'}:{line}{f' char:{column}' if column is not None else ''}"
