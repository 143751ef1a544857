"""Which of the files given were written at one capture point, one after the other; and the scan of all of them.

A capture program that rotates its files cuts wherever a file is full: in a handshake, in a body, in an IP datagram. So files that follow each other are read by
one kernel, as one long capture (`analyzer.capture.scan`). A file follows another one when it begins where that one ends, and

    - it goes on with a connection of that one, or
    - both have the same name but for digits (``ring_00001_20261124105600.pcap``, ``dump.pcap3``), and stations (Ethernet addresses) in common, or hosts, or
    - all its frames go between stations that have frames in that one, too, so that both were taken at one link, or some do, and a connection of which that one
      kept nothing is in its middle where the file begins,

and its packets are not that one's own packets over again. Packets of several interfaces are written a little late, so that times overlap by some of a second:
then only the first reason counts, or that both files have the same several interfaces.

Two capture points see the same packets, or the same time: their files are read by kernels of their own. What one of them keeps of a connection, for what it
shows there, the others keep, too: a file that begins in the middle of a body tells nothing by itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.capture.bits import HTTP, KNOWN, KNOWN_OTHER, REJECTED, TLS, UNDECIDED
from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import chosen
from analyzer.capture.open import UnpackError, is_pipe, opened
from analyzer.capture.point import DISORDER_NS, Head, Piece, Point, Progress, Spool
from analyzer.capture.scan import Scanned, described, first_reading, read_again, to_keep
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import HEAD_BYTES, Row, Walk
from analyzer.errors import InputError
from analyzer.records.capture import Capture
from analyzer.records.issues import Issue
from analyzer.settings import Limits, Scope

_HEAD_PACKETS = 1 << 11
_FEW = 2
"""So many copies are no second view of the same packets, where the names say that the files follow each other."""
_NEAREST = 8
"""Points with files of the same name, and of other names, that a file may go on with: those that ended last."""
_ETHERNET, _ADDRESS = 1, 6
"""The link type, and the bytes of an address."""
_SYNS = KNOWN | KNOWN_OTHER
"""The SYN of either end was seen."""


class _Open(NamedTuple):
    """A point whose files may go on."""

    point: Point
    stem: str
    link: int | None


def scan_all(pieces: Sequence[Piece], limits: Limits, scope: Scope, progress: Progress | None = None, *, paged: bool = False) -> list[Scanned]:
    """Reads all inputs; gives what each gave, in order of their ordinals. What cannot be opened is an issue of an empty capture. ``paged``: what is
    kept lies in files, and a flow's rows are read when they are asked for."""
    spool = Spool(paged=paged)
    points, unread = _points(pieces, limits, scope, spool, progress)
    found = [*unread]
    neighbours = _neighbours(points) if len(points) > 1 else [frozenset()] * len(points)
    some = len(points) > 1 and any(one.has_flows for one in points)
    for place, point in enumerate(points):
        whole = read_again(point, to_keep(point) | neighbours[place], spool, progress)
        found += described(whole, flows_elsewhere=some)
        if paged and whole.kernel is not None:
            whole.kernel.shed()
        points[place] = first_reading(limits, scope, spool)  # its kernel is not needed any more, or for its rows only
    return sorted(found, key=lambda item: item.capture.ordinal)


def _points(pieces: Sequence[Piece], limits: Limits, scope: Scope, spool: Spool, progress: Progress | None) -> tuple[list[Point], list[Scanned]]:
    heads = [_head(piece, limits) for piece in pieces] if len(pieces) > 1 else [Head(pieces[0], None, None)]
    ordered, left_out = _ordered(heads, scope, limits) if len(heads) > 1 else (heads, [])
    begins = sorted(head.first_ns for head in ordered if head.first_ns is not None)
    points: list[Point] = []
    unread: list[Scanned] = [*left_out]
    still: list[_Open] = []
    one_point: list[tuple[Point, Point]] = []
    of_sensors = Counter(head.piece.sensor for head in ordered)
    by_sensor: dict[str, Point] = {}
    for head in ordered:
        sensor = head.piece.sensor
        candidates = [one for one in still if one.link == head.link] if head.first_ns is not None and not sensor else []
        likely, sure = _followed(_nearest(candidates, head), head, limits, scope) if candidates else ([], [])
        point = by_sensor.get(sensor) if sensor else next(iter((*sure, *likely)), None)
        one_point += ((point, other) for other in sure[1:] if point is not None and _may_be_one(point, other))
        try:
            if point is not None:
                point.read(head.piece, progress, alone=False)
                continue
            point = first_reading(limits, scope, spool)
            point.read(head.piece, progress, alone=of_sensors[sensor] == 1 if sensor else _is_alone(head, begins, limits))
        except InputError as error:
            unread.append(_unread(head.piece, error))
            continue
        points.append(point)
        if sensor:
            by_sensor[sensor] = point
        elif head.first_ns is not None and point.halved is None:
            still.append(_Open(point, _series(head), head.link))
            if len(still) > limits.open_points:
                oldest = min(still, key=lambda one: one.point.last_ns or 0)
                oldest.point.shut = True
                still.remove(oldest)
    return _together(points, one_point, limits, scope, spool, progress), unread


def _ordered(heads: list[Head], scope: Scope, limits: Limits) -> tuple[list[Head], list[Scanned]]:
    from analyzer.capture.order import in_order, pruned  # only where there are several files

    kept, left_out = pruned(heads, scope, limits)
    return in_order(kept), left_out


def _series(head: Head) -> str:
    from analyzer.capture.order import stem

    return stem(head.piece)


def _may_be_one(one: Point, other: Point) -> bool:
    """True for points whose files do not overlap in time, and that saw nothing twice."""
    first, second = sorted((one, other), key=_first_ns)
    if first.kernel is None or second.kernel is None or _first_ns(second) < (first.last_ns or 0) - DISORDER_NS:
        return False
    return first.kernel.in_common(second.kernel, True)[1] == 0  # noqa: FBT003  the compiler knows no keywords


def _first_ns(point: Point) -> int:
    return min((part.first_ns for part in point.parts if part.first_ns is not None), default=0)


def _together(points: list[Point], pairs: Sequence[tuple[Point, Point]], limits: Limits, scope: Scope, spool: Spool, progress: Progress | None) -> list[Point]:
    """The points, with those that a later file shows to be one read again as one: it goes on with connections of each of them."""
    group = {id(point): place for place, point in enumerate(points)}
    for one, other in pairs:
        first, second = sorted((group[id(one)], group[id(other)]))
        group = {identity: first if place == second else place for identity, place in group.items()}
    found = []
    for place in range(len(points)):
        members = [point for point in points if group[id(point)] == place]
        if len(members) < 2 or not all(point.readable_again for point in members):
            found += members
            continue
        whole = first_reading(limits, scope, spool)
        try:
            for part in sorted((part for point in members for part in point.parts), key=lambda part: (part.first_ns or 0, part.piece.ordinal)):
                whole.read(part.piece, progress, alone=False)
        except InputError:  # no longer there: what was read stays
            found += members
            continue
        found.append(whole)
    return found


def _unread(piece: Piece, error: InputError) -> Scanned:
    detail = str(error).removeprefix(f"{piece.path}: ")
    capture = Capture(piece.ordinal, piece.path, piece.name, "unknown", 0)
    return Scanned(capture, (), (Issue("capture.unreadable", detail, capture=piece.ordinal),), None)


def _head(piece: Piece, limits: Limits) -> Head:
    """The first packet of a file; a pipe can be read only once."""
    if is_pipe(piece.path):
        return Head(piece, None, None)
    walk = Walk()
    first = next(_beginning(piece, limits, walk, None), None)
    return Head(piece, None, None) if first is None else Head(piece, first.ts_ns, first.link, walk.format)


def _frames(piece: Piece, limits: Limits) -> Iterator[tuple[int, int, bytes]]:
    """Time, link type and beginning of each packet in the file's first bytes."""
    return ((row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + min(row.size, 2 * _ADDRESS)])) for row in _beginning(piece, limits, Walk(), None))


def _beginning(piece: Piece, limits: Limits, walk: Walk, kernel: Kernel | None) -> Iterator[Row]:
    """The packets in the file's first bytes, but for those that the ``kernel`` takes by itself."""
    few = replace(limits, read_size_bytes=HEAD_BYTES, netmon_bytes=HEAD_BYTES)
    if piece.reeled is not None:
        yield from rows(BytesIO(piece.reeled.reel.head).readinto, few, walk, kernel)
        return
    try:
        source = opened(piece.path)
    except InputError:
        return
    left = HEAD_BYTES

    def fill(buffer: memoryview) -> int:
        nonlocal left
        got = source.fill(buffer[:left]) if left else 0
        left -= got
        return got

    try:
        yield from rows(fill, few, walk, kernel)
    except UnpackError:  # its reading will say so
        pass
    except OSError:
        pass
    finally:
        source.stream.close()
        source.raw.close()


def _nearest(candidates: Sequence[_Open], head: Head) -> list[_Open]:
    """The points that a file may go on with: those of its name first, then those that ended last."""
    series = _series(head)
    first = head.time
    possible = [one for one in candidates if (one.point.last_ns or 0) - DISORDER_NS <= first]
    own = [one for one in possible if one.stem == series]
    others = sorted((one for one in possible if one.stem != series), key=lambda one: one.point.last_ns or 0, reverse=True)
    own.sort(key=lambda one: (_apart(one.point.parts[-1].piece, head.piece), -(one.point.last_ns or 0)))
    return own[:_NEAREST] + others[:_NEAREST]


def _apart(one: Piece, other: Piece) -> int:
    """How many of the numbers in two names differ."""
    from analyzer.capture.order import digits

    return sum(a != b for a, b in zip(digits(one), digits(other), strict=False))


def _followed(candidates: Sequence[_Open], head: Head, limits: Limits, scope: Scope) -> tuple[list[Point], list[Point]]:
    """The points that the file goes on with: one that it probably does, and all whose connections go on in it."""
    likely: list[Point] = []
    sure: list[Point] = []
    from analyzer.capture.going_on import contradicted  # only where there are several files

    walk = Walk()
    begin = _begun(head.piece, limits, scope, walk)
    for before in candidates:
        kernel, last_ns = before.point.kernel, before.point.last_ns
        if kernel is None or last_ns is None:
            continue
        after = head.time >= last_ns
        known, copies = kernel.in_common(begin, not after)
        one_name = before.stem == _series(head)
        if copies * 2 > known and (copies > _FEW or not (one_name and after)):
            continue
        if (copies > _FEW and not one_name and not after) or contradicted(kernel, begin, one_name=one_name):
            continue
        interfaces = before.point.parts[-1].walk.interfaces
        if known > copies:
            sure.append(before.point)
        elif not likely and (
            (len(interfaces) > 1 and interfaces == walk.interfaces)
            or (after and _one_link(before.point, head.piece, limits, scope, all_of_it=not one_name and not _passes_on(kernel, begin)))
        ):
            likely.append(before.point)
    return likely, sure


def _passes_on(kernel: Kernel, begin: Kernel) -> bool:
    """True when a connection that the point looked at and kept nothing of (TLS on a port that is not WinRM's) is in its middle where the file begins."""
    return any(kernel.slot(here)[0] == REJECTED and not begin.slot(there)[1] & _SYNS for here, there in kernel.meeting(begin))


def _one_link(point: Point, piece: Piece, limits: Limits, scope: Scope, *, all_of_it: bool) -> bool:
    """True when frames (``all_of_it``: all frames) at the file's beginning go between stations that have frames at that of the point's first or last file, too.

    Stations have Ethernet addresses, and answer each other: what is the same in every frame is no address. Where there are none, the same hosts have to talk,
    which proves less: only files of one name go on by them."""
    files = (point.parts[0].piece, point.parts[-1].piece)
    sent = _sent(files[0], limits) | _sent(files[1], limits)
    known = {frozenset(pair) for pair in sent if pair[::-1] in sent and pair[0] != pair[1]}
    if known:
        own = {frozenset(pair) for pair in _sent(piece, limits)}
        return bool(own) and (own <= known if all_of_it else not own.isdisjoint(known))
    if all_of_it:
        return False
    return not _talkers(piece, limits, scope).isdisjoint(_talkers(files[0], limits, scope) | _talkers(files[1], limits, scope))


def _talkers(piece: Piece, limits: Limits, scope: Scope) -> frozenset[tuple[int, ...]]:
    """The pairs of hosts with TCP connections at the file's beginning."""
    begin = _begun(piece, limits, scope, Walk())
    return frozenset(ends[:4] for ends, _, _, _ in begin.addresses())


def _begun(piece: Piece, limits: Limits, scope: Scope, walk: Walk) -> Kernel:
    """A kernel that has read the file's first bytes, and kept every connection."""
    force = frozenset(range(1, _HEAD_PACKETS))
    begin = chosen()(piece.ordinal, limits, SlowPath(limits), bytes, in_place=True, all_http=scope.all_http, force=force)
    for row in _beginning(piece, limits, walk, begin):
        begin.packet(*row)
    return begin


def _sent(piece: Piece, limits: Limits) -> set[tuple[bytes, bytes]]:
    """The Ethernet addresses (target, source) of the file's first frames."""
    frames = _frames(piece, limits)
    return {(frame[:_ADDRESS], frame[_ADDRESS : 2 * _ADDRESS]) for _, link, frame in frames if link == _ETHERNET and len(frame) >= 2 * _ADDRESS}


def _is_alone(head: Head, begins: Sequence[int], limits: Limits) -> bool:
    """True when no other file can follow: every one begins before this one's end."""
    if len(begins) < 2 or head.first_ns is None or head.piece.reeled is not None:
        return True
    from analyzer.capture.halves import ends_about  # only where there are several files

    end = ends_about(head.piece.path, limits)
    return end is not None and begins[-1] < end - DISORDER_NS


def _neighbours(points: Sequence[Point]) -> list[frozenset[int]]:
    """For each point its connections that it would drop and another one keeps, by the number of their first packet."""
    tables = [[(*row, before) for kernel, before in point.tables for row in kernel.addresses()] for point in points]
    kept = [{ends for ends, state, _, _, _ in table if state in (HTTP, TLS)} for table in tables]
    everywhere = Counter(ends for own in kept for ends in own)
    found = []
    for own, table in zip(kept, tables, strict=True):
        dropped = ((ends, first + before) for ends, state, first, payloads, before in table if state == REJECTED or (state == UNDECIDED and payloads))
        found.append(frozenset(first for ends, first in dropped if ends not in own and everywhere[ends]))
    return found
