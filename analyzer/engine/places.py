"""What the scan of captures gave, kept in a case folder: with it captures are read again for other secrets without being scanned again.

It holds where bytes lie, none of them. So it is of use only for captures whose bytes lie in the file as they are, and that are still what they were.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from analyzer.capture.identity import identity_at
from analyzer.capture.open import is_pipe
from analyzer.capture.scan import Scanned
from analyzer.engine.keeping import Placed, Places, compressed, read
from analyzer.errors import InputError
from analyzer.records.capture import Capture

__all__ = ["Scanned", "modified", "placed", "places"]


def places(scanned: Sequence[Scanned]) -> bytes | None:
    """The scan as a file holds it. None: bytes lie elsewhere (compressed captures, pipes, decoded tunnels), or are messages of Kerberos over UDP."""
    spooled = any(source & 1 for one in scanned for flow in one.flows for source in flow.segments.source)
    if spooled or any(one.kdc or is_pipe(one.capture.path) for one in scanned):
        return None
    made = [Placed(one.capture, one.flows, one.issues, one.icmp, modified(one.capture.path)) for one in scanned]
    return compressed(Places(tuple(made)))


def placed(path: Path, found: Mapping[str, str]) -> list[Scanned] | None:
    """The scan out of a file; ``found``: where each capture lies now, by the path that it had. None: one of them is not what it was, or not there."""
    try:
        stored = read(path, Places)
    except InputError:
        return None
    captures = [_where(one.capture, found) for one in stored.captures]
    if any(not _as_it_was(capture, one.modified_ns) for capture, one in zip(captures, stored.captures, strict=True)):
        return None
    return [Scanned(capture, one.flows, one.issues, None, (), one.icmp) for capture, one in zip(captures, stored.captures, strict=True)]


def modified(path: str) -> int | None:
    """When the file was changed last, in nanoseconds since 1970."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


def _where(capture: Capture, found: Mapping[str, str]) -> Capture:
    path = found.get(capture.path, capture.path)
    return replace(capture, path=path, identity=identity_at(path))


def _as_it_was(capture: Capture, modified_ns: int | None) -> bool:
    """By its size and time: a hash of it would take as long as another scan."""
    try:
        told = Path(capture.path).stat()
    except OSError:
        return False
    return told.st_mtime_ns == modified_ns and told.st_size == capture.size
