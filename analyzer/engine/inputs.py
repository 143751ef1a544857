"""What the user named becomes a list of files: globs, folders and ZIP archives are opened out to the captures in them, and names are made unique.

What lies next to captures is not passed over in silence: files of one kind in one folder or archive are one issue, which counts and names them.
"""

import errno
import glob
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from analyzer.capture import kinds
from analyzer.capture.containers import format_of
from analyzer.capture.open import STDIN, ZIP_MAGIC, members, packing_of
from analyzer.errors import InputError
from analyzer.records.issues import Issue
from analyzer.settings import Limits
from analyzer.system.files import is_url, reachable

_SHOWN = 3
_OFFICE = "[Content_Types].xml"
"""The part of every Office document."""


class Input(Struct, frozen=True, gc=False):
    """A file to read, and the name that tables show (its file name, or as much of its path as makes it unique); the name of its sensor, if it has one."""

    path: str
    name: str
    sensor: str = ""


class Expanded(NamedTuple):
    """The files to read, and what else lay where they were searched."""

    inputs: tuple[Input, ...]
    others: tuple[Issue, ...]


class _Other(NamedTuple):
    """What is no capture: where it was met, its name there, its kind in singular and plural."""

    place: str
    name: str
    one: str
    many: str


def expanded(inputs: Sequence[str], limits: Limits) -> Expanded:
    """The files that ``inputs`` (paths, folders, archives, glob patterns, ``-``) stand for, each once. Raises `InputError` when they stand for none."""
    paths: dict[str, None] = {}
    others: dict[_Other, None] = {}
    for given in inputs:
        for found in _found(given, limits):
            if isinstance(found, str):
                paths.setdefault(found)
            else:
                others.setdefault(found)
    issues = tuple(_issues(list(others)))
    if not paths:
        msg = "no capture file in " + ", ".join(inputs) if inputs else "no input was given"
        raise InputError("; ".join([msg, *(issue.detail for issue in issues)]))
    return Expanded(tuple(Input(path if is_url(path) else reachable(path), name) for path, name in zip(paths, _names(list(paths)), strict=True)), issues)


def _found(given: str, limits: Limits) -> Iterator[str | _Other]:
    if given == STDIN:
        yield STDIN
        return
    if is_url(given):
        from analyzer.system.objects import objects_at

        yield from objects_at(given)
        return
    path = Path(given)
    if path.is_dir():
        yield from _in_folder(path, limits)
    elif not path.exists() and glob.has_magic(given):
        for name in sorted(glob.glob(given, recursive=True)):  # noqa: PTH207  a pattern may be absolute, which Path.glob refuses
            yield from _in_folder(Path(name), limits) if Path(name).is_dir() else _in_file(name, limits)
    else:
        yield from _in_file(given, limits)


def _in_folder(folder: Path, limits: Limits) -> Iterator[str | _Other]:
    unlisted: list[OSError] = []
    paths = [Path(where, name) for where, folders, files in os.walk(folder, onerror=unlisted.append) for name in (*folders, *files)]
    for error in unlisted:
        name = os.path.relpath(str(error.filename), folder)
        why = (error.strerror or str(error)).lower()
        yield _Other(str(folder), name, f"a folder that cannot be listed ({why})", f"folders that cannot be listed ({why})")
    for path in sorted(paths):
        name = str(path.relative_to(folder))
        odd = _odd(path)
        if odd is not None:
            yield _Other(str(folder), name, *odd)
        if odd is not None or path.is_dir():
            continue
        try:
            head = _head(path)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            yield _Other(str(folder), name, f"a file that cannot be opened ({why})", f"files that cannot be opened ({why})")
            continue
        if head.startswith(ZIP_MAGIC):
            yield from _in_archive(str(path), limits, folder)
        elif format_of(head) or packing_of(head):
            yield str(path)
        else:
            kind = kinds.kind_of(head)
            yield _Other(str(folder), name, kind.one, kind.many)


def _odd(path: Path) -> tuple[str, str] | None:
    """What lies there, in singular and plural, where it is no folder and no file that can be read; None where it is."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link that leads back to itself", "links that lead back to themselves"
        if path.is_symlink():
            return "a link that leads nowhere", "links that lead nowhere"
        why = (error.strerror or str(error)).lower()
        return f"a file that cannot be looked at ({why})", f"files that cannot be looked at ({why})"
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        if not path.is_symlink():
            return None
        if path.parent.resolve().is_relative_to(path.resolve()):
            return "a link to a folder that it lies in", "links to folders that they lie in"
        return "a link to a folder, which is not followed", "links to folders, which are not followed"
    special = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}.get(stat.S_IFMT(mode), "device")
    return f"a {special}", f"{special}s"


def _in_file(path: str, limits: Limits) -> Iterator[str | _Other]:
    """A file that was named is read whatever it is: a sentence tells what it is instead of a capture."""
    try:
        archive = Path(path).is_file() and _head(Path(path)).startswith(ZIP_MAGIC)  # the first bytes of a pipe come only once
    except OSError:
        archive = False
    if archive:
        yield from _in_archive(path, limits, Path(path).parent)
    else:
        yield path


def _in_archive(path: str, limits: Limits, folder: Path) -> Iterator[str | _Other]:
    shown = str(Path(path).relative_to(folder))
    try:
        inside = members(path, limits.archive_members + 1, kinds.HEAD_SIZE)
    except InputError as error:
        yield _Other(str(folder), shown, f"damaged ({str(error).removeprefix(f'{path}: ')})", "damaged ZIP archives")
        return
    if any(member.name == _OFFICE for member in inside):
        yield _Other(str(folder), shown, "an Office document", "Office documents")
        return
    captures: dict[str, None] = {}
    for member in inside[: limits.archive_members]:
        if member.why_not:
            yield _Other(path, member.name, f"not read: it {member.why_not}", f"files not read, each {member.why_not}")
        elif not format_of(member.head):
            kind = kinds.kind_of(member.head)
            yield _Other(path, member.name, kind.one, kind.many)
        elif member.name in captures:
            yield _Other(path, member.name, "a second file of that name", "second files of a name")
        else:
            captures.setdefault(member.name)
    if len(inside) > limits.archive_members:
        yield _Other(path, f"files after the first {limits.archive_members}", f"not read (archive_members={limits.archive_members})", "")
    yield from (str(Path(path) / name) for name in captures)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(kinds.HEAD_SIZE)


def _issues(others: Sequence[_Other]) -> Iterator[Issue]:
    groups: dict[tuple[str, str], list[_Other]] = {}
    for other in others:
        groups.setdefault((other.place, other.many), []).append(other)
    for (place, many), alike in groups.items():
        if len(alike) == 1:
            detail = f"{place}: {alike[0].name} is {alike[0].one}"
        else:
            names = ", ".join(other.name for other in alike[:_SHOWN])
            more = f" and {len(alike) - _SHOWN:,} more" if len(alike) > _SHOWN else ""
            detail = f"{place}: {len(alike):,} {many} ({names}{more})"
        yield Issue("capture.passed-over", detail, repeats=len(alike))


def _names(paths: list[str]) -> list[str]:
    names = ["stdin" if path == STDIN else Path(path).name for path in paths]
    for size in range(2, 12):
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        names = [str(Path(*Path(path).parts[-size:])) if counts[name] > 1 else name for path, name in zip(paths, names, strict=True)]
    counts = Counter(names)
    return [f"{name}#{place}" if counts[name] > 1 else name for place, name in enumerate(names, 1)]
