"""What a case folder holds besides its tables: the records, and what of texts and files was asked for. Each is a file of its own, listed in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from analyzer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from analyzer.engine.keeping import Clean
    from analyzer.records.files import MovedFile
    from analyzer.records.hashes import HashLine
    from analyzer.records.result import Result

Part: TypeAlias = Literal["files", "hashes", "texts"]
PARTS: tuple[Part, ...] = ("files", "hashes", "texts")
"""What is kept only when it is asked for: files that were moved, responses of logons for hashcat, the bodies that could be read."""
RECORDS, PLACES, SUMMARY = "records.msgpack.zst", "places.msgpack.zst", "summary.msgpack.zst"
"""The records; where packets lie; of a case whose connections were looked at in groups, the records of what is small."""


def named(part: Part) -> str:
    """The file of a part."""
    return f"{part}.msgpack.zst"


def parts(asked: Collection[str]) -> tuple[Part, ...]:
    """The parts of these names; ``all``: every one. `UsageError`: there is none of that name."""
    wrong = [one for one in asked if one not in (*PARTS, "all")]
    if wrong:
        msg = f"a case can keep {', '.join(PARTS)} or all, not {wrong[0]!r}"
        raise UsageError(msg)
    return tuple(one for one in PARTS if one in asked or "all" in asked)


def records(result: Result, clean: Clean | None, *, whole: bool) -> bytes:
    """The records as a file holds them."""
    from analyzer.engine.keeping import compressed, kept

    return compressed(kept(result, whole=whole), clean)


def texts(bodies: Iterable[tuple[str, str]], clean: Callable[[str], str]) -> bytes:
    """Bodies that could be read."""
    from analyzer.engine.keeping import Texts, compressed

    return compressed(Texts(tuple((name, clean(text)) for name, text in bodies)))


def hashes(lines: tuple[HashLine, ...]) -> bytes:
    """Lines for hashcat."""
    from analyzer.engine.keeping import Lines, compressed

    return compressed(Lines(lines))


def files(found: Iterable[MovedFile]) -> bytes:
    """The bytes of the files."""
    from analyzer.engine.keeping import Files, compressed

    return compressed(Files(tuple(one.data for one in found)))


def stored_records(folder: Path, name: str = RECORDS) -> Result:
    """The result out of the folder. `InputError`: the records cannot be read."""
    from analyzer.engine.keeping import Kept, read, restored

    return restored(read(folder / name, Kept))


def stored_texts(folder: Path) -> tuple[tuple[str, str], ...]:
    """The bodies out of the folder."""
    from analyzer.engine.keeping import Texts, read

    return read(folder / named("texts"), Texts).bodies


def stored_hashes(folder: Path) -> tuple[HashLine, ...]:
    """The lines out of the folder."""
    from analyzer.engine.keeping import Lines, read

    return read(folder / named("hashes"), Lines).lines


def stored_files(folder: Path, found: Iterable[MovedFile]) -> tuple[MovedFile, ...]:
    """The files with the bytes that the folder has."""
    from msgspec.structs import replace

    from analyzer.engine.keeping import Files, read

    return tuple(replace(one, data=data) for one, data in zip(found, read(folder / named("files"), Files).data, strict=True))
