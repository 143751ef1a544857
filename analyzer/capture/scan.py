"""The files of one capture point in, their descriptions and their candidate flows out.

A capture point is one file, or the files that a capture program wrote one after the other (`analyzer.capture.points` says which). One kernel reads them all, so
that connections, fragments and verdicts go on from file to file and the result is that of one long file; only packet numbers and places are each file's own.

Files are read once; when a rejected flow later turns out to be WinRM (its first packets told nothing, or the capture began in the middle of a body) they are
read a second time with that flow kept. Payload of compressed inputs, pipes and the slow path is spooled to a temporary file that lives as long as the result.
"""

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen, description
from analyzer.capture.links import link
from analyzer.capture.open import STDIN, Opened, opened, zstd_errors
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import Walk
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.ids import key_number, packet_key
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
_COUNTS = ("snapped", "undecodable", "backwards", "spool_full", "icmp_over", "datagrams_over", "given_up", "forgotten")
"""What the kernel counts of packets, through all files of a point."""


class Scanned(NamedTuple):
    """What one input gave: the flows that begin in it. ``spool`` holds the payload that does not lie in the file as it is (None when all of it does)."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    spool: BinaryIO | None
    kdc: tuple[KdcPiece, ...] = ()
    """Kerberos messages over UDP."""
    icmp: tuple[IcmpError, ...] = ()
    """ICMP errors about TCP segments."""


class Piece(NamedTuple):
    """An input: its path, its place on the command line from 0, and its name in the run."""

    path: str
    ordinal: int
    name: str


class Spool:
    """A temporary file for payload of all captures, opened with the first byte; nothing of it outlives the process."""

    def __init__(self) -> None:
        self.file: BinaryIO | None = None
        self._size = 0

    def add(self, payload: bytes) -> int:
        """Appends; gives where the bytes lie."""
        if self.file is None:
            import tempfile

            self.file = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-"))  # noqa: SIM115  owned by the result
        at = self._size
        self.file.write(payload)
        self._size += len(payload)
        return at


class _Spooled:
    """What one kernel spools. The kernel counts its own bytes; ``place`` says where in the file one of them lies."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._size = 0
        self._own: list[int] = []
        self._places: list[int] = []

    def __call__(self, payload: bytes) -> None:
        place = self._spool.add(payload)
        if not self._own or place - self._places[-1] != self._size - self._own[-1]:
            self._own.append(self._size)
            self._places.append(place)
        self._size += len(payload)

    @property
    def file(self) -> BinaryIO | None:
        """The spool, None when nothing was spooled."""
        return self._spool.file if self._size else None

    def place(self, at: int) -> int:
        """Where the kernel's byte ``at`` lies."""
        which = bisect_right(self._own, at) - 1
        return self._places[which] + at - self._own[which]


class _Part(Struct, frozen=True, gc=False):
    """One file of a point, read: packets before it, its walk, what was wrong besides the walk, bytes read, TCP packets and times, counts up to its end."""

    piece: Piece
    before: int
    walk: Walk
    damage: tuple[Problem, ...]
    size: int
    compression: str
    tcp_packets: int
    first_ns: int | None
    last_ns: int | None
    counts: tuple[int, ...]


class Point(Struct):
    """A capture point while its files are read. ``force`` names flows, by the number of their first packet (through all files), to keep always."""

    limits: Limits
    scope: Scope
    spooled: _Spooled
    force: frozenset[int] = frozenset()
    kernel: Kernel | None = None
    parts: list[_Part] = field(default_factory=list)
    packets: int = 0
    halved: "_Halved | None" = None
    """What two threads gave: then no file can be read after it."""
    flows_found: tuple[Flow, ...] | None = None

    def read(self, piece: Piece, progress: Progress | None, *, alone: bool) -> None:
        """The next file. Raises `InputError` when it cannot be opened; everything else about it is an issue. ``alone``: no other will follow."""
        source = opened(piece.path)
        two = source.seekable and source.size >= self.limits.parallel_bytes and description() == "compiled" and (os.cpu_count() or 1) > 1
        if not (two and alone and not self.parts and not self.force and self._in_halves(source, piece, progress)):
            self._in_one(source, piece, progress)
        if piece.path != STDIN:
            source.raw.close()

    @property
    def last_ns(self) -> int | None:
        """The latest time so far."""
        return None if self.kernel is None else self.kernel.last_ns

    @property
    def readable_again(self) -> bool:
        """True unless it comes from a pipe, or its reading met what a second one would not get over."""
        return not any(part.piece.path == STDIN or any(code in _UNREAD for code, _, _ in part.damage) for part in self.parts)

    @property
    def tables(self) -> tuple[tuple[Kernel, int], ...]:
        """The kernels whose tables know all connections, and how many packets came before each."""
        return self.halved.tables if self.halved is not None else () if self.kernel is None else ((self.kernel, 0),)

    @property
    def has_flows(self) -> bool:
        """True when a first reading has flows to keep."""
        return bool(_flows(self))

    @property
    def late(self) -> frozenset[int]:
        """Flows that showed WinRM only when they had been rejected."""
        return self.halved.late if self.halved is not None else frozenset() if self.kernel is None else self.kernel.late

    def _in_halves(self, source: Opened, piece: Piece, progress: Progress | None) -> bool:
        from analyzer.capture import halves

        limits = self.limits

        def kernel() -> Kernel:
            return Kernel(piece.ordinal, limits, SlowPath(limits), self.spooled, in_place=True, all_http=self.scope.all_http, force=frozenset())

        def seen(size: int) -> None:
            if progress is not None:
                progress(piece.name, size, source.size)

        try:
            found = halves.scanned(source.path, limits, kernel, _host, seen)
        except OSError:  # one thread will meet it, too, and keep what came before
            return False
        if found is None:
            return False
        self.kernel = found.kernel
        self.halved = _Halved(found.flows, found.late, ((found.kernel, 0), found.later))
        self._read(source, piece, found.walk, (), source.size, 0)
        return True

    def _in_one(self, source: Opened, piece: Piece, progress: Progress | None) -> None:
        kernel = self.kernel
        if kernel is None:
            slow = SlowPath(self.limits)
            kernel = self.kernel = chosen()(
                piece.ordinal, self.limits, slow, self.spooled, in_place=source.seekable, all_http=self.scope.all_http, force=self.force
            )
        else:
            kernel.next_file(self.packets, in_place=source.seekable)
        walk = Walk()
        size, before = 0, kernel.tcp_packets

        def fill(buffer: memoryview) -> int:
            nonlocal size
            got = source.fill(buffer)
            size += got
            if progress is not None:
                progress(piece.name, source.raw.tell() if source.size else size, source.size)
            return got

        damage: list[Problem] = []
        try:
            for row in rows(fill, self.limits, walk, kernel):
                kernel.packet(*row)
        except zstd_errors() as error:
            damage.append(("capture.decompression", f"{source.compression}: {error}", walk.packets or None))
        except OSError as error:
            damage.append(("capture.unreadable", f"reading stopped after {size} bytes: {error.strerror or error}", walk.packets or None))
        finally:
            if source.raw is not source.stream:
                source.stream.close()
        self._read(source, piece, walk, tuple(damage), size, before)

    def _read(self, source: Opened, piece: Piece, walk: Walk, damage: tuple[Problem, ...], size: int, before: int) -> None:
        kernel = cast("Kernel", self.kernel)
        counts = tuple(int(getattr(kernel, name)) for name in _COUNTS)
        tcp_packets = kernel.tcp_packets - before
        times = kernel.file_ns
        self.parts.append(_Part(piece, self.packets, walk, damage, source.size or size, source.compression, tcp_packets, *times, counts))
        self.packets += walk.packets


class _Halved(Struct, frozen=True, gc=False):
    """What two threads gave, see `analyzer.capture.halves`."""

    flows: tuple[Flow, ...]
    late: frozenset[int]
    tables: tuple[tuple[Kernel, int], ...]


def scan(path: str, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None = None) -> Scanned:
    """Reads one input. Raises `InputError` only when it cannot be opened at all; everything else about it is an issue."""
    spool = Spool()
    point = first_reading(limits, scope, spool)
    point.read(Piece(path, ordinal, name), progress, alone=True)
    return described(read_again(point, to_keep(point), spool, progress))[0]


def first_reading(limits: Limits, scope: Scope, spool: Spool) -> Point:
    """A point of which nothing was read yet."""
    return Point(limits, scope, _Spooled(spool))


def to_keep(point: Point) -> frozenset[int]:
    """The flows that only a second reading shows, by what the point itself tells."""
    return point.late | _in_front(point)


def read_again(point: Point, force: frozenset[int], spool: Spool, progress: Progress | None) -> Point:
    """The point read a second time with the flows ``force`` kept; the point itself where that is not needed, or not possible."""
    if not force or not point.readable_again:
        return point
    again = Point(point.limits, point.scope, _Spooled(spool), force)
    try:
        for part in point.parts:
            again.read(part.piece, progress, alone=len(point.parts) == 1)
    except InputError:  # no longer there: what the first reading gave stays
        return point
    return again if again.packets >= point.packets else point


def _in_front(point: Point) -> frozenset[int]:
    """TLS that a proxy may end on another port than WinRM's, to go on to the server in clear or in TLS of its own.

    That is TLS to a host that WinRM comes from, and in a file that is quickly read again the TLS connections that began right before each of WinRM's, as a
    proxy has another address on its other side."""
    limits = point.limits
    flows = [flow for flow in _flows(point) if flow.ports[1] in _WINRM_PORTS]
    words = frozenset(_words(flow.hosts[0]) for flow in flows)
    tables = point.tables if words else ()
    found = {number + before for kernel, before in tables for number in kernel.rejected_at(words, limits.front_ports)}
    if sum(part.size for part in point.parts) < limits.parallel_bytes:
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


def _host(address: bytes) -> str:
    from ipaddress import ip_address

    return str(ip_address(address))


def _flows(point: Point) -> tuple[Flow, ...]:
    """The flows, with packet numbers through all files, once all are read."""
    if point.flows_found is None:
        point.flows_found = point.halved.flows if point.halved is not None else () if point.kernel is None else point.kernel.flows(_host)
    return point.flows_found


def described(point: Point, *, flows_elsewhere: bool = False) -> list[Scanned]:
    """What each file of a point gave, in the order they were read. Messages of ICMP and Kerberos are of use where there are flows, or some ``flows_elsewhere``."""
    kernel, parts = cast("Kernel", point.kernel), point.parts
    kernel.slow.finish()
    flows = _flows(point)
    name = min(part.piece.ordinal for part in parts)
    placed = [_placed(flow, point, name) for flow in flows]
    problems: dict[int, list[Problem]] = {part.piece.ordinal: [*part.walk.problems] for part in parts}
    for code, detail, number in kernel.slow.problems:
        part = parts[0] if number is None else _part_of(parts, number)
        problems[part.piece.ordinal].append((code, detail, None if number is None else number - part.before))
    for part in parts:
        problems[part.piece.ordinal] += part.damage
    for part, problem in _notes(point):
        problems[part.piece.ordinal].append(problem)
    wanted = bool(flows) or flows_elsewhere
    kdc, icmp = _kdc(point) if wanted else (), _icmp(point, name) if wanted else ()
    return [
        Scanned(
            capture=replace(_capture(part), point=name, point_last_ns=kernel.last_ns, flows=sum(flow.capture == part.piece.ordinal for flow in placed)),
            flows=tuple(flow for flow in placed if flow.capture == part.piece.ordinal),
            issues=tuple(_issues(problems[part.piece.ordinal], part.piece.ordinal, point.limits)),
            spool=point.spooled.file,
            kdc=kdc if part is parts[0] else (),
            icmp=icmp if part is parts[0] else (),
        )
        for part in parts
    ]


def _part_of(parts: Sequence[_Part], number: int) -> _Part:
    """The file that holds a packet, by its number through all files."""
    return parts[bisect_left(parts, number, key=lambda part: part.before) - 1]


def _place(parts: Sequence[_Part], key: int) -> int:
    """A packet's key, from that with its number through all files."""
    part = _part_of(parts, key_number(key))
    return packet_key(part.piece.ordinal, key_number(key) - part.before)


def _placed(flow: Flow, point: Point, name: int) -> Flow:
    """The flow with the packet numbers and places of the files it lies in."""
    parts, rows_of = point.parts, flow.segments
    spooled = any(source & 1 for source in rows_of.source)
    if len(parts) == 1 and not spooled:
        return flow if flow.point == name else replace(flow, point=name)
    numbers = [key_number(key) for key in rows_of.key]
    ordinals: list[int] = []
    at = 0
    while at < len(numbers):
        part = _part_of(parts, numbers[at])
        end = bisect_right(numbers, part.before + part.walk.packets, lo=at)
        ordinals += [part.piece.ordinal] * (end - at)
        numbers[at:end] = [number - part.before for number in numbers[at:end]]
        at = end
    sources = [2 * ordinal | source & 1 for ordinal, source in zip(ordinals, rows_of.source, strict=True)]
    places = rows_of.file_at
    if spooled:
        place = point.spooled.place
        places = array("q", (place(at) if source & 1 and size else at for at, source, size in zip(places, sources, rows_of.size, strict=True)))
    segments = replace(
        rows_of,
        key=array("q", map(packet_key, ordinals, numbers)),
        source=array("q", sources),
        file_at=places,
    )
    return replace(flow, capture=ordinals[0], point=name, segments=segments)


def _icmp(point: Point, name: int) -> tuple[IcmpError, ...]:
    kernel = cast("Kernel", point.kernel)
    packets = [*kernel.icmp, *kernel.slow.icmp]
    if not packets:
        return ()
    from analyzer.capture.icmp import icmp_errors

    return tuple(replace(error, packet=_place(point.parts, error.packet), point=name) for error in icmp_errors(0, packets, _host))


def _kdc(point: Point) -> tuple[KdcPiece, ...]:
    kernel = cast("Kernel", point.kernel)
    if not kernel.datagrams:
        return ()
    from analyzer.capture.kdc import kdc_datagrams

    found = kdc_datagrams(0, kernel.datagrams, _host)
    return tuple(replace(piece, packets=tuple(_place(point.parts, key) for key in piece.packets)) for piece in found)


def _capture(part: _Part) -> Capture:
    piece, walk = part.piece, part.walk
    return Capture(
        ordinal=piece.ordinal,
        path=piece.path if piece.path == STDIN else str(Path(piece.path)),
        name=piece.name,
        format=walk.format + (f"+{part.compression}" if part.compression else "") if walk.format else "unknown",
        size=part.size,
        link_types=tuple(link(one).name for one in sorted(walk.links)),
        packets=walk.packets,
        tcp_packets=part.tcp_packets,
        first_ns=part.first_ns,
        last_ns=part.last_ns,
        snaplen=walk.snaplen,
        secrets=tuple(walk.secrets),
        comments=tuple(walk.comments),
    )


def _notes(point: Point) -> Iterator[tuple[_Part, Problem]]:
    """What the counters say about the point as a whole, told of the first file in which they rose."""
    kernel, parts, limits = cast("Kernel", point.kernel), point.parts, point.limits
    for part in parts:
        if not part.walk.format:
            yield part, ("capture.unreadable", "the file is empty" if not part.size else "neither pcap nor pcapng, nor a file of Network Monitor", None)
    for number, count in sorted(kernel.unknown_links.items()):
        with_it = next((part for part in parts if number in part.walk.links), parts[0])
        yield with_it, ("capture.unknown-link", f"{count} packets of link type {number} ({link(number).name})", None)
    counts = dict(zip(_COUNTS, parts[-1].counts, strict=True))
    snaplen = next((part.walk.snaplen for part in parts if part.counts[0]), None)
    words = {
        "snapped": ("capture.snapped", f"{counts['snapped']} TCP packets are cut (snap length {snaplen})"),
        "undecodable": ("capture.undecodable-packet", f"{counts['undecodable']} packets"),
        "backwards": ("capture.time-backwards", f"{counts['backwards']} packets are earlier than one before them"),
        "spool_full": ("capture.limit", f"spool_bytes={limits.spool_bytes}: later payload was not kept"),
        "icmp_over": ("capture.limit", f"icmp_errors={limits.icmp_errors}: {counts['icmp_over']} later ICMP errors were not kept"),
        "datagrams_over": ("capture.limit", f"kdc_datagrams={limits.kdc_datagrams}: {counts['datagrams_over']} later Kerberos messages were not kept"),
        "given_up": (
            "capture.limit",
            f"undecided_flows={limits.undecided_flows}: {counts['given_up']} connections were given up before they told what they are",
        ),
        "forgotten": (
            "capture.limit",
            f"flow_table_slots={limits.flow_table_slots}: {counts['forgotten']} connections without WinRM were forgotten; had one gone on, it began again",
        ),
    }
    for place, name in enumerate(_COUNTS):
        first = next((part for part in parts if part.counts[place]), None)
        if first is not None:
            yield first, (*words[name], None)
    left = sorted(point.late - point.force)
    if left:
        yield _part_of(parts, left[0]), ("capture.limit", f"{len(left)} connections show WinRM only late and could not be read again", None)


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
