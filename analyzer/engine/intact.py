"""Whether captures are still what was read, at the end of a run and when they are hashed."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from analyzer.capture.identity import difference, identity_at
from analyzer.capture.open import is_pipe, on_disk
from analyzer.records.capture import Capture
from analyzer.records.issues import Issue
from analyzer.records.result import Result
from analyzer.system.files import sha256

CHANGED = "capture.changed"


def with_changes(result: Result) -> Result:
    """The result with an issue for each capture that changed after it was scanned, while its connections were read."""
    told = {issue.capture for issue in result.evidence.issues if issue.code == CHANGED}
    found = tuple(_changes(one for one in result.evidence.captures if one.ordinal not in told))
    return replace(result, evidence=replace(result.evidence, issues=(*result.evidence.issues, *found))) if found else result


def _changes(captures: Iterator[Capture]) -> Iterator[Issue]:
    for one in captures:
        now = difference(one.identity, identity_at(on_disk(one.path))) if one.identity is not None else ""
        if now:
            yield Issue(CHANGED, f"{now} while it was analyzed; what was read after that is left out, or may be of both versions", capture=one.ordinal)


def hash_of(capture: Capture) -> str | None:
    """The SHA-256 of what was read: that which was taken then, else that of the file, as long as it is the one that was read. None: there is none."""
    if capture.sha256 is not None or is_pipe(capture.path):
        return capture.sha256
    path = on_disk(capture.path)
    made = sha256(Path(path))
    return made if capture.identity is None or not difference(capture.identity, identity_at(path)) else None


def with_hashes(result: Result, hashes: Mapping[int, str | None]) -> Result:
    """The result with the SHA-256 of its captures, by their ordinals."""
    captures = tuple(replace(one, sha256=hashes.get(one.ordinal)) for one in result.evidence.captures)
    return replace(result, evidence=replace(result.evidence, captures=captures))


def unhashed(capture: Capture) -> str:
    """Why a file that was read has no SHA-256."""
    now = "" if capture.identity is None else difference(capture.identity, identity_at(on_disk(capture.path)))
    return f"{now} after it was analyzed" if now else "it cannot be read"
