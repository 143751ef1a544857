"""Files of host logs as they lie on a disk: plain, gzip, or in a ZIP archive, as data sets and collections come."""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from analyzer.settings import Limits

LOGS = (".evtx", ".json", ".jsonl", ".ndjson", ".log")
EVTX = b"ElfFile\x00"
_LINE = 8 << 20
"""Bytes of one line."""
_DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, IndexError, struct.error)
"""What reading an archive raises: damage, a method of compression that Python lacks, a password."""


class Line(NamedTuple):
    """A line of a log and the file that it is from; or, in place of a line, what cannot be read."""

    file: str
    raw: bytes | None
    problem: str = ""


def files(paths: Iterable[str]) -> list[Path]:
    """The files, and those of folders that have the name of a log, each once."""
    found: list[Path] = []
    for one in map(Path, paths):
        found += sorted(path for path in one.rglob("*") if _is_log(path.name) and path.is_file()) if one.is_dir() else [one]
    return list(dict.fromkeys(found))


def _is_log(name: str) -> bool:
    return name.lower().endswith((*LOGS, *(f"{log}.gz" for log in LOGS), ".zip"))


def is_event_log(path: Path) -> bool:
    """An EVTX file, by its first bytes. `OSError`: it cannot be opened."""
    with path.open("rb") as file:
        return file.read(len(EVTX)) == EVTX


def lines(path: Path, limits: Limits) -> Iterator[Line]:
    """The lines of a text file, of one in gzip, or of all logs in a ZIP archive. `OSError`: it cannot be opened."""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        most = limits.packed_bytes + limits.packed_ratio * path.stat().st_size
        try:
            if head == b"PK\x03\x04":
                yield from _archived(path.name, zipfile.ZipFile(file), most, limits)
            elif head[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=file) as plain:
                    yield from _lines(path.name, cast("IO[bytes]", plain), [most])
            else:
                yield from _lines(path.name, file, None)
        except _DAMAGE as error:
            yield Line(path.name, None, f"damaged ({error})")


def _is_folder(one: zipfile.ZipInfo) -> bool:
    """A folder, or a member without a name: zipfile's own question fails on one."""
    return not one.filename or one.filename.endswith("/")


def _archived(name: str, archive: zipfile.ZipFile, most: int, limits: Limits) -> Iterator[Line]:
    room = [most]
    members = [one for one in archive.infolist() if not _is_folder(one) and one.filename.lower().endswith(LOGS)]
    if not members:
        yield Line(name, None, f"an archive without a log ({', '.join(LOGS)})")
    for one in members[: limits.archive_members]:
        inside = f"{name}/{one.filename}"
        try:
            with archive.open(one) as plain:
                if one.filename.lower().endswith(".evtx"):
                    yield Line(inside, None, "an event log (EVTX) in an archive: unpack it, and give the file")
                else:
                    yield from _lines(inside, plain, room)
        except _DAMAGE as error:
            yield Line(inside, None, f"damaged ({error})")
    if len(members) > limits.archive_members:
        yield Line(name, None, f"archive_members={limits.archive_members}: {len(members) - limits.archive_members} later logs were not read")


def _lines(name: str, file: IO[bytes], room: list[int] | None) -> Iterator[Line]:
    """``room``: bytes that what is packed may still become."""
    while line := file.readline(_LINE):
        whole = line.endswith(b"\n") or len(line) < _LINE
        if whole and line.strip():
            yield Line(name, line)
        elif not whole:
            yield Line(name, None, f"a line is longer than {_LINE} bytes")
        size = len(line)
        while not whole and line and not line.endswith(b"\n") and (room is None or size <= room[0]):
            line = file.readline(_LINE)
            size += len(line)
        if room is not None:
            room[0] -= size
            if room[0] < 0:
                yield Line(name, None, "packed_bytes, packed_ratio: it becomes too large; the rest was not read")
                return
