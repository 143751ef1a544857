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
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from analyzer.capture.bits import HTTP, KNOWN, KNOWN_OTHER, REJECTED, TLS, UNDECIDED
from analyzer.capture.kernel import Kernel
from analyzer.capture.point import DISORDER_NS, Head, Part, Piece, Point, Progress, Spool
from analyzer.capture.scan import Scanned, described, first_reading, read_again, to_keep
from analyzer.errors import InputError
from analyzer.records.capture import Capture
from analyzer.records.issues import Issue
from analyzer.settings import Limits, Scope

if TYPE_CHECKING:
    from analyzer.capture.beginnings import Beginnings

_FEW = 2
"""So many copies are no second view of the same packets, where the names say that the files follow each other."""
_NEAREST = 8
"""Points with files of the same name, and of other names, that a file may go on with: those that ended last."""
_SYNS = KNOWN | KNOWN_OTHER
"""The SYN of either end was seen."""


class _Open(NamedTuple):
    """A point whose files may go on."""

    point: Point
    stem: str
    link: int | None


class Reading:
    """The points while files are read, one after the other. What it comes to does not depend on files after them, so that they need not be there yet."""

    def __init__(self, limits: Limits, scope: Scope, *, paged: bool = False) -> None:
        self.limits, self.scope = limits, scope
        self.spool = Spool(paged=paged)
        self.heads: list[Head] = []
        """What was read, in order."""
        self.points: list[Point] = []
        self.unread: list[Scanned] = []
        self._one_point: list[tuple[Point, Point]] = []
        """Points of which a later file shows that they are one."""
        self._wholes: list[Point] = []
        """What was read again of such points, as one."""
        self._still: list[_Open] = []
        self._by_sensor: dict[str, Point] = {}

    @cached_property
    def _beginnings(self) -> "Beginnings":
        from analyzer.capture.beginnings import Beginnings  # only where there are several files

        return Beginnings(self.limits, self.scope)

    def read(self, one: Head, progress: Progress | None = None, alone: Callable[[Head], bool] = lambda _: False) -> None:
        """The next file. ``alone``: whether no other can go on where it ends; for files with reels that does not matter."""
        self.heads.append(one)
        sensor, still = one.piece.sensor, self._still
        candidates = [other for other in still if other.link == one.link] if one.first_ns is not None and not sensor else []
        likely, sure = self._followed(_nearest(candidates, one), one) if candidates else ([], [])
        point = self._by_sensor.get(sensor) if sensor else next(iter((*sure, *likely)), None)
        self._one_point += ((point, other) for other in sure[1:] if point is not None and _may_be_one(point, other))
        try:
            if point is not None:
                point.read(one.piece, progress, alone=False)
                return
            point = first_reading(self.limits, self.scope, self.spool)
            point.read(one.piece, progress, alone=alone(one))
        except InputError as error:
            self.unread.append(_unread(one.piece, error))
            return
        self.points.append(point)
        if sensor:
            self._by_sensor[sensor] = point
        elif one.first_ns is not None and point.halved is None:
            still.append(_Open(point, _series(one), one.link))
            if len(still) > self.limits.open_points:
                oldest = min(still, key=lambda other: other.point.last_ns or 0)
                oldest.point.shut = True
                still.remove(oldest)

    def settle(self, progress: Progress | None = None) -> None:
        """Reads again, as one, the points of which that is known by now, as far as they were read."""
        for members in self._groups():
            if len(members) > 1:
                self._as_one(members, progress)

    @property
    def is_settled_well(self) -> bool:
        """False where a file that came later belongs in front of others that were read again already."""
        orders = [[part.piece.ordinal for part in _parts_of(members)] for members in self._groups()]
        read = [[part.piece.ordinal for part in whole.parts] for whole in self._wholes]
        return all(any(order[: len(own)] == own for order in orders) for own in read)

    def together(self, progress: Progress | None) -> list[Point]:
        """The points, with those that a later file shows to be one read again as one: it goes on with connections of each of them. Nothing can be read after
        that: kernels that are not needed any more are not held."""
        found = []
        for members in self._groups():
            whole = self._as_one(members, progress) if len(members) > 1 else None
            found += members if whole is None else [whole]
        for held in (self.points, self._one_point, self._wholes, self._still, self._by_sensor):
            held.clear()
        return found

    def _groups(self) -> list[list[Point]]:
        """The points, those that are one together."""
        points = self.points
        group = {id(point): place for place, point in enumerate(points)}
        for one, other in self._one_point:
            first, second = sorted((group[id(one)], group[id(other)]))
            group = {identity: first if place == second else place for identity, place in group.items()}
        grouped = [[point for point in points if group[id(point)] == place] for place in range(len(points))]
        return [members for members in grouped if members]

    def _as_one(self, members: Sequence[Point], progress: Progress | None) -> Point | None:
        """One point with all files of several, of which those that come first may have been read as one already; None where they cannot be read again."""
        if not all(point.readable_again for point in members):
            return None
        parts = _parts_of(members)
        ordinals = [part.piece.ordinal for part in parts]
        whole = next((one for one in self._wholes if [part.piece.ordinal for part in one.parts] == ordinals[: len(one.parts)]), None)
        if whole is None:
            whole = first_reading(self.limits, self.scope, self.spool)
            self._wholes.append(whole)
        try:
            for part in parts[len(whole.parts) :]:
                whole.read(part.piece, progress, alone=False)
        except InputError:  # no longer there: what was read stays
            return None
        return whole

    def _followed(self, candidates: Sequence[_Open], one: Head) -> tuple[list[Point], list[Point]]:
        """The points that the file goes on with: one that it probably does, and all whose connections go on in it."""
        likely: list[Point] = []
        sure: list[Point] = []
        from analyzer.capture.going_on import contradicted  # only where there are several files

        begin, walk = self._beginnings.begun(one.piece)
        for before in candidates:
            kernel, last_ns = before.point.kernel, before.point.last_ns
            if kernel is None or last_ns is None:
                continue
            after = one.time >= last_ns
            known, copies = kernel.in_common(begin, not after)
            one_name = before.stem == _series(one)
            if copies * 2 > known and (copies > _FEW or not (one_name and after)):
                continue
            if (copies > _FEW and not one_name and not after) or contradicted(kernel, begin, one_name=one_name):
                continue
            interfaces = before.point.parts[-1].walk.interfaces
            if known > copies:
                sure.append(before.point)
            elif not likely and (
                (len(interfaces) > 1 and interfaces == walk.interfaces)
                or (after and self._one_link(before.point, one.piece, all_of_it=not one_name and not _passes_on(kernel, begin)))
            ):
                likely.append(before.point)
        return likely, sure

    def _one_link(self, point: Point, piece: Piece, *, all_of_it: bool) -> bool:
        """True when frames (``all_of_it``: all frames) at the file's beginning go between stations that have frames at that of the point's first or last file,
        too.

        Stations have Ethernet addresses, and answer each other: what is the same in every frame is no address. Where there are none, the same hosts have to
        talk, which proves less: only files of one name go on by them."""
        first, last = point.parts[0].piece, point.parts[-1].piece
        look = self._beginnings
        sent = look.sent(first) | look.sent(last)
        known = {frozenset(pair) for pair in sent if pair[::-1] in sent and pair[0] != pair[1]}
        if known:
            own = {frozenset(pair) for pair in look.sent(piece)}
            return bool(own) and (own <= known if all_of_it else not own.isdisjoint(known))
        if all_of_it:
            return False
        return not look.talkers(piece).isdisjoint(look.talkers(first) | look.talkers(last))


def scan_all(
    pieces: Sequence[Piece], limits: Limits, scope: Scope, progress: Progress | None = None, *, paged: bool = False, begun: Reading | None = None
) -> list[Scanned]:
    """Reads all inputs; gives what each gave, in order of their ordinals. What cannot be opened is an issue of an empty capture. ``paged``: what is
    kept lies in files, and a flow's rows are read when they are asked for. ``begun``: what has read the first of these pieces (the same objects) already."""
    reading = _read(pieces, begun or Reading(limits, scope, paged=paged), progress)
    points = reading.together(progress)
    spool = reading.spool
    found = [*reading.unread]
    neighbours = _neighbours(points) if len(points) > 1 else [frozenset()] * len(points)
    some = len(points) > 1 and any(one.has_flows for one in points)
    for place, point in enumerate(points):
        whole = read_again(point, to_keep(point) | neighbours[place], spool, progress)
        found += described(whole, flows_elsewhere=some)
        if paged and whole.kernel is not None:
            whole.kernel.shed()
        points[place] = first_reading(limits, scope, spool)  # its kernel is not needed any more, or for its rows only
    return sorted(found, key=lambda item: item.capture.ordinal)


def _read(pieces: Sequence[Piece], begun: Reading, progress: Progress | None) -> Reading:
    """All pieces read by ``begun``, or by another one where that did not begin with those that come first."""
    limits, scope = begun.limits, begun.scope
    ordered, left_out = _ordered(pieces, begun) if len(pieces) > 1 else ([Head(pieces[0], None, None)], [])
    begins = sorted(one.first_ns for one in ordered if one.first_ns is not None)
    of_sensors = Counter(one.piece.sensor for one in ordered)

    def alone(one: Head) -> bool:
        return of_sensors[one.piece.sensor] == 1 if one.piece.sensor else _is_alone(one, begins, limits)

    reading = begun
    goes_on = [one.piece.ordinal for one in begun.heads] == [one.piece.ordinal for one in ordered[: len(begun.heads)]]
    for one in ordered[len(begun.heads) :] if goes_on else ():
        reading.read(one, progress, alone)
    if not goes_on or not reading.is_settled_well:
        reading = Reading(limits, scope, paged=begun.spool.paged)
        for piece in pieces:
            if piece.reeled is not None:  # in another order, something else is missing
                piece.reeled.missing.clear()
        for one in ordered:
            reading.read(one, progress, alone)
    reading.unread += left_out
    return reading


def _ordered(pieces: Sequence[Piece], begun: Reading) -> tuple[list[Head], list[Scanned]]:
    from analyzer.capture.beginnings import head  # only where there are several files
    from analyzer.capture.order import in_order, pruned

    known = {one.piece.ordinal: one for one in begun.heads}
    heads = [known.get(piece.ordinal) or head(piece, begun.limits) for piece in pieces]
    kept, left_out = pruned(heads, begun.scope, begun.limits)
    return in_order(kept), left_out


def _series(head: Head) -> str:
    from analyzer.capture.order import stem

    return stem(head.piece)


def _parts_of(members: Sequence[Point]) -> list[Part]:
    """The files of several points that are one, in the order in which it reads them."""
    return sorted((part for point in members for part in point.parts), key=lambda part: (part.first_ns or 0, part.piece.ordinal))


def _may_be_one(one: Point, other: Point) -> bool:
    """True for points whose files do not overlap in time, and that saw nothing twice."""
    first, second = sorted((one, other), key=_first_ns)
    if first.kernel is None or second.kernel is None or _first_ns(second) < (first.last_ns or 0) - DISORDER_NS:
        return False
    return first.kernel.in_common(second.kernel, True)[1] == 0  # noqa: FBT003  the compiler knows no keywords


def _first_ns(point: Point) -> int:
    return min((part.first_ns for part in point.parts if part.first_ns is not None), default=0)


def _unread(piece: Piece, error: InputError) -> Scanned:
    detail = str(error).removeprefix(f"{piece.path}: ")
    capture = Capture(piece.ordinal, piece.path, piece.name, "unknown", 0)
    return Scanned(capture, (), (Issue("capture.unreadable", detail, capture=piece.ordinal),), None)


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


def _passes_on(kernel: Kernel, begin: Kernel) -> bool:
    """True when a connection that the point looked at and kept nothing of (TLS on a port that is not WinRM's) is in its middle where the file begins."""
    return any(kernel.slot(here)[0] == REJECTED and not begin.slot(there)[1] & _SYNS for here, there in kernel.meeting(begin))


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
