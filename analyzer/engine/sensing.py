"""Files of sensors that the user names: which pattern each file matches. A file that a sensor has twice, byte by byte, is read once."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec.structs import replace

from analyzer.capture.open import is_pipe
from analyzer.engine.inputs import Expanded, Input
from analyzer.errors import UsageError
from analyzer.records.issues import Issue
from analyzer.system.files import is_url

_SHOWN = 3
_AT_ONCE = 1 << 20
_EDGE = 1 << 12


def sensors_of(given: Mapping[str, str | Sequence[str]] | Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Names and patterns, of a mapping or of texts ``NAME=PATTERN``. `UsageError`: one is neither."""
    if isinstance(given, Mapping):
        pairs = [(name, pattern) for name, own in given.items() for pattern in ((own,) if isinstance(own, str) else own)]
    else:
        pairs = [(name, pattern) for name, _, pattern in (text.partition("=") for text in given)]
    for name, pattern in pairs:
        if not name.strip() or not pattern:
            msg = f"--sensor {name}={pattern}: give a name and a pattern of paths, such as dmz='captures/dmz/*.pcapng'"
            raise UsageError(msg)
    return tuple((name.strip(), pattern) for name, pattern in pairs)


def told(found: Expanded, sensors: Sequence[tuple[str, str]]) -> Expanded:
    """The files with the names of their sensors, without copies. `UsageError`: a pattern that no file matches, or a file of two sensors."""
    inputs = [replace(one, sensor=_sensor(one, sensors)) for one in found.inputs]
    for name, pattern in sensors:
        if not any(_matches(one, pattern) for one in inputs):
            shown = ", ".join(one.name for one in inputs[:_SHOWN]) + (f" and {len(inputs) - _SHOWN:,} more" if len(inputs) > _SHOWN else "")
            msg = f"--sensor {name}={pattern}: no capture matches; the captures are {shown}"
            raise UsageError(msg)
    copies = dict(_copies(inputs))
    issues = [
        Issue("capture.passed-over", f"{one.path}: not read, as {copies[one.path].path} of sensor {one.sensor} has the same bytes")
        for one in inputs
        if one.path in copies
    ]
    return Expanded(tuple(one for one in inputs if one.path not in copies), (*found.others, *issues))


def _sensor(one: Input, sensors: Sequence[tuple[str, str]]) -> str:
    own = {name: pattern for name, pattern in sensors if _matches(one, pattern)}
    if len(own) > 1:
        both = " and ".join(f"{name}={pattern}" for name, pattern in list(own.items())[:2])
        msg = f"{one.path} is a file of two sensors: --sensor {both}"
        raise UsageError(msg)
    return next(iter(own), "")


def _matches(one: Input, pattern: str) -> bool:
    """By its path as given, as a whole, or by the end of it. A path is a pattern of itself, whatever brackets are in it."""
    if is_url(one.path):
        return any(own == pattern or fnmatchcase(own, pattern) for own in (one.path, one.path.rpartition("/")[2]))
    path = Path(one.path)
    named = any(own == pattern or fnmatchcase(own, pattern) for own in (one.path, str(path.absolute()), path.name))
    return named or (bool(Path(pattern).parts) and path.match(pattern))


def _copies(inputs: Sequence[Input]) -> Iterator[tuple[str, Input]]:
    """Paths of files that another one of the same sensor has the same bytes as, and that one."""
    alike: dict[tuple[str, int, bytes], list[Input]] = {}
    for one in inputs:
        if not one.sensor or is_url(one.path) or is_pipe(one.path):  # what comes through a pipe can be read only once
            continue
        try:
            with Path(one.path).open("rb") as file:
                alike.setdefault((one.sensor, Path(one.path).stat().st_size, file.read(_EDGE)), []).append(one)
        except OSError:  # a member of an archive, or what its reading will tell
            continue
    for same in alike.values():
        if len(same) < 2:
            continue
        known: dict[bytes, Input] = {}
        for one in same:
            first = known.setdefault(_digest(one.path), one)
            if first is not one:
                yield one.path, first


def _digest(path: str) -> bytes:
    made = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while piece := file.read(_AT_ONCE):
                made.update(piece)
    except OSError:  # its reading will tell
        return path.encode(errors="replace")
    return made.digest()
