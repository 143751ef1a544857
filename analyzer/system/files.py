"""Files: reading at an offset, files for the owner alone, names that are too long for Windows."""

import io
import os
from pathlib import Path
from typing import BinaryIO

_LONG = 240
"""Characters of a path from which on Windows needs it written in another way: 260 less a file's name."""

UNFINISHED = ".winrm-analyzer-case-"
"""Begins the name of the folder that lies in a case folder while the case is written, and stays there when that is interrupted."""


def is_unfinished(folder: str | os.PathLike[str]) -> bool:
    """Such a folder lies in ``folder``."""
    try:
        with os.scandir(folder) as found:
            return any(one.name.startswith(UNFINISHED) and one.is_dir(follow_symlinks=False) for one in found)
    except (OSError, ValueError):  # no folder, or a name that none can have
        return False


def is_url(place: str) -> bool:
    """It is no path, but names an object of a store (`analyzer.system.objects`)."""
    return "://" in place


def read_at(file: BinaryIO, size: int, at: int) -> bytes:
    """Up to ``size`` bytes from offset ``at`` on; fewer at the end of the file. The position of ``file`` may change."""
    if hasattr(os, "pread"):
        try:
            return os.pread(file.fileno(), size, at)
        except io.UnsupportedOperation:  # an object of a store
            pass
    file.seek(at)
    return file.read(size)


def sha256(path: Path) -> str | None:
    """Of a regular file; None when it cannot be read. A pipe would be waited for without end."""
    try:
        if not path.is_file():
            return None
        import hashlib  # loads OpenSSL

        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # a name that no file can have
        return None


def owner_only(path: Path) -> None:
    """Nobody else may read the file or folder. Windows has no such bits: there it has the rights of its folder, which are the user's own in a profile."""
    path.chmod(0o700 if path.is_dir() else 0o600)


def reachable(path: str, *, windows: bool = os.name == "nt") -> str:
    r"""The path, on Windows with ``\\?\`` before a long one: without it a program reaches 260 characters only, unless the system is set up otherwise."""
    if not windows or len(path) < _LONG or path.startswith("\\\\?\\") or path == "-":
        return path
    import ntpath

    whole = ntpath.abspath(path)
    return f"\\\\?\\UNC\\{whole[2:]}" if whole.startswith("\\\\") else f"\\\\?\\{whole}"
