"""What the user named becomes a list of files: globs and folders are opened out, folders give the captures in them, names are made unique."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from analyzer.capture.containers import NETMON_MAGICS
from analyzer.capture.open import STDIN
from analyzer.capture.pcap import PCAP_MAGICS
from analyzer.capture.pcapng import PCAPNG_MAGIC
from analyzer.errors import InputError

_MAGICS = (PCAPNG_MAGIC, *NETMON_MAGICS, b"\x1f\x8b", b"\x28\xb5\x2f\xfd", *(magic.to_bytes(4, order) for magic in PCAP_MAGICS for order in ("little", "big")))


class Input(Struct, frozen=True, gc=False):
    """A file to read, and the name that tables show (its file name, or as much of its path as makes it unique)."""

    path: str
    name: str


def expand(inputs: Sequence[str]) -> tuple[Input, ...]:
    """The files that ``inputs`` (paths, folders, glob patterns, ``-``) stand for, each once. Raises `InputError` when they stand for none."""
    paths: dict[str, None] = {}
    for given in inputs:
        for path in _paths(given):
            paths.setdefault(path)
    if not paths:
        msg = "no capture file in " + ", ".join(inputs) if inputs else "no input was given"
        raise InputError(msg)
    return tuple(Input(path, name) for path, name in zip(paths, _names(list(paths)), strict=True))


def _paths(given: str) -> list[str]:
    if given == STDIN:
        return [STDIN]
    path = Path(given)
    if path.is_dir():
        return [str(file) for file in sorted(path.rglob("*")) if file.is_file() and _is_capture(file)]
    if not path.exists() and glob.has_magic(given):
        found = sorted(glob.glob(given, recursive=True))  # noqa: PTH207  a pattern may be absolute, which Path.glob refuses
        return [inner for name in found for inner in (_paths(name) if Path(name).is_dir() else [name])]
    return [given]


def _is_capture(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(4).startswith(_MAGICS)
    except OSError:
        return False


def _names(paths: list[str]) -> list[str]:
    names = ["stdin" if path == STDIN else Path(path).name for path in paths]
    for size in range(2, 12):
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        names = [str(Path(*Path(path).parts[-size:])) if counts[name] > 1 else name for path, name in zip(paths, names, strict=True)]
    counts = Counter(names)
    return [f"{name}#{place}" if counts[name] > 1 else name for place, name in enumerate(names, 1)]
