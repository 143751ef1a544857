"""Job *points*: which file goes on in which, by the reels of all of them (`analyzer.capture.points`), one after the other.

It is one job, and would keep all workers but one waiting. So job *ahead* reads the reels that are there while others are still made, and what it came to stays
in the memory of its worker: *points* goes on with it there. Where it does not come to that worker, or to another order of files, it begins from the beginning.
"""

from collections.abc import Sequence
from threading import Lock
from time import thread_time

from msgspec import Struct

from analyzer.capture.beginnings import head
from analyzer.capture.order import digits, stem
from analyzer.capture.point import Piece
from analyzer.capture.points import Reading, scan_all
from analyzer.capture.reels import Missing, Reeled
from analyzer.engine.jobs import Told, are_there, digest, keep, read_object, write_object
from analyzer.engine.keeping import packed
from analyzer.engine.spools import read_place
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.records.names import NameClaim
from analyzer.settings import Limits, Scope
from analyzer.system.objects import Objects

Named = tuple[str, str, str, str]
"""A capture: path, name, name of the reel (empty: the file itself is read), name of the sensor."""


class Described(Struct, frozen=True, gc=False):
    """What the scan gave of one capture: `analyzer.capture.scan.Scanned`, without its spool."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    kdc: tuple[KdcPiece, ...]
    icmp: tuple[IcmpError, ...]
    names: tuple[NameClaim, ...]


class Pointed(Struct, frozen=True, gc=False):
    """What *points* gave: the captures, the bytes of the object with payload that lies in no file, and what is missing from which reel (ordinal, packet)."""

    captures: tuple[Described, ...]
    spool_size: int
    missing: tuple[tuple[int, int], ...]


class PointsAsk(Struct, frozen=True, gc=False):
    """What *points* and *ahead* are given: captures in order. ``after``: how many come before these, which *ahead* was given already."""

    captures: tuple[Named, ...]
    limits: Limits
    scope: Scope
    store: str
    after: int = 0


class _Begun:
    """What has read some captures: their reels, and what is missing or damaged there."""

    def __init__(self, ask: PointsAsk) -> None:
        self.of = _run_of(ask)
        self._store = Objects(ask.store)
        self.captures: list[Named] = []
        self.pieces: list[Piece] = []
        self.missing: list[Missing] = []
        self.damaged: list[InputError] = []
        self.reading = Reading(ask.limits, ask.scope)

    def know(self, captures: Sequence[Named]) -> list[Piece]:
        """Captures that follow. `InputError`: a reel is damaged."""
        known = len(self.pieces)
        for path, shown, reel, sensor in captures:
            self.pieces.append(Piece(path, len(self.pieces), shown, self._reel(reel) if reel else None, sensor=sensor))
        self.captures += captures
        return self.pieces[known:]

    def close(self) -> None:
        """Closes the files; they are opened again when they are read again."""
        self._store.close()

    def _reel(self, name: str) -> Reeled:
        reel, bytes_of = read_place(self._store, name)

        def read(at: int, size: int) -> bytes:
            try:
                return bytes_of.read(at, size)
            except InputError as error:
                self.damaged.append(error)
                raise

        return Reeled(reel, read, self.missing)


_held: list[_Begun] = []
"""What the last *ahead* of this process came to: one run's at most, until its *points* takes it, or another run begins."""
_lock = Lock()


def _run_of(ask: PointsAsk) -> str:
    return digest(ask.limits, ask.scope, ask.store)


def _taken(ask: PointsAsk, captures: int | None = None) -> _Begun | None:
    """What is held of this run, if it has read so many captures (None: any number); else it stays. What is held of another run is held no longer."""
    with _lock:
        begun = _held.pop() if _held else None
        if begun is None or begun.of != _run_of(ask):
            return None
        if captures in (None, len(begun.captures)):
            return begun
        _held.append(begun)
    return None


def goes_ahead(captures: Sequence[tuple[str, str]], scope: Scope) -> bool:
    """Whether captures (path, sensor) are read in this order, as far as their names tell: of others, a later one may have to be read first."""
    pieces = [Piece(path, place, "", sensor=sensor) for place, (path, sensor) in enumerate(captures)]
    numbers = [digits(piece) for piece in pieces]
    one_series = len({stem(piece) for piece in pieces}) == 1 and not any(piece.sensor for piece in pieces)
    return one_series and numbers == sorted(numbers) and scope.since_ns is None and scope.until_ns is None


def ahead(ask: PointsAsk) -> Told:
    """Job *ahead*: these reels are read by what is held here since the captures before them were. What is damaged is told by *points*, as is all else."""
    began = thread_time()
    begun = _taken(ask, ask.after) if ask.after else _Begun(ask)
    if begun is None:
        return Told("", failed="what it goes on with is not held here")
    try:
        for piece in begun.know(ask.captures):
            begun.reading.read(head(piece, ask.limits))
        begun.reading.settle()
    except InputError as error:
        begun.damaged.append(error)
    finally:
        begun.close()
    if begun.damaged:
        return Told("", seconds=thread_time() - began, failed=str(begun.damaged[0]))
    with _lock:
        _held[:] = [begun]
    return Told("", seconds=thread_time() - began)


def points(ask: PointsAsk) -> Told:
    """Job *points*: which files go on in which, the candidate flows, and which reels lack packets."""
    began = thread_time()
    store = Objects(ask.store)
    name = f"points-{points_digest(ask)}"
    held = _taken(ask)
    if are_there(store, f"{name}.found", f"{name}.spool"):
        return Told(name, found=True)
    begun = held if held is not None and (*held.captures,) == ask.captures[: len(held.captures)] else _Begun(ask)
    begun.know(ask.captures[len(begun.captures) :])
    scanned = scan_all(begun.pieces, ask.limits, ask.scope, begun=begun.reading)
    if begun.damaged:  # to the scan, a file that cannot be read is an empty capture; the capture itself is whole, and this would be believed from now on
        raise begun.damaged[0]
    spooled = next((one.spool for one in scanned if one.spool is not None), None)
    spool_size = keep(store, f"{name}.spool", spooled)
    found = Pointed(
        tuple(Described(one.capture, one.flows, one.issues, one.kdc, one.icmp, one.names) for one in scanned),
        spool_size,
        tuple(sorted({(one.ordinal, one.first) for one in begun.missing})),
    )
    write_object(store, f"{name}.found", packed(found))
    begun.close()
    return Told(name, seconds=thread_time() - began)


def points_digest(ask: PointsAsk) -> str:
    """Of all that *points* depends on."""
    return digest([list(one) for one in ask.captures], ask.limits, ask.scope)


def pointed(store: Objects, name: str) -> Pointed:
    """What *points* gave, out of the store. `InputError`: it is damaged."""
    return read_object(store, f"{name}.found", Pointed)
