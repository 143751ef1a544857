"""One capture file in, its description and its candidate flows out.

The file is read once; when a rejected flow later turns out to be WinRM (its first packets told nothing, or the capture began in the middle of a body) it is
read a second time with that flow kept. Payload of compressed inputs, pipes and the slow path is spooled to a temporary file that lives as long as the result.
"""

import ipaddress
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from analyzer.capture.containers import Walk, rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.links import link
from analyzer.capture.open import STDIN, Opened, opened, pieces, zstd_errors
from analyzer.capture.slow import SlowPath
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow
from analyzer.records.issues import Issue
from analyzer.settings import Limits, Scope

Progress = Callable[[str, int, int], None]


class Scanned(NamedTuple):
    """What one input gave. ``spool`` holds the payload that does not lie in the file as it is (None when all of it does)."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    spool: BinaryIO | None
    kdc: tuple[tuple[int, bytes], ...] = ()
    """Kerberos messages over UDP, with their times."""


class _Spool:
    """A temporary file for payload, opened with the first byte; nothing of it outlives the process."""

    def __init__(self, limit: int) -> None:
        self.file: BinaryIO | None = None
        self.size = 0
        self.limit = limit
        self.full = False

    def __call__(self, payload: bytes) -> int:
        if self.file is None:
            self.file = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))  # noqa: SIM115  owned by the result
        at = self.size
        if at + len(payload) > self.limit:
            self.full = True
            return -1
        self.file.write(payload)
        self.size += len(payload)
        return at


def scan(path: str, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None = None) -> Scanned:
    """Reads one input. Raises `InputError` only when it cannot be opened at all; everything else about it is an issue."""
    found = _pass(path, ordinal, name, limits, scope, progress, frozenset())
    if isinstance(found, Scanned):
        return found
    again = _pass(path, ordinal, name, limits, scope, progress, found)
    if isinstance(again, Scanned):
        return again
    msg = f"{path}: the file changed while it was read"
    raise InputError(msg)


def _pass(path: str, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None, force: frozenset[int]) -> Scanned | frozenset[int]:
    """One reading. Gives the indexes of flows that must be kept in a second reading, if any; never in a second one, nor for a pipe."""
    source = opened(path)
    walk, slow, spool = Walk(), SlowPath(limits), _Spool(limits.spool_bytes)
    kernel = Kernel(ordinal, limits, slow, spool, in_place=source.seekable, all_http=scope.all_http, force=force)
    links: Counter[int] = Counter()
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in pieces(source.stream, limits.read_size_bytes):
            size += len(piece)
            if progress is not None:
                progress(name, source.raw.tell() if source.size else size, source.size)
            yield piece

    damage: tuple[str, str, int | None] | None = None
    try:
        for row in rows(counted(), limits, walk):
            links[row.link] += 1
            kernel.packet(*row)
    except zstd_errors() as error:
        damage = ("capture.decompression", f"{source.compression}: {error}", walk.packets or None)
    except OSError as error:
        damage = ("capture.unreadable", f"reading stopped after {size} bytes: {error.strerror or error}", walk.packets or None)
    finally:
        if source.raw is not source.stream:
            source.stream.close()
        if path != STDIN:
            source.raw.close()
    slow.finish()
    if kernel.late and not force and path != STDIN and damage is None:
        return frozenset(kernel.late)
    flows = kernel.flows(_host)
    capture = replace(_capture(path, ordinal, name, source, size, walk, kernel), link_types=tuple(link(one).name for one in sorted(links)), flows=len(flows))
    problems = [*walk.problems, *slow.problems, *_notes(walk, kernel, spool, size, force), *([damage] if damage else [])]
    return Scanned(capture, flows, tuple(_issues(problems, ordinal, limits)), spool.file, tuple(kernel.datagrams))


def _host(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def _capture(path: str, ordinal: int, name: str, source: Opened, size: int, walk: Walk, kernel: Kernel) -> Capture:
    return Capture(
        ordinal=ordinal,
        path=path if path == STDIN else str(Path(path)),
        name=name,
        format=walk.format + (f"+{source.compression}" if source.compression else "") if walk.format else "unknown",
        size=source.size or size,
        packets=walk.packets,
        tcp_packets=kernel.tcp_packets,
        first_ns=kernel.first_ns,
        last_ns=kernel.last_ns,
        snaplen=walk.snaplen,
        secrets=tuple(walk.secrets),
        comments=tuple(walk.comments),
    )


def _notes(walk: Walk, kernel: Kernel, spool: _Spool, size: int, force: frozenset[int]) -> list[tuple[str, str, int | None]]:
    """What the counters say about the file as a whole."""
    notes: list[tuple[str, str, int | None]] = []
    if not walk.format:
        notes.append(("capture.unreadable", "the file is empty" if not size else "neither pcap nor pcapng", None))
    for number, count in sorted(kernel.unknown_links.items()):
        notes.append(("capture.unknown-link", f"{count} packets of link type {number} ({link(number).name})", None))
    if kernel.snapped:
        notes.append(("capture.snapped", f"{kernel.snapped} TCP packets are cut (snap length {walk.snaplen})", None))
    if kernel.undecodable:
        notes.append(("capture.undecodable-packet", f"{kernel.undecodable} packets", None))
    if kernel.backwards:
        notes.append(("capture.time-backwards", f"{kernel.backwards} packets are earlier than one before them", None))
    if spool.full:
        notes.append(("capture.limit", f"spool_bytes={spool.limit}: later payload was not kept", None))
    if kernel.late - force:
        notes.append(("capture.limit", f"{len(kernel.late - force)} connections show WinRM only late and could not be read again", None))
    return notes


def _issues(problems: list[tuple[str, str, int | None]], ordinal: int, limits: Limits) -> Iterator[Issue]:
    """At most ``issues_per_kind`` of a kind; the last one counts the rest."""
    counts = Counter(code for code, _, _ in problems)
    given: Counter[str] = Counter()
    for code, detail, packet in problems:
        given[code] += 1
        if given[code] < limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet)
        elif given[code] == limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet, repeats=counts[code] - given[code] + 1)
