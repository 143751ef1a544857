"""The captures of a case read once more: with other keys, or for what the folder does not hold. They are not scanned again where the case has the scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.case import contents
from analyzer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.case.analyzed import Case
    from analyzer.engine.places import Scanned
    from analyzer.records.evidence import Evidence
    from analyzer.records.result import Result


class Origin(NamedTuple):
    """Where the captures of a case lie now, and what of the case a reading may go on from. ``placed``: the scan, None where they have to be scanned again."""

    paths: tuple[str, ...]
    placed: Sequence[Scanned] | None
    before: Evidence | None = None


def origin(folder: Path, manifest: Mapping[str, Any]) -> Origin:
    """`InputError`: a capture is not there any more, or it is not what it was."""
    from analyzer.engine.places import placed

    there = located(folder, manifest)
    scan = placed(folder / contents.PLACES, there) if contents.PLACES in (manifest.get("keeps") or ()) else None
    if scan is None:
        checked(folder, manifest)
    return Origin(tuple(there.values()), scan)


def located(folder: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Where each capture lies now, by the path that it had. `InputError`: one is not there any more."""
    from analyzer.engine.store import input_place

    found = {str(one.get("path")): input_place(folder, one) for one in _inputs(manifest)}
    missing = [path for path, place in found.items() if place is None]
    if missing:
        msg = f"{missing[0]} is not there any more" if missing[0] != "-" else "standard input cannot be read again"
        raise InputError(msg)
    return {path: place for path, place in found.items() if place is not None}


def relocated(result: Result, folder: Path, manifest: Mapping[str, Any]) -> Result:
    """The result with its captures where they lie now, as far as they do."""
    from msgspec.structs import replace

    from analyzer.engine.store import input_place

    found = {str(one.get("path")): place for one in _inputs(manifest) if (place := input_place(folder, one)) is not None}
    hashes = {str(one.get("path")): str(one["sha256"]) for one in _inputs(manifest) if isinstance(one.get("sha256"), str)}
    captures = tuple(replace(one, path=found.get(one.path, one.path), sha256=hashes.get(one.path)) for one in result.evidence.captures)
    return replace(result, evidence=replace(result.evidence, captures=captures))


def checked(folder: Path, manifest: Mapping[str, Any]) -> None:
    """`InputError`: a capture is not there any more, or its SHA-256 is another one."""
    from analyzer.engine.store import sha256

    there = located(folder, manifest)
    for one in _inputs(manifest):
        path = there[str(one.get("path"))]
        if one.get("sha256") is not None and sha256(Path(path)) != one["sha256"]:
            msg = f"{path} was changed since the case was written"
            raise InputError(msg)


def _inputs(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = manifest.get("inputs")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def from_captures(folder: Path, manifest: Mapping[str, Any]) -> Case:
    """The case made of the captures again, without any key."""
    from analyzer.case.analyzed import Case
    from analyzer.engine.local import run
    from analyzer.settings import Limits, Scope

    found = origin(folder, manifest)
    made = run(found.paths, Limits(), Scope(), placed=found.placed or ())
    return Case(made.result, made.sources.fetch, {}, None, made.texts)
