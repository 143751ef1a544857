"""The case folder: one Parquet file per table, ``manifest.json`` with its SHA-256 beside it, and ``exports/`` for what people make of it.

Tables are written into a fresh folder inside, sent to the disk, and moved into place when all are there: the old manifest goes first, the new one comes last.
So a folder with a manifest is whole, and the old case is there until the new one is. One whose writing was interrupted in between has no manifest, but the
fresh folder: every command says so, and ``--clobber`` writes it again. Nothing of the run's time goes into a table, so that equal input gives equal bytes; the
manifest has it.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from analyzer.capture.open import is_pipe, on_disk
from analyzer.errors import InputError, OutputError
from analyzer.records.result import SCHEMA
from analyzer.reports.drawings import LADDERS
from analyzer.system import files
from analyzer.system.files import UNFINISHED, is_unfinished, is_url, owner_only, reachable
from analyzer.system.outputs import folder_to_disk, fresh_folder, make_folder, move, remove_empty, remove_folder, to_disk, write_file
from analyzer.tables.column import ByColumn, Value
from analyzer.tables.frames import frame_of, frame_of_columns
from analyzer.tables.query import join_parquet, read_parquet, write_parquet
from analyzer.tables.registry import TABLES, AnyTable, table_named

Rows: TypeAlias = "Iterable[tuple[Value, ...]] | ByColumn"
"""The cells of a table, row by row or column by column."""

__all__ = ["CHECKSUM", "EXPORTS", "MANIFEST", "STORED", "differences", "manifest", "on_disk", "read", "refuse", "save", "sha256", "table_of"]

STORED: tuple[AnyTable, ...] = (*TABLES, LADDERS)
MANIFEST, CHECKSUM, EXPORTS = "manifest.json", "manifest.json.sha256", "exports"
_MANIFEST_BYTES = 64 << 20
_FIRST_ROWS, _PIECE_ROWS, _PIECE_BYTES, _SAMPLED = 250, 4_000, 8 << 20, 64
"""Rows of a table that are held together while it is written."""
_OLD = "old"
"""The folder in the fresh one that the files of the old case are moved into."""
READ = (1, 2, 3, SCHEMA)
"""Schemas of case folders that are read: one of the first has tables only; all but the last lack some of today's."""

Cells = list[tuple[Value, ...]]


def refuse(folder: Path, inputs: Iterable[str], *, clobber: bool) -> None:
    """`OutputError` when a case must not be written there: something is there already, or it is a folder of evidence."""
    target = folder.resolve()
    for path in inputs:
        if is_pipe(path):
            continue
        held = Path(on_disk(path))
        holder = held.resolve() if held.is_dir() else held.resolve().parent
        if target == holder or holder in target.parents:
            where = "is" if target == holder else "lies in"
            msg = f"{folder} {where} the folder of the evidence {path} ({holder}), which is never written to; name a folder elsewhere"
            raise OutputError(msg)
    if folder.is_symlink() and not folder.is_dir():
        msg = f"{folder} is a symbolic link that leads to no folder"
        raise OutputError(msg)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is no folder"
        raise OutputError(msg)
    if is_interrupted(folder):
        if not clobber:
            msg = f"{interrupted(folder)}; --clobber writes it again"
            raise OutputError(msg)
    elif _holds_anything(folder):
        if not clobber:
            msg = f"{folder} exists and is not empty; --clobber overwrites a case"
            raise OutputError(msg)
        if not (folder / MANIFEST).is_file():
            msg = f"{folder} is not empty and no case folder (it has no {MANIFEST}); it is left alone"
            raise OutputError(msg)


def _holds_anything(folder: Path) -> bool:
    try:
        return folder.exists() and any(folder.iterdir())
    except OSError as error:
        msg = f"cannot write the case {folder}: {error.strerror or error}"
        raise OutputError(msg) from error


def is_interrupted(folder: Path) -> bool:
    """The folder is a case whose writing was interrupted: it has no manifest, but what is there only while a case is written."""
    return is_unfinished(folder) and not (folder / MANIFEST).is_file()


def interrupted(folder: Path) -> str:
    """That it is, in words."""
    return f"{folder} is a case whose writing was interrupted, and is not whole"


def save(
    folder: Path,
    cells: Callable[[str], Rows],
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
        _write(Path(reachable(str(folder))), cells, _with_relative(folder, about), more or {}, progress or (lambda _phase, _done, _total: None))
    except OSError as error:
        msg = f"cannot write the case {folder}: {error.strerror or error}"
        raise OutputError(msg) from error
    except OutputError as error:
        msg = f"cannot write the case {folder}: {error}"
        raise OutputError(msg) from error


def _write(
    folder: Path,
    cells: Callable[[str], Rows],
    about: Mapping[str, object],
    more: Mapping[str, Callable[[], bytes]],
    progress: Callable[[str, int, int], None],
) -> None:
    ours = not folder.exists()
    make_folder(folder)
    owner_only(folder)
    older = sorted(folder.glob(f"{UNFINISHED}*"))
    fresh = fresh_folder(folder, UNFINISHED)
    try:
        text = json.dumps({**about, **_filled(fresh, cells, more, progress)}, indent=1, ensure_ascii=True) + "\n"
        write_file(fresh / MANIFEST, [text.encode("ascii")])
        write_file(fresh / CHECKSUM, [f"{sha256(fresh / MANIFEST)}  {MANIFEST}\n".encode("ascii")])
        _move(fresh, folder)
    finally:
        if not _is_torn(folder, fresh):
            remove_folder(fresh)
            if ours:
                remove_empty(folder)
    for one in older:
        remove_folder(one)
    with suppress(OutputError):  # the case is whole without it
        make_folder(folder / EXPORTS)


def _filled(
    fresh: Path,
    cells: Callable[[str], Rows],
    more: Mapping[str, Callable[[], bytes]],
    progress: Callable[[str, int, int], None],
) -> dict[str, object]:
    """All but the manifest is written; what the manifest says of it."""
    counters: dict[str, int] = {}
    outputs: dict[str, dict[str, object]] = {}
    for place, table in enumerate(STORED):
        progress("case", place, len(STORED) + len(more))
        path = fresh / f"{table.name}.parquet"
        counters[table.name] = _write_rows(table, cells(table.name), path)
        to_disk(path)
        outputs[path.name] = _described(path)
    for place, (name, made) in enumerate(more.items(), len(STORED)):
        progress("case", place, len(STORED) + len(more))
        path = fresh / name
        write_file(path, [made()])
        outputs[name] = _described(path)
    return {"counters": counters, "outputs": outputs}


def _write_rows(table: AnyTable, rows: Rows, path: Path) -> int:
    """The rows as a Parquet file; how many there are. Those of no list are written piece by piece, which takes the memory of one piece only."""
    if isinstance(rows, ByColumn):
        write_parquet(frame_of_columns(table, rows), path)
        return len(rows.cells[0])
    if isinstance(rows, list):
        write_parquet(frame_of(table, rows), path)
        return len(rows)
    left, count, row_bytes = iter(rows), 0, 0
    folder = path.with_suffix(".pieces")
    make_folder(folder)
    pieces: list[Path] = []
    most = _FIRST_ROWS
    while (piece := list(islice(left, most))) or not pieces:
        pieces.append(folder / f"{len(pieces)}.parquet")
        write_parquet(frame_of(table, piece), pieces[-1])
        count += len(piece)
        row_bytes = max(row_bytes, _row_bytes(piece))
        most = max(min(_PIECE_ROWS, _PIECE_BYTES // max(row_bytes, 1)), _FIRST_ROWS)
    join_parquet(pieces, path, row_bytes)
    remove_folder(folder)
    return count


def _row_bytes(rows: Sequence[tuple[Value, ...]]) -> int:
    """About how large one of these rows is: the texts of some of them."""
    some = rows[:: max(len(rows) // _SAMPLED, 1)]
    return sum(len(cell) for row in some for cell in row if isinstance(cell, str)) // max(len(some), 1)


def _described(path: Path) -> dict[str, object]:
    return {"size_bytes": path.stat().st_size, "sha256": sha256(path)}


def _of_a_case(folder: Path) -> list[Path]:
    """The files of a case, its manifest first."""
    named = [folder / MANIFEST, folder / CHECKSUM, *sorted(folder.glob("*.parquet")), *sorted(folder.glob("*.msgpack.zst"))]
    return [path for path in named if path.is_file()]


def _move(fresh: Path, folder: Path) -> None:
    """The old files go into the fresh folder, the manifest first; the new ones take their places, the manifest last. An error puts the old ones back."""
    old = fresh / _OLD
    make_folder(old)
    steps = [*((path, old / path.name) for path in _of_a_case(folder)), *((path, folder / path.name) for path in reversed(_of_a_case(fresh)))]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in steps:
            if source == fresh / MANIFEST:
                folder_to_disk(folder)
            move(source, target)
            done.append((source, target))
        folder_to_disk(folder)
    finally:
        if len(done) < len(steps):
            for source, target in reversed(done):
                move(target, source)


def _is_torn(folder: Path, fresh: Path) -> bool:
    """Neither the new case nor the old one is whole: what is left of both has to stay."""
    return not (folder / MANIFEST).is_file() and (bool(_of_a_case(folder)) or bool(_of_a_case(fresh / _OLD)))


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a case folder. `InputError`: it is none."""
    path = folder / MANIFEST
    if is_interrupted(folder):
        msg = f"{interrupted(folder)}; analyze its captures again with -o {folder} --clobber"
        raise InputError(msg)
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
    """What is not as the manifest says, one line each: the folder's files, and its inputs; nothing when all is. `InputError`: no case folder."""
    about = manifest(folder)
    yield from changes(folder, about)
    yield from _inputs(folder, about)


def changes(folder: Path, about: Mapping[str, Any]) -> Iterator[str]:
    """The same of the folder's own files: what was changed, removed or added after the case was written."""
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


def _checksum(folder: Path) -> Iterator[str]:
    path = folder / CHECKSUM
    with suppress(OSError, ValueError):
        if path.read_text(encoding="ascii").split()[:1] == [sha256(folder / MANIFEST)]:
            return
    yield f"{MANIFEST}: its SHA-256 is not the one in {CHECKSUM}"


def input_place(folder: Path, one: Mapping[str, Any]) -> str | None:
    """Where an input of the manifest lies now, None where it is not found: where it was, where its name leads from here, or as far from the case folder as it
    was when that was written (a case and its captures that were moved together). Of several the first of its size.
    """
    relative = one.get("relative")
    names = (one.get("absolute"), one.get("path"), os.path.normpath(folder.absolute() / relative) if isinstance(relative, str) else None)
    found = [(name, size) for name in names if isinstance(name, str) and (size := _size(Path(on_disk(name)))) is not None]
    return next((name for name, size in found if size == one.get("size_bytes")), found[0][0] if found else None)


def _with_relative(folder: Path, about: Mapping[str, object]) -> dict[str, object]:
    """With the place of each input as seen from the case folder, where the manifest says where it lies at all."""
    inputs = about.get("inputs")
    if not isinstance(inputs, list):
        return dict(about)
    return {**about, "inputs": [{**one, "relative": _relative(folder, one.get("absolute"))} for one in inputs]}


def _relative(folder: Path, absolute: object) -> str | None:
    if not isinstance(absolute, str) or is_url(absolute):
        return None
    try:
        return Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        return None


def _inputs(folder: Path, about: Mapping[str, Any]) -> Iterator[str]:
    listed = about.get("inputs")
    for one in listed if isinstance(listed, list) else []:
        said, name = (_said(one), str(one.get("path"))) if isinstance(one, dict) else (None, "?")
        if isinstance(one, dict) and one.get("changed"):
            yield f"input {name}: changed while it was read ({one['changed']})"
        elif isinstance(one, dict) and one.get("no_sha256"):
            yield f"input {name}: has no SHA-256, so nothing tells whether it is what was read ({one['no_sha256']})"
        if said is None or is_url(name) or (isinstance(one, dict) and one.get("pipe")):  # a pipe leaves nothing to hash; a case reaches for no store
            continue
        place = input_place(folder, one)
        if place is None:
            yield f"input {name}: missing"
        elif sha256(Path(on_disk(place))) != said:
            yield f"input {name}: changed since the case was written"


def _said(entry: object) -> str | None:
    found = entry.get("sha256") if isinstance(entry, dict) else None
    return str(found) if found else None


def _size(path: Path) -> int | None:
    """The size of a regular file. A pipe named by a hostile manifest would be waited for without end."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # not there, or a name that no file can have
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def sha256(path: Path) -> str | None:
    """Of the file as it lies on disk (of an archive's member: the archive); None when it cannot be read."""
    return files.sha256(Path(on_disk(str(path))))
