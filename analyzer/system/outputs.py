"""The one way to write: every file and folder that this program makes is made here.

A file is made under a random name in the folder where it will lie: created, not opened (``O_CREAT | O_EXCL | O_NOFOLLOW``), for its owner alone (0600),
written, sent to the disk, and only then given its name. What lay under that name is there until that moment. When anything goes wrong the temporary file is
removed, and `OutputError` says what could not be written. Links are never followed, and devices, pipes and sockets are no place for a file.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from analyzer.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WRITING = ".winrm-analyzer-writing-"
"""Names of temporary files and folders begin with it. Where a run was killed one may be left, and can be deleted."""
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700
_SPECIAL = (
    (stat.S_ISLNK, "a symbolic link, which is not followed"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def refuse(path: Path, *, replace: bool) -> None:
    """`OutputError` when no file may be written there: it is no regular file, or it is there and ``replace`` is not given."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(path, error) from error
    special = next((what for is_it, what in _SPECIAL if is_it(mode)), "")
    if special:
        msg = f"{path} is {special}; name a file"
        raise OutputError(msg)
    if not replace:
        msg = f"{path} exists; --clobber overwrites it"
        raise OutputError(msg)


def write_file(path: Path, pieces: Iterable[bytes], *, replace: bool = False, shared: bool = False) -> None:
    """A file of these bytes; it is there when all of it is. `OutputError` as for `new_file`."""
    with new_file(path, replace=replace, shared=shared) as file:
        file.writelines(pieces)


def write_files(folder: Path, files: Mapping[str, Iterable[bytes]], *, replace: bool = False, shared: bool = False) -> None:
    """Files in a folder, which is there when all of them are; in one that was there before they come one by one. `OutputError` as for `new_file`."""
    if os.path.lexists(folder):
        for name, pieces in files.items():
            write_file(folder / name, pieces, replace=replace, shared=shared)
        return
    make_folder(folder.parent, shared=shared)
    made = folder.with_name(f"{WRITING}{secrets.token_hex(8)}")
    try:
        os.mkdir(made, 0o777 if shared else _PRIVATE_FOLDER)  # noqa: PTH102  as below
        for name, pieces in files.items():
            write_file(made / name, pieces, shared=shared)
        os.rename(made, folder)  # noqa: PTH104  as below
        folder_to_disk(folder.parent)
    except OSError as error:
        raise _failed(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def new_file(path: Path, *, replace: bool = False, shared: bool = False, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write into; it has its name when all of it is written. ``shared``: it holds no evidence, and others may read it as the system's mask has it.
    Not ``lasting``: it is gone with this run, and nobody waits until it is on the disk.

    `OutputError`: it cannot be written, or `refuse` forbids it.
    """
    refuse(path, replace=replace)
    made = path.with_name(f"{WRITING}{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(made, _FLAGS | os.O_EXCL, 0o666 if shared else _PRIVATE), "wb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        _named(made, path, replace=replace, lasting=lasting)
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        with suppress(OSError):
            os.unlink(made)  # noqa: PTH108  one way for all of it, so that a test can count the calls


@contextmanager
def made_elsewhere(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """The path of a file that a library is to write, in a new folder that only the owner may enter; the file is then moved to ``path``.

    `OutputError` as for `new_file`.
    """
    refuse(path, replace=replace)
    folder = path.with_name(f"{WRITING}{secrets.token_hex(8)}")
    try:
        os.mkdir(folder, _PRIVATE_FOLDER)  # noqa: PTH102  as above
        made = folder / "made"
        yield made
        to_disk(made)
        _named(made, path, replace=replace)
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _named(made: Path, path: Path, *, replace: bool, lasting: bool = True) -> None:
    """The file gets its name. Unless ``replace``, never one that something got in the meantime."""
    if replace:
        refuse(path, replace=True)
        os.replace(made, path)  # noqa: PTH105  as above
    else:
        try:
            os.link(made, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            refuse(path, replace=False)
            os.rename(made, path)  # noqa: PTH104  as above
    if lasting:
        folder_to_disk(path.parent)


def to_disk(path: Path) -> None:
    """A file that a library wrote: for its owner alone, and on the disk when this returns."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, _PRIVATE)
        else:
            os.chmod(path, _PRIVATE)  # noqa: PTH101  as above; Windows, where it says no more than that it may be written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_to_disk(path: Path) -> None:
    """The names in a folder are on the disk when this returns, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):  # some file systems refuse it: what they were told is all that can be done
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: Path, *, shared: bool = False) -> None:
    """A folder, with those above it; nothing when it is there. `OutputError`: it cannot be made, or something else is there."""
    try:
        path.mkdir(mode=0o777 if shared else _PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the folder {path}: {error.strerror or error}"
        raise OutputError(msg) from error


def fresh_folder(parent: Path, prefix: str = WRITING) -> Path:
    """A new folder in ``parent`` under a random name, for the owner alone."""
    made = parent / f"{prefix}{secrets.token_hex(8)}"
    os.mkdir(made, _PRIVATE_FOLDER)  # noqa: PTH102  as above
    return made


def move(source: Path, target: Path) -> None:
    """A file of ours to another place of the same file system, over what lies there."""
    os.replace(source, target)  # noqa: PTH105  as above


def remove_empty(path: Path) -> None:
    """A folder that nothing is in; one that something is in stays."""
    with suppress(OSError):
        path.rmdir()


def remove_folder(path: Path) -> None:
    """A temporary folder and all that is in it; what cannot be removed stays."""
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of the system's temporary ones, for the owner alone, that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="winrm-analyzer-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def spool() -> BinaryIO:
    """A temporary file without a name: it is gone when it is closed, or the process ends."""
    return cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))


def added_to(path: Path, first: str) -> TextIO:
    """A text file that is added to, made with the line ``first`` when it is not there or empty. `OutputError`: it begins otherwise, or cannot be written."""
    refuse(path, replace=True)
    try:
        descriptor = os.open(path, _FLAGS & ~os.O_WRONLY | os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0), _PRIVATE)
    except OSError as error:
        msg = f"cannot write the log {path}: {error.strerror or error}"
        raise OutputError(msg) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        msg = f"{path} is no regular file; name a file"
        raise OutputError(msg)
    begins = os.read(descriptor, len(first.encode()))
    if begins not in (b"", first.encode()):
        os.close(descriptor)
        msg = f"{path} exists and is no log of winrm-analyzer; name another file"
        raise OutputError(msg)
    file = os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")
    if not begins:
        file.write(first)
    return file


def _failed(path: Path, error: OSError) -> OutputError:
    if isinstance(error, FileExistsError):
        return OutputError(f"{path} exists; --clobber overwrites it")
    return OutputError(f"cannot write {path}: {error.strerror or error}")
