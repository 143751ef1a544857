"""A capture point while its files are read: the kernel that goes through all of them, what each file told, and where payload is spooled."""

import os
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from msgspec import Struct, field

from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen, description
from analyzer.capture.open import STDIN, Opened, TooLargeError, UnpackError, is_pipe, on_disk, opened, stopped
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import Walk
from analyzer.records.capture import Flow, Identity
from analyzer.settings import Limits, Scope

if TYPE_CHECKING:
    from analyzer.capture.reels import Reeled
    from analyzer.system.pages import Pages

Progress = Callable[[str, int, int], None]
Problem = tuple[str, str, int | None]
"""(issue code, detail, packet number)."""
COUNTS = ("snapped", "undecodable", "backwards", "spool_full", "icmp_over", "datagrams_over", "naming_over", "given_up", "forgotten", "outside", "elsewhere")
"""What the kernel counts of packets, through all files of a point."""
DISORDER_NS = 1_000_000_000
"""Packets of several interfaces are written up to this late."""
_IPV4 = 4
_UNREAD = ("capture.decompression", "capture.unreadable")


class Piece(NamedTuple):
    """An input: its path, its place on the command line from 0, and its name in the run; its reel, which is read in its place; whether its SHA-256 is taken
    while it is read; and the name of its capture point, where the user gave one."""

    path: str
    ordinal: int
    name: str
    reeled: "Reeled | None" = None
    hashed: bool = True
    sensor: str = ""


class Head(NamedTuple):
    """What a look at a file's beginning tells: its first time and link type; None for a file without packets."""

    piece: Piece
    first_ns: int | None
    link: int | None
    format: str = ""

    @property
    def time(self) -> int:
        """Its first time; 0 of a file without packets."""
        return self.first_ns or 0


class Spool:
    """A temporary file for payload of all captures, opened with the first byte; nothing of it outlives the process. Where the disk takes no more,
    what comes then is not kept. ``paged``: rows of packets lie in files, too, and so does payload that could be read from its capture again."""

    def __init__(self, *, paged: bool = False) -> None:
        self.paged = paged
        self.pages: list[Pages] = []
        """The files that rows lie in."""
        self.file: BinaryIO | None = None
        self.kept = 0
        """Bytes that are in the file."""
        self.failed = ""
        """Why it takes no more."""
        self._size = 0

    def add(self, payload: bytes) -> int:
        """Appends; gives where the bytes lie, or would."""
        at = self._size
        self._size += len(payload)
        if not self.failed:
            try:
                self._write(payload)
            except OSError as error:  # a full disk, no room for one more open file, no folder for temporary files
                self.failed = error.strerror or str(error)
        return at

    def _write(self, payload: bytes) -> None:
        if self.file is None:
            import tempfile

            self.file = cast("BinaryIO", tempfile.TemporaryFile(prefix="winrm-analyzer-", buffering=0))  # noqa: SIM115  owned by the result
        left = memoryview(payload)
        while left:
            written = self.file.write(left)
            self.kept += written
            left = left[written:]


class Spooled:
    """What one kernel spools. The kernel counts its own bytes; ``place`` says where in the file one of them lies."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._size = 0
        self._own: list[int] = []
        self._places: list[int] = []

    def __call__(self, payload: bytes) -> bool:
        """Takes the kernel's next bytes; False where they, or some before them, were not kept."""
        place = self._spool.add(payload)
        if not self._own or place - self._places[-1] != self._size - self._own[-1]:
            self._own.append(self._size)
            self._places.append(place)
        self._size += len(payload)
        return not self._spool.failed

    @property
    def paged(self) -> bool:
        """Whether all that was kept is to lie in files."""
        return self._spool.paged

    def new_pages(self) -> "Pages":
        """A file that rows lie in."""
        from analyzer.system.pages import Pages  # only where there is a limit

        return Pages(self._spool.pages)

    @property
    def is_plain(self) -> bool:
        """Each of the kernel's bytes lies where the kernel counted it, and is there."""
        return self._own in ([], [0]) and self._places in ([], [0]) and not self.lost

    @property
    def lost(self) -> str:
        """Why bytes of it are not there; empty where all are."""
        return self._spool.failed if self._own and self._places[-1] + self._size - self._own[-1] > self._spool.kept else ""

    def kept(self, at: int, size: int) -> bool:
        """Whether the bytes at a place of the file are there."""
        return at + size <= self._spool.kept

    @property
    def file(self) -> BinaryIO | None:
        """The spool, None when nothing was spooled."""
        return self._spool.file if self._size else None

    def place(self, at: int) -> int:
        """Where the kernel's byte ``at`` lies."""
        which = bisect_right(self._own, at) - 1
        return self._places[which] + at - self._own[which]


class Part(Struct, frozen=True, gc=False):
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
    identity: Identity | None = None
    sha256: str | None = None


class Point(Struct):
    """A capture point while its files are read. ``force`` names flows, by the number of their first packet (through all files), to keep always."""

    limits: Limits
    scope: Scope
    spooled: Spooled
    force: frozenset[int] = frozenset()
    kernel: Kernel | None = None
    parts: list[Part] = field(default_factory=list)
    packets: int = 0
    halved: "_Halved | None" = None
    """What two threads gave: then no file can be read after it."""
    flows_found: tuple[Flow, ...] | None = None
    front_left: int = 0
    """TLS connections in front of a proxy that were not kept."""
    shut: bool = False
    """It was closed before all files were looked at, for the limit ``open_points``."""

    def read(self, piece: Piece, progress: Progress | None, *, alone: bool) -> None:
        """The next file. Raises `InputError` when it cannot be opened; everything else about it is an issue. ``alone``: no other will follow."""
        if piece.reeled is not None and self._replayed(piece, piece.reeled):
            return
        source = opened(piece.path, self.limits)
        if not piece.hashed:
            source.watch.only_later()
        two = (
            not self.spooled.paged
            and source.seekable
            and source.size >= self.limits.parallel_bytes
            and description() == "compiled"
            and (os.cpu_count() or 1) > 1
        )
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
        return not any(is_pipe(part.piece.path) or any(code in _UNREAD for code, _, _ in part.damage) for part in self.parts)

    @property
    def tables(self) -> tuple[tuple[Kernel, int], ...]:
        """The kernels whose tables know all connections, and how many packets came before each."""
        return self.halved.tables if self.halved is not None else () if self.kernel is None else ((self.kernel, 0),)

    @property
    def has_flows(self) -> bool:
        """True when a first reading has flows to keep."""
        return bool(self.flows())

    def flows(self) -> tuple[Flow, ...]:
        """The flows, with packet numbers through all files, once all are read."""
        if self.flows_found is None:
            self.flows_found = self.halved.flows if self.halved is not None else () if self.kernel is None else self.kernel.flows(host_of)
        return self.flows_found

    @property
    def late(self) -> frozenset[int]:
        """Flows that showed WinRM only when they had been rejected."""
        return self.halved.late if self.halved is not None else frozenset() if self.kernel is None else self.kernel.late

    def _in_halves(self, source: Opened, piece: Piece, progress: Progress | None) -> bool:
        from analyzer.capture import halves

        limits = self.limits

        def kernel() -> Kernel:
            made = Kernel(piece.ordinal, limits, SlowPath(limits), self.spooled, in_place=True, all_http=self.scope.all_http, force=frozenset())
            made.narrow(self.scope)
            made.know(self.scope.client_randoms)
            return made

        def seen(size: int) -> None:
            if progress is not None:
                progress(piece.name, size, source.size)

        try:
            found = halves.scanned(source.path, limits, kernel, host_of, seen)
        except OSError:  # one thread will meet it, too, and keep what came before
            return False
        if found is None or found.walk.secrets:  # one half does not know the key log that the other one carries
            return False
        self.kernel = found.kernel
        self.halved = _Halved(found.flows, found.late, ((found.kernel, 0), found.later))
        self._read(source, piece, found.walk, (), source.size, 0)
        return True

    def _kernel(self, piece: Piece, *, in_place: bool) -> Kernel:
        """The kernel, ready for the next file."""
        kernel = self.kernel
        if kernel is None:
            slow = SlowPath(self.limits)
            kernel = self.kernel = chosen()(piece.ordinal, self.limits, slow, self.spooled, in_place=in_place, all_http=self.scope.all_http, force=self.force)
            kernel.narrow(self.scope)
            kernel.know(self.scope.client_randoms)
            if self.spooled.paged:
                kernel.page(self.spooled.new_pages)
        else:
            kernel.next_file(self.packets, in_place=in_place)
        return kernel

    def _replayed(self, piece: Piece, reeled: "Reeled") -> bool:
        """The reel was read in place of the file; False where it does not tell enough."""
        from analyzer.capture.reels import DoubtError, Missing, earlier, packets

        reel, read, missing = reeled
        try:
            backwards = earlier(reel, self.last_ns)
        except DoubtError:
            return False
        kernel = self._kernel(piece, in_place=reel.in_place)
        backwards += kernel.backwards
        before = kernel.tcp_packets
        missing += (Missing(piece.ordinal, first) for first in packets(reel, read, kernel))
        kernel.passed(reel.counts, reel.times, backwards)
        for link, count in reel.unknown_links.items():
            kernel.unknown_links[link] = kernel.unknown_links.get(link, 0) + count
        counts = tuple(int(getattr(kernel, name)) for name in COUNTS)
        told = (reel.walk, reel.damage, reel.size, reel.compression, kernel.tcp_packets - before, *kernel.file_ns, counts, reel.identity, reel.sha256)
        self.parts.append(Part(piece, self.packets, *told))
        self.packets += reel.walk.packets
        return True

    def _in_one(self, source: Opened, piece: Piece, progress: Progress | None) -> None:
        kernel = self._kernel(piece, in_place=source.seekable)
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
        except (TooLargeError, UnpackError, OSError) as error:
            damage.append(stopped(error, source.compression, size, walk.packets))
        finally:
            if source.raw is not source.stream:
                source.stream.close()
        self._read(source, piece, walk, tuple(damage), size, before)

    def _read(self, source: Opened, piece: Piece, walk: Walk, damage: tuple[Problem, ...], size: int, before: int) -> None:
        kernel = cast("Kernel", self.kernel)
        counts = tuple(int(getattr(kernel, name)) for name in COUNTS)
        digest = source.sha256 if walk.format and self.halved is None and not damage else None  # of halves it is taken when it is asked for
        changed = source.watch.changed(source.raw, on_disk(piece.path))
        if changed:
            damage = (*damage, ("capture.changed", f"{changed} while it was read; the result may hold parts of both", None))
        tcp_packets = kernel.tcp_packets - before
        times = kernel.file_ns
        self.parts.append(
            Part(piece, self.packets, walk, damage, source.size or size, source.compression, tcp_packets, *times, counts, source.watch.before, digest)
        )
        self.packets += walk.packets


class _Halved(Struct, frozen=True, gc=False):
    """What two threads gave, see `analyzer.capture.halves`."""

    flows: tuple[Flow, ...]
    late: frozenset[int]
    tables: tuple[tuple[Kernel, int], ...]


@lru_cache(maxsize=1 << 14)
def host_of(address: bytes) -> str:
    """An address as text."""
    if len(address) == _IPV4:
        return "{}.{}.{}.{}".format(*address)
    from ipaddress import ip_address

    return str(ip_address(address))
