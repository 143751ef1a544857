"""One capture file in, its description and its candidate flows out.

The file is read once; when a rejected flow later turns out to be WinRM (its first packets told nothing, or the capture began in the middle of a body) it is
read a second time with that flow kept. Payload of compressed inputs, pipes and the slow path is spooled to a temporary file that lives as long as the result.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen, description
from analyzer.capture.links import link
from analyzer.capture.open import STDIN, Opened, UnpackError, opened
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import Walk
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.ids import key_number
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.settings import Limits, Scope

Progress = Callable[[str, int, int], None]
Problem = tuple[str, str, int | None]
"""(issue code, detail, packet number)."""
_WINRM_PORTS = (5985, 5986, 47001)
_BEFORE = 3
"""TLS connections before one of WinRM's that may be its other side."""
_UNREAD = ("capture.decompression", "capture.unreadable")


class Scanned(NamedTuple):
    """What one input gave. ``spool`` holds the payload that does not lie in the file as it is (None when all of it does)."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    spool: BinaryIO | None
    kdc: tuple[KdcPiece, ...] = ()
    """Kerberos messages over UDP."""
    icmp: tuple[IcmpError, ...] = ()
    """ICMP errors about TCP segments."""


class _Spool:
    """A temporary file for payload, opened with the first byte; nothing of it outlives the process."""

    def __init__(self) -> None:
        self.file: BinaryIO | None = None

    def __call__(self, payload: bytes) -> None:
        if self.file is None:
            import tempfile

            self.file = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))  # noqa: SIM115  owned by the result
        self.file.write(payload)


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


class _Read(Struct, frozen=True, gc=False):
    """One reading of an input: the kernel with its counts, the walk, the flows, the late ones, the spool, problems besides the walk's, and bytes read."""

    kernel: Kernel
    walk: Walk
    flows: tuple[Flow, ...]
    late: frozenset[int]
    spool: BinaryIO | None
    problems: tuple[Problem, ...]
    size: int
    tables: tuple[tuple[Kernel, int], ...] = ()
    """Kernels whose tables know all flows, and how many packets came before each."""


def _pass(path: str, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None, force: frozenset[int]) -> Scanned | frozenset[int]:
    """One reading. Gives the flows that must be kept in a second reading, if any; never in a second one, nor for a pipe."""
    source = opened(path)
    read = None
    if source.seekable and source.size >= limits.parallel_bytes and not force and description() == "compiled" and (os.cpu_count() or 1) > 1:
        read = _in_halves(source, ordinal, name, limits, scope, progress)
    if read is None:
        read = _in_one(source, ordinal, name, limits, scope, progress, force)
    if path != STDIN:
        source.raw.close()
    if not force and path != STDIN and not any(code in _UNREAD for code, _, _ in read.problems):
        again = read.late | _in_front(read, limits)
        if again:
            return again
    links = tuple(link(one).name for one in sorted(read.walk.links))
    capture = replace(_capture(path, ordinal, name, source, read), link_types=links, flows=len(read.flows))
    problems = [*read.walk.problems, *read.problems, *_notes(read, limits, force)]
    return Scanned(capture, read.flows, tuple(_issues(problems, ordinal, limits)), read.spool, _kdc(read, ordinal), _icmp(read, ordinal))


def _in_front(read: _Read, limits: Limits) -> frozenset[int]:
    """TLS that a proxy may end on another port than WinRM's, to go on to the server in clear or in TLS of its own.

    That is TLS to a host that WinRM comes from, and in a file that is quickly read again the TLS connections that began right before each of WinRM's, as a
    proxy has another address on its other side."""
    flows = [flow for flow in read.flows if flow.ports[1] in _WINRM_PORTS]
    words = frozenset(_words(flow.hosts[0]) for flow in flows)
    tables = read.tables if words else ()
    found = {number + before for kernel, before in tables for number in kernel.rejected_at(words, limits.front_ports)}
    if read.size < limits.parallel_bytes:
        others = sorted(number + before for kernel, before in tables for number in kernel.rejected_at(frozenset(), limits.front_ports))
        for flow in flows:
            place = bisect_left(others, key_number(flow.segments.key[0]))
            found.update(others[max(place - _BEFORE, 0) : place])
    return frozenset(sorted(found)[: limits.front_connections])


def _words(host: str) -> tuple[int, int]:
    """An address as the kernel's table holds it."""
    from ipaddress import ip_address

    address = ip_address(host)
    return (int(address), 0) if address.version == 4 else (int(address) >> 64, int(address) & (1 << 64) - 1)


def _icmp(read: _Read, ordinal: int) -> tuple[IcmpError, ...]:
    packets = [*read.kernel.icmp, *read.kernel.slow.icmp]
    if not packets or not read.flows:
        return ()
    from analyzer.capture.icmp import icmp_errors

    return icmp_errors(ordinal, packets, _host)


def _kdc(read: _Read, ordinal: int) -> tuple[KdcPiece, ...]:
    if not read.kernel.datagrams or not read.flows:
        return ()
    from analyzer.capture.kdc import kdc_datagrams

    return kdc_datagrams(ordinal, read.kernel.datagrams, _host)


def _in_halves(source: Opened, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None) -> _Read | None:
    from analyzer.capture import halves

    def kernel() -> Kernel:
        return Kernel(ordinal, limits, SlowPath(limits), _Spool(), in_place=True, all_http=scope.all_http, force=frozenset())

    def seen(size: int) -> None:
        if progress is not None:
            progress(name, size, source.size)

    try:
        found = halves.scanned(source.path, limits, kernel, _host, seen)
    except OSError:  # one thread will meet it, too, and keep what came before
        return None
    if found is None:
        return None
    tables = ((found.kernel, 0), found.later)
    return _Read(found.kernel, found.walk, found.flows, found.late, None, (), source.size, tables)


def _in_one(source: Opened, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None, force: frozenset[int]) -> _Read:
    walk, slow, spool = Walk(), SlowPath(limits), _Spool()
    kernel = chosen()(ordinal, limits, slow, spool, in_place=source.seekable, all_http=scope.all_http, force=force)
    size = 0

    def fill(buffer: memoryview) -> int:
        nonlocal size
        got = source.fill(buffer)
        size += got
        if progress is not None:
            progress(name, source.raw.tell() if source.size else size, source.size)
        return got

    damage: list[Problem] = []
    try:
        for row in rows(fill, limits, walk, kernel):
            kernel.packet(*row)
    except UnpackError as error:
        damage.append(("capture.decompression", f"{source.compression}: {error}", walk.packets or None))
    except OSError as error:
        damage.append(("capture.unreadable", f"reading stopped after {size} bytes: {error.strerror or error}", walk.packets or None))
    finally:
        if source.raw is not source.stream:
            source.stream.close()
    slow.finish()
    problems = (*slow.problems, *damage)
    return _Read(kernel, walk, kernel.flows(_host), kernel.late, spool.file, problems, size, ((kernel, 0),))


def _host(address: bytes) -> str:
    from ipaddress import ip_address

    return str(ip_address(address))


def _capture(path: str, ordinal: int, name: str, source: Opened, read: _Read) -> Capture:
    walk, kernel = read.walk, read.kernel
    return Capture(
        ordinal=ordinal,
        path=path if path == STDIN else str(Path(path)),
        name=name,
        format=walk.format + (f"+{source.compression}" if source.compression else "") if walk.format else "unknown",
        size=source.size or read.size,
        packets=walk.packets,
        tcp_packets=kernel.tcp_packets,
        first_ns=kernel.first_ns,
        last_ns=kernel.last_ns,
        snaplen=walk.snaplen,
        secrets=tuple(walk.secrets),
        comments=tuple(walk.comments),
        drops=tuple(walk.drops),
    )


def _notes(read: _Read, limits: Limits, force: frozenset[int]) -> list[Problem]:
    """What the counters say about the file as a whole."""
    walk, kernel = read.walk, read.kernel
    notes: list[Problem] = []
    if not walk.format:
        notes.append(("capture.unreadable", walk.instead or "nothing of it could be read", None))
    for number, count in sorted(kernel.unknown_links.items()):
        notes.append(("capture.unknown-link", f"{count} packets of link type {number} ({link(number).name})", None))
    if kernel.snapped:
        notes.append(("capture.snapped", f"{kernel.snapped} TCP packets are cut (snap length {walk.snaplen})", None))
    if kernel.undecodable:
        notes.append(("capture.undecodable-packet", f"{kernel.undecodable} packets", None))
    if kernel.backwards:
        notes.append(("capture.time-backwards", f"{kernel.backwards} packets are earlier than one before them", None))
    if kernel.spool_full:
        notes.append(("capture.limit", f"spool_bytes={limits.spool_bytes}: later payload was not kept", None))
    if kernel.icmp_over:
        notes.append(("capture.limit", f"icmp_errors={limits.icmp_errors}: {kernel.icmp_over} later ICMP errors were not kept", None))
    if kernel.datagrams_over:
        notes.append(("capture.limit", f"kdc_datagrams={limits.kdc_datagrams}: {kernel.datagrams_over} later Kerberos messages were not kept", None))
    if kernel.given_up:
        detail = f"undecided_flows={limits.undecided_flows}: {kernel.given_up} connections were given up before they told what they are"
        notes.append(("capture.limit", detail, None))
    if kernel.forgotten:
        detail = f"flow_table_slots={limits.flow_table_slots}: {kernel.forgotten} connections without WinRM were forgotten; had one gone on, it began again"
        notes.append(("capture.limit", detail, None))
    if read.late - force:
        notes.append(("capture.limit", f"{len(read.late - force)} connections show WinRM only late and could not be read again", None))
    return notes


def _issues(problems: list[Problem], ordinal: int, limits: Limits) -> Iterator[Issue]:
    """At most ``issues_per_kind`` of a kind; the last one counts the rest."""
    counts = Counter(code for code, _, _ in problems)
    given: Counter[str] = Counter()
    for code, detail, packet in problems:
        given[code] += 1
        if given[code] < limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet)
        elif given[code] == limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet, repeats=counts[code] - given[code] + 1)
