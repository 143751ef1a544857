"""Which file was read, and its SHA-256, taken of the bytes while they are read where it will be asked for: what is hashed later may be another file."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from analyzer.records.capture import Identity

if TYPE_CHECKING:
    import hashlib

_PIECE = 1 << 20


def identity(file: BinaryIO) -> Identity | None:
    """The open file as the system tells it; None for what is no regular file."""
    try:
        return _identity(os.fstat(file.fileno()))
    except (OSError, ValueError):  # no file of the system's
        return None


def identity_at(path: str) -> Identity | None:
    """The same of what lies there now; None where nothing does, or no regular file."""
    try:
        return _identity(Path(path).stat())
    except (OSError, ValueError):
        return None


def _identity(told: os.stat_result) -> Identity | None:
    return Identity(told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns) if stat.S_ISREG(told.st_mode) else None


def difference(before: Identity, now: Identity | None) -> str:
    """What became of a file, in words; empty when nothing did."""
    if now is None:
        return "it is not there any more"
    if (now.device, now.inode) != (before.device, before.inode):
        return "another file has taken its place"
    if now.size != before.size:
        return f"it {'grew' if now.size > before.size else 'shrank'} from {before.size:,} to {now.size:,} bytes"
    return "it was written to" if now.modified_ns != before.modified_ns else ""


def holds_what_was_read(before: Identity, now: Identity | None) -> bool:
    """The bytes that were read still lie where they lay: nothing became of the file, or something was added at its end."""
    if now is None or (now.device, now.inode) != (before.device, before.inode):
        return False
    return now.size > before.size or (now.size == before.size and now.modified_ns == before.modified_ns)


class Watch:
    """The bytes of a file, while they are read from its beginning to its end."""

    def __init__(self, raw: BinaryIO) -> None:
        self.before = identity(raw)
        self._digest: hashlib._Hash | None = None
        self._later = False
        self._ended = False

    def only_later(self) -> None:
        """No digest is taken now: a file can be hashed when somebody asks, as long as it is still the one that was read. What comes through a pipe cannot."""
        self._later = self.before is not None

    def add(self, data: memoryview | bytes) -> None:
        """The next bytes; none: the end was reached."""
        if not self._later:
            self._taken().update(data)
        self._ended = not len(data)

    def _taken(self) -> hashlib._Hash:
        if self._digest is None:
            import hashlib  # loads OpenSSL, which a plain file needs nothing else from

            self._digest = hashlib.sha256()
        return self._digest

    def sha256(self, raw: BinaryIO) -> str | None:
        """Of all bytes: those of a file that were not wanted are read now. None: there may be more of them in a pipe, they cannot be read, or it is taken
        only later."""
        if self._later:
            return None
        try:
            while self.before is not None and not self._ended:
                self.add(raw.read(_PIECE))
        except OSError:
            return None
        return self._taken().hexdigest() if self._ended else None

    def changed(self, raw: BinaryIO, path: str) -> str:
        """What became of the file since it was opened, in words; empty when nothing did."""
        if self.before is None:
            return ""
        return difference(self.before, identity(raw)) or difference(self.before, identity_at(path))


class Watched(io.RawIOBase):
    """A file that a decompressor reads, watched."""

    def __init__(self, raw: BinaryIO, watch: Watch) -> None:
        self._raw, self._watch = raw, watch

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills ``buffer`` as the file does."""
        view = memoryview(cast("bytearray", buffer))
        got = cast("io.RawIOBase", self._raw).readinto(view) or 0
        self._watch.add(view[:got])
        return got
