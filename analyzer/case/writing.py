"""Writing one file: never over evidence, never over anything unasked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.engine.store import on_disk
from analyzer.errors import OutputError
from analyzer.system import outputs

if TYPE_CHECKING:
    from collections.abc import Iterable


def refuse(path: Path, inputs: Iterable[str], *, clobber: bool) -> None:
    """`OutputError` when nothing may be written there: it is no regular file, an input, a capture in a folder that is one, or is there without ``clobber``."""
    if path.is_file() and any(one != "-" and _is(path, Path(on_disk(one))) for one in inputs):
        msg = f"{path} is evidence, which is never written to; name another file"
        raise OutputError(msg)
    outputs.refuse(path, replace=clobber)


def write_bytes(path: Path, pieces: Iterable[bytes], inputs: Iterable[str], *, clobber: bool, shared: bool = False) -> None:
    """Write a file; it is there when all of it is. ``shared``: it holds no evidence. `OutputError` as for `refuse`, or when it cannot be written."""
    refuse(path, inputs, clobber=clobber)
    outputs.write_file(path, pieces, replace=clobber, shared=shared)


def write_text(path: Path, pieces: Iterable[str], inputs: Iterable[str], *, clobber: bool, shared: bool = False) -> None:
    """Write a text as UTF-8."""
    write_bytes(path, (piece.encode("utf-8", "backslashreplace") for piece in pieces), inputs, clobber=clobber, shared=shared)


def _is(path: Path, other: Path) -> bool:
    """The same file, under whatever name; or a capture that lies in the folder ``other``."""
    try:
        return path.samefile(other) or (other.is_dir() and path.resolve().is_relative_to(other.resolve()) and _capture(path))
    except OSError:
        return False


def _capture(path: Path) -> bool:
    return bool({".pcap", ".pcapng", ".cap", ".etl", ".snoop", ".erf", ".zip", ".gz", ".zst", ".xz", ".bz2"} & {suffix.lower() for suffix in path.suffixes})
