"""Reels: of one capture file, the packets that can matter to a connection, with all else that its reading told.

A reel is made of one file alone (`reeled`), so that files are read side by side, on any machine. What follows reads reels instead of captures: the kernel of a
capture point takes the packets of its files' reels one after the other (`replayed`), as it would take those of the files, and comes to the same flows.

Left out are packets of connections that are rejected already, but for those that could begin something new (a SYN, a head that shows WinRM). Whether a
connection is rejected may depend on the file before: it lies in its middle here, and shows nothing. So the first packet that was left out of a connection
stays in the reel, marked; where the connection is not rejected when it comes (`Missing`), a second reel of the file is made, with all of the connection.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from analyzer.capture.bits import REEL
from analyzer.capture.containers import rows
from analyzer.capture.flows import RISES
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen
from analyzer.capture.links import KINDS
from analyzer.capture.open import Opened, TooLargeError, UnpackError, on_disk, opened, stopped
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import HEAD_BYTES, Walk
from analyzer.errors import InputError
from analyzer.records.capture import Identity
from analyzer.settings import Limits, Scope
from analyzer.system.sums import BLOCK, SUM, ReadAt, checked, sums

_MAGIC = b"WINRMRL3"
_TRAILER = SUM + 8 + len(_MAGIC)
_LEVEL = 1
_COUNTS = 8
_MOST = 1 << 48
_COLUMNS = ("number", "ts_ns", "link", "size", "wire_size", "file_at", "noted")
Problem = tuple[str, str, int | None]


class Reel(Struct, frozen=True, gc=False):
    """What one file told, and its packets: columns of whole numbers of 64 bits, in the order in which the kernel took them; their bytes follow each other.

    ``counts`` and ``backwards`` are of the packets that were left out and of all packets (`Flows.counted`). ``risen``: the first times that were not earlier
    than one before. ``knows``: client randoms of a key log that the file carries, and the row before which they were met. ``pieces``: bytes of the file besides
    packets (offset in the file, in the reel, size). ``force``: the flows, by their first packet, that are in it as a whole.
    ``sums``: of the bytes of packets and pieces, block by block (`analyzer.system.sums`).
    """

    walk: Walk
    damage: tuple[Problem, ...]
    size: int
    compression: str
    in_place: bool
    times: tuple[int, int] | None
    counts: tuple[int, ...]
    backwards: int
    risen: bytes
    head: bytes
    columns: tuple[bytes, ...]
    packets_size: int
    unknown_links: dict[int, int]
    knows: tuple[tuple[int, tuple[bytes, ...]], ...] = ()
    pieces: tuple[tuple[int, int, int], ...] = ()
    force: tuple[int, ...] = ()
    identity: Identity | None = None
    sha256: str | None = None
    sums: bytes = b""

    def column(self, name: str) -> "array[int]":
        """One column."""
        found = array("q")
        found.frombytes(self.columns[_COLUMNS.index(name)])
        return found


class Missing(NamedTuple):
    """A connection of which packets were left out of a reel that are wanted: the file's ordinal, and the number of the connection's first packet in it."""

    ordinal: int
    first: int


class Reeled(NamedTuple):
    """A reel to be read instead of its file: what it says, its bytes, and where what is missing from it is noted."""

    reel: Reel
    read: ReadAt
    missing: "list[Missing]"


class DoubtError(Exception):
    """A reel does not tell enough: the file itself has to be read."""


class _Bulk:
    """The kernel, and beside it the reel that is written."""

    def __init__(self, kernel: Kernel, out: BinaryIO) -> None:
        self.kernel = kernel
        self.out = out
        self.columns = tuple(array("q") for _ in _COLUMNS)
        self.size = 0
        self.knows: list[tuple[int, tuple[bytes, ...]]] = []

    @property
    def number(self) -> int:
        return int(self.kernel.number)

    @property
    def seconds(self) -> int:
        return int(self.kernel.seconds)

    @property
    def last_block_ns(self) -> int:
        return int(self.kernel.last_block_ns)

    def pcap(self, buffer: bytearray, span: tuple[int, int, int], number: int, layout: tuple[int, int, int], link: int) -> int:
        place = self.kernel.pcap(buffer, span, number, layout, link)
        self._drain(buffer, span[2], lambda _: link)
        return place

    def pcapng(self, buffer: bytearray, span: tuple[int, int, int], number: int, big: int, interfaces: "array[int]") -> int:
        place = self.kernel.pcapng(buffer, span, number, big, interfaces)
        order = "big" if big else "little"

        def link(at: int) -> int:
            """The kind of link is told by the block's interface: the kernel's own word for it, turned back into a link type of that kind."""
            return -1 - int(interfaces[3 * int.from_bytes(buffer[at - 20 : at - 16], order)])  # type: ignore[arg-type]

        self._drain(buffer, span[2], link)
        return place

    def know(self, randoms: Iterable[bytes]) -> None:
        told = tuple(one[:8] for one in randoms if len(one) >= 8)
        self.knows.append((len(self.columns[0]), told))
        self.kernel.know(told)

    def packet(self, row: tuple[int, int, int, bytes | bytearray, int, int, int, int]) -> None:
        """One packet that the kernel does not take by the thousand."""
        self.kernel.packet(*row)
        if self.kernel.idle:
            return
        number, ts_ns, link, buffer, at, size, wire_size, file_at = row
        self._add(number, ts_ns, link, size, wire_size, file_at, int(self.kernel.noted))
        self.out.write(memoryview(buffer)[at : at + size])
        self.size += size

    def _drain(self, buffer: bytearray, base: int, link: Callable[[int], int]) -> None:
        words = self.kernel.reeled()
        view = memoryview(buffer)
        for place in range(0, len(words), REEL):
            number, ts_ns, at, size, wire_size, noted = words[place : place + REEL]
            self._add(number, ts_ns, link(at), size, wire_size, base + at, noted)
            self.out.write(view[at : at + size])
            self.size += size

    def _add(self, *cells: int) -> None:
        for column, cell in zip(self.columns, cells, strict=True):
            column.append(cell)


def reeled(path: str, limits: Limits, scope: Scope, out: BinaryIO, force: Sequence[int] = (), seen: Callable[[int, int], None] | None = None) -> Reel:
    """Reads one file and writes its reel to ``out``. ``force``: flows that it has to have as a whole; ``seen`` is told bytes read, and bytes in all.
    Raises `InputError` when the file cannot be opened at all."""
    source = opened(path, limits)
    try:
        return _reeled(path, source, limits, scope, out, tuple(sorted(set(force))), seen)
    finally:
        source.raw.close()


def _reeled(path: str, source: Opened, limits: Limits, scope: Scope, out: BinaryIO, force: tuple[int, ...], seen: Callable[[int, int], None] | None) -> Reel:
    kernel = chosen()(0, limits, SlowPath(limits), _nowhere, in_place=True, all_http=scope.all_http, force=frozenset(force))
    kernel.narrow(scope)
    kernel.know(scope.client_randoms)
    kernel.reels()
    walk, size, head = Walk(), 0, bytearray()

    def fill(buffer: memoryview) -> int:
        nonlocal size
        got = source.fill(buffer)
        if len(head) < HEAD_BYTES:
            head.extend(buffer[: min(got, HEAD_BYTES - len(head))])
        size += got
        if seen is not None:
            seen(source.raw.tell() if source.size else size, source.size)
        return got

    bulk = _Bulk(kernel, out)
    damage: list[Problem] = []
    try:
        for row in rows(fill, limits, walk, bulk):
            bulk.packet(row)
    except (TooLargeError, UnpackError, OSError) as error:
        damage.append(stopped(error, source.compression, size, walk.packets))
    finally:
        if source.raw is not source.stream:
            source.stream.close()
    digest = source.sha256 if walk.format and not damage else None
    changed = source.watch.changed(source.raw, on_disk(path))
    if changed:
        damage.append(("capture.changed", f"{changed} while it was read; the result may hold parts of both", None))
    first_ns, last_ns = kernel.file_ns
    made = Reel(
        walk=walk,
        damage=tuple(damage),
        size=source.size or size,
        compression=source.compression,
        in_place=source.seekable,
        times=None if first_ns is None or last_ns is None else (first_ns, last_ns),
        counts=kernel.counted(),
        backwards=int(kernel.backwards),
        risen=kernel.risen().tobytes(),
        head=bytes(head),
        columns=tuple(column.tobytes() for column in bulk.columns),
        packets_size=bulk.size,
        unknown_links=dict(kernel.unknown_links),
        knows=tuple(bulk.knows),
        pieces=tuple(_pieces(source, walk, out, bulk.size)),
        force=force,
        identity=source.watch.before,
        sha256=digest,
    )
    out.flush()
    return made


def _nowhere(_: bytes) -> None:
    """Payload of tunnels is not kept: the reel has their frames."""


def _pieces(source: Opened, walk: Walk, out: BinaryIO, place: int) -> Iterator[tuple[int, int, int]]:
    """The secrets that a file carries go into the reel behind the packets."""
    for _, at, size in walk.secrets:
        if not source.seekable:
            return
        try:
            source.raw.seek(at)
            data = source.raw.read(size)
        except OSError:
            return
        out.write(data)
        yield at, place, len(data)
        place += len(data)


def whole(reel: Reel, limits: Limits, scope: Scope, read: ReadAt) -> Reel:
    """The reel with the sums of its bytes, and with what is counted of the packets that are not in it: of all packets, without what a kernel counts of those
    that are."""
    kernel = chosen()(0, limits, SlowPath(limits), _nowhere, in_place=True, all_http=scope.all_http, force=frozenset(reel.force))
    kernel.narrow(scope)
    kernel.know(scope.client_randoms)
    for _ in packets(reel, read, kernel):
        pass
    left = tuple(whole - own for whole, own in zip(reel.counts, kernel.counted(), strict=True))
    return msgspec.structs.replace(reel, counts=left, sums=sums(read, reel.packets_size + sum(size for _, _, size in reel.pieces)))


_AT_A_TIME = 4 << 20


def packets(reel: Reel, read: ReadAt, kernel: Kernel) -> Iterator[int]:
    """Gives the reel's packets to the kernel; yields the first packet of each connection of which packets are missing that are wanted."""
    numbers, times, links, sizes, wires, places, noted = (reel.column(name) for name in _COLUMNS)
    ends = array("q", accumulate(sizes))
    ats = array("q", [0, *ends[:-1]])
    types = _links()
    link_of = {link: link if link >= 0 else types[-1 - link] for link in set(links)}
    kind_of = {link: KINDS.get(one, 0) for link, one in link_of.items()}
    columns = numbers, times, array("q", [kind_of[link] for link in links]), sizes, wires, places, noted, ats
    knows = [*reel.knows, (len(sizes), ())]
    row = 0
    while row < len(sizes):
        while knows[0][0] <= row:
            kernel.know(knows.pop(0)[1])
        begin = ats[row]
        data = read(begin, max(sizes[row], min(_AT_A_TIME, reel.packets_size - begin)))
        end = min(bisect_right(ends, begin + len(data)), knows[0][0])
        if end <= row:  # its bytes are cut
            end = row + 1
        while row < end:
            stopped_at = kernel.replay(data, begin, columns, row, end)
            if stopped_at < 0:
                row = -1 - stopped_at
                yield noted[row]
            elif stopped_at == end:
                row = end
                break
            else:
                row, at = stopped_at, ats[stopped_at] - begin
                kernel.packet(numbers[row], times[row], link_of[links[row]], data, at, sizes[row], wires[row], places[row])
                if noted[row] and not kernel.idle:
                    yield noted[row]
            row += 1
    for _, randoms in knows:
        kernel.know(randoms)


def _links() -> dict[int, int]:
    """A link type of each kind that the kernel takes by itself."""
    return {kind: link for link, kind in sorted(KINDS.items(), reverse=True) if kind}


def earlier(reel: Reel, last_ns: int | None) -> int:
    """How many packets of the file are earlier than one before them, where what was read before ends at ``last_ns``. `DoubtError`: the reel does not tell."""
    if last_ns is None:
        return reel.backwards
    risen = array("Q")
    risen.frombytes(reel.risen)
    more = bisect_left(risen, last_ns)
    if more == RISES:
        raise DoubtError
    return reel.backwards + more


def trailer(reel: Reel) -> bytes:
    """What stands behind the bytes of a reel's packets: all else of it."""
    import zstandard

    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(reel))
    return packed + checked(packed) + len(packed).to_bytes(8, "little") + _MAGIC


def read_reel(size: int, read: ReadAt) -> Reel:
    """The reel out of an object of ``size`` bytes. `InputError`: it is none."""
    import zstandard

    try:
        end = read(max(size - _TRAILER, 0), _TRAILER)
        length = int.from_bytes(end[SUM : SUM + 8], "little")
        packed = read(size - _TRAILER - length, length) if end[SUM + 8 :] == _MAGIC and length <= size - _TRAILER else b""
        if not packed or checked(packed) != end[:SUM]:
            msg = "this is no reel of a capture, or damaged"
            raise InputError(msg)
        plain = zstandard.ZstdDecompressor().decompress(packed)
        found = msgspec.msgpack.Decoder(Reel).decode(plain)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"this is no reel of a capture ({error})"
        raise InputError(msg) from error
    if not _is_sound(found, size - _TRAILER - length):
        msg = "this is no reel of a capture (its parts do not fit each other)"
        raise InputError(msg)
    return found


def _is_sound(reel: Reel, room: int) -> bool:
    """Its columns are as long as each other, and speak of ``room`` bytes. Who writes into a job store writes what they like: it is read as data only."""
    lengths = {len(column) for column in reel.columns}
    if len(reel.columns) != len(_COLUMNS) or len(lengths) != 1 or lengths.pop() % 8 or len(reel.risen) % 8 or len(reel.counts) != _COUNTS:
        return False
    columns = {name: reel.column(name) for name in _COLUMNS}
    numbers = (*reel.counts, reel.backwards, reel.packets_size, *(one for name in ("number", "wire_size", "noted") for one in _ends(columns[name])))
    return (
        all(0 <= one <= _MOST for one in numbers)
        and all(0 <= one <= room for one in _ends(columns["size"]))
        and sum(columns["size"]) == reel.packets_size <= room
        and all(-len(_links()) <= one <= _MOST for one in _ends(columns["link"]))
        and len(reel.sums) == -(-room // BLOCK) * SUM
        and all(at >= 0 and 0 <= begin <= begin + size <= room for at, begin, size in reel.pieces)
    )


def _ends(column: "array[int]") -> tuple[int, ...]:
    return (min(column), max(column)) if column else ()
