"""Writing one file: never over evidence, never over anything unasked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.engine.store import on_disk
from analyzer.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def refuse(path: Path, inputs: Iterable[str], *, clobber: bool) -> None:
    """`OutputError` when nothing may be written there: it is an input or a capture in a folder that is one, or it exists and ``clobber`` is not given."""
    if path.is_dir():
        msg = f"{path} is a folder; name a file"
        raise OutputError(msg)
    if not path.is_file():  # nothing there, or a device such as /dev/stdout
        return
    if any(one != "-" and _is(path, Path(on_disk(one))) for one in inputs):
        msg = f"{path} is evidence, which is never written to; name another file"
        raise OutputError(msg)
    if not clobber:
        msg = f"{path} exists; --clobber overwrites it"
        raise OutputError(msg)


def write_bytes(path: Path, pieces: Iterable[bytes], inputs: Iterable[str], *, clobber: bool) -> None:
    """Write a file; it is there when all of it is. `OutputError` as for `refuse`, or when it cannot be written."""
    refuse(path, inputs, clobber=clobber)
    special = path.exists() and not path.is_file()  # such as /dev/stdout
    made = path if special else path.with_name(f".{path.name}.writing")
    try:
        with made.open("wb") as file:
            file.writelines(pieces)
        if made != path:
            made.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise OutputError(msg) from error
    finally:
        if made != path:
            made.unlink(missing_ok=True)


def write_text(path: Path, pieces: Iterable[str], inputs: Iterable[str], *, clobber: bool) -> None:
    """Write a text as UTF-8."""
    write_bytes(path, (piece.encode("utf-8", "backslashreplace") for piece in pieces), inputs, clobber=clobber)


def _is(path: Path, other: Path) -> bool:
    """The same file, under whatever name; or a capture that lies in the folder ``other``."""
    try:
        return path.samefile(other) or (other.is_dir() and path.resolve().is_relative_to(other.resolve()) and _capture(path))
    except OSError:
        return False


def _capture(path: Path) -> bool:
    return bool({".pcap", ".pcapng", ".cap", ".etl", ".snoop", ".erf", ".zip", ".gz", ".zst", ".xz", ".bz2"} & {suffix.lower() for suffix in path.suffixes})
