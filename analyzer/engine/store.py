"""The case folder: one Parquet file per table, ``manifest.json`` with its SHA-256 beside it, and ``exports/`` for what people make of it.

Tables are written into a fresh folder inside and moved into place, the manifest last: a folder with a manifest is whole. Nothing of the run's time goes into a
table, so that equal input gives equal bytes; the manifest has it.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from analyzer.capture.open import on_disk
from analyzer.errors import InputError, OutputError
from analyzer.records.result import SCHEMA
from analyzer.reports.drawings import LADDERS
from analyzer.system.files import owner_only, reachable
from analyzer.tables.column import Value
from analyzer.tables.frames import frame_of
from analyzer.tables.query import read_parquet, write_parquet
from analyzer.tables.registry import TABLES, AnyTable, table_named

__all__ = ["CHECKSUM", "EXPORTS", "MANIFEST", "STORED", "differences", "manifest", "on_disk", "read", "refuse", "save", "sha256", "table_of"]

STORED: tuple[AnyTable, ...] = (*TABLES, LADDERS)
MANIFEST, CHECKSUM, EXPORTS = "manifest.json", "manifest.json.sha256", "exports"
_MANIFEST_BYTES = 64 << 20
READ = (1, SCHEMA)
"""Schemas of case folders that are read: one of the first has tables only, without some of today's."""

Cells = list[tuple[Value, ...]]


def refuse(folder: Path, inputs: Iterable[str], *, clobber: bool) -> None:
    """`OutputError` when a case must not be written there: something is there already, or it is a folder of evidence."""
    target = folder.resolve()
    for path in inputs:
        if path == "-":
            continue
        held = Path(on_disk(path))
        holder = held.resolve() if held.is_dir() else held.resolve().parent
        if target == holder or holder in target.parents:
            where = "is" if target == holder else "lies in"
            msg = f"{folder} {where} the folder of the evidence {path} ({holder}), which is never written to; name a folder elsewhere"
            raise OutputError(msg)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is no folder"
        raise OutputError(msg)
    if folder.exists() and any(folder.iterdir()):
        if not clobber:
            msg = f"{folder} exists and is not empty; --clobber overwrites a case"
            raise OutputError(msg)
        if not (folder / MANIFEST).is_file():
            msg = f"{folder} is not empty and no case folder (it has no {MANIFEST}); it is left alone"
            raise OutputError(msg)


def save(
    folder: Path,
    cells: Callable[[str], Cells],
    about: Mapping[str, object],
    inputs: Sequence[str],
    *,
    clobber: bool,
    more: Mapping[str, Callable[[], bytes]] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Writes the case. ``about`` goes into the manifest, with counters and hashes. `OutputError` as for `refuse`, or when it cannot be written.

    ``more``: files besides the tables by name, and what makes their bytes; ``progress`` is told ("case", files done, files in all).
    """
    refuse(folder, inputs, clobber=clobber)
    try:
        _write(Path(reachable(str(folder))), cells, about, more or {}, progress or (lambda _phase, _done, _total: None))
    except OSError as error:
        msg = f"cannot write the case {folder}: {error.strerror or error}"
        raise OutputError(msg) from error


def _write(
    folder: Path,
    cells: Callable[[str], Cells],
    about: Mapping[str, object],
    more: Mapping[str, Callable[[], bytes]],
    progress: Callable[[str, int, int], None],
) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner_only(folder)
    fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        counters, outputs = {}, {}
        for place, table in enumerate(STORED):
            progress("case", place, len(STORED) + len(more))
            rows = cells(table.name)
            path = fresh / f"{table.name}.parquet"
            write_parquet(frame_of(table, rows), path)
            counters[table.name] = len(rows)
            outputs[path.name] = {"size_bytes": path.stat().st_size, "sha256": sha256(path)}
        for place, (name, made) in enumerate(more.items(), len(STORED)):
            progress("case", place, len(STORED) + len(more))
            path = fresh / name
            path.write_bytes(made())
            outputs[name] = {"size_bytes": path.stat().st_size, "sha256": sha256(path)}
        text = json.dumps({**about, "counters": counters, "outputs": outputs}, indent=1, ensure_ascii=True) + "\n"
        (fresh / MANIFEST).write_text(text, encoding="ascii")
        (fresh / CHECKSUM).write_text(f"{sha256(fresh / MANIFEST)}  {MANIFEST}\n", encoding="ascii")
        _move(fresh, folder, outputs)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move(fresh: Path, folder: Path, outputs: Iterable[str]) -> None:
    """Old tables go, the manifest first: an interrupted run leaves no folder that looks whole."""
    for old in (folder / MANIFEST, folder / CHECKSUM, *folder.glob("*.parquet"), *folder.glob("*.msgpack.zst")):
        old.unlink(missing_ok=True)
    for name in (*outputs, CHECKSUM, MANIFEST):
        owner_only(fresh / name)
        (fresh / name).replace(folder / name)
    exports = folder / EXPORTS
    exports.mkdir(mode=0o700, exist_ok=True)


def is_case(path: str | os.PathLike[str]) -> bool:
    """The folder has a manifest of ours."""
    return Path(path, MANIFEST).is_file()


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a case folder. `InputError`: it is none."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MANIFEST_BYTES:
            msg = f"{path} is too large for a manifest"
            raise InputError(msg)
        made = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{folder} is not a case folder: {MANIFEST}: {error.strerror or error}"
        raise InputError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{folder} is not a case folder: {MANIFEST} is no JSON"
        raise InputError(msg) from error
    if not isinstance(made, dict) or made.get("tool") != "winrm-analyzer":
        msg = f"{folder} is not a case folder: {MANIFEST} was not written by winrm-analyzer"
        raise InputError(msg)
    if made.get("schema") not in READ:
        msg = f"{folder} has schema {made.get('schema')!r}; this version reads {' and '.join(map(str, READ))}"
        raise InputError(msg)
    return made


def stored_files(folder: Path) -> dict[AnyTable, Path]:
    """The Parquet file of each table that the folder has, the ladders last."""
    files = {table: folder / f"{table.name}.parquet" for table in STORED}
    return {table: path for table, path in files.items() if path.is_file()}


def table_of(name: str) -> AnyTable:
    """The public table of that name, or ``ladders``."""
    return LADDERS if name == LADDERS.name else table_named(name)


def read(folder: Path, name: str) -> Cells:
    """The cells of a table of the case; none of a table that an older version did not have."""
    table = table_of(name)
    path = folder / f"{table.name}.parquet"
    if not path.is_file():
        about = manifest(folder)
        if about.get("schema") != SCHEMA and path.name not in (about.get("outputs") or {}):
            return []
        msg = f"{folder} has no {path.name}"
        raise InputError(msg)
    return read_parquet(table, path)


def differences(folder: Path) -> Iterator[str]:
    """What is not as the manifest says, one line each; nothing when all is. `InputError`: no case folder."""
    about = manifest(folder)
    yield from _checksum(folder)
    outputs = about.get("outputs")
    outputs = outputs if isinstance(outputs, dict) else {}
    for name, said in outputs.items():
        path = folder / name
        if Path(name).name != name:
            yield f"{name}: no file name"
        elif not path.is_file():
            yield f"{name}: missing"
        elif sha256(path) != _said(said):
            yield f"{name}: changed since the case was written"
    extra = sorted(path.name for kind in ("*.parquet", "*.msgpack.zst") for path in folder.glob(kind) if path.name not in outputs)
    yield from (f"{name}: not part of the case" for name in extra)
    for table in STORED if about.get("schema") == SCHEMA else ():
        if f"{table.name}.parquet" not in outputs:
            yield f"{table.name}.parquet: not listed in {MANIFEST}"
    yield from _inputs(about)


def _checksum(folder: Path) -> Iterator[str]:
    path = folder / CHECKSUM
    with suppress(OSError, ValueError):
        if path.read_text(encoding="ascii").split()[:1] == [sha256(folder / MANIFEST)]:
            return
    yield f"{MANIFEST}: its SHA-256 is not the one in {CHECKSUM}"


def _inputs(about: Mapping[str, Any]) -> Iterator[str]:
    listed = about.get("inputs")
    for one in listed if isinstance(listed, list) else []:
        said, name = (_said(one), str(one.get("path"))) if isinstance(one, dict) else (None, "?")
        if said is None:  # standard input leaves nothing to hash
            continue
        places = (Path(on_disk(str(one.get("absolute")))), Path(on_disk(name)))
        path = next((found for found in places if _regular(found)), None)
        if path is None:
            yield f"input {name}: missing"
        elif sha256(path) != said:
            yield f"input {name}: changed since the case was written"


def _said(entry: object) -> str | None:
    found = entry.get("sha256") if isinstance(entry, dict) else None
    return str(found) if found else None


def _regular(path: Path) -> bool:
    """A pipe named by a hostile manifest would be waited for without end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def sha256(path: Path) -> str | None:
    """Of the file as it lies on disk (of an archive's member: the archive); None when it cannot be read."""
    try:
        with Path(on_disk(str(path))).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # a name that no file can have
        return None
