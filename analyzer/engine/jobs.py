"""Jobs that travel: module-level functions on plain arguments, so that they run in this process, in copies of it, or on the machines of a cluster.

Each job writes what it finds into the job store, as an object whose name is made of all that the job depends on: the input, this version, the settings. A job
whose object is there is not run again, whoever ran it. So a worker that is lost costs the work that it had not finished, and a second run only what is new.

    scan[i]    capture i            -> its reel (`analyzer.capture.reels`)
    rest[i]    capture i            -> its reel with connections that a neighbour keeps
    points     all reels            -> descriptions and candidate flows; which reels lack packets (`analyzer.engine.pointing`)
    talk[k]    connections, reels   -> connections, exchanges, messages, conversations
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from time import thread_time
from typing import BinaryIO, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.containers import HEAD_SIZE
from analyzer.capture.identity import identity_at
from analyzer.capture.open import on_disk, packing_of
from analyzer.capture.reels import reeled, trailer, whole
from analyzer.engine.keeping import packed, unpacked
from analyzer.engine.plan import Talk, Tools, Work, talk
from analyzer.engine.room import room_of
from analyzer.engine.spools import Spools
from analyzer.errors import InputError
from analyzer.formats.tls import KeyLog
from analyzer.http.exchanges import most_exchanges
from analyzer.records.capture import Capture, Flow
from analyzer.records.issues import Issue
from analyzer.settings import Limits, Scope
from analyzer.system.files import is_url
from analyzer.system.objects import Objects, told_of
from analyzer.system.outputs import spool
from analyzer.system.sums import SUM, checked, tail
from analyzer.version import __version__

_FORM = 5
"""Of what is in the store: one more when an object of before cannot be used."""
_EDGE = 1 << 16
Kind = TypeVar("Kind", bound=Struct)


class Told(Struct, frozen=True, gc=False):
    """What a job gives back: the name of its object in the store, whether it was there already, bytes that it read, seconds of the
    processor, why there is none."""

    name: str
    found: bool = False
    read_bytes: int = 0
    seconds: float = 0.0
    failed: str = ""


class ScanAsk(Struct, frozen=True, gc=False):
    """What *scan* and *rest* are given."""

    path: str
    limits: Limits
    scope: Scope
    store: str
    force: tuple[int, ...] = ()


class Packed(Struct, frozen=True, gc=False):
    """A connection of `Work`, as it travels."""

    number: int
    flows: tuple[Flow, ...]
    twin_of: int | None
    views: tuple[tuple[int, tuple[Flow, ...]], ...]
    strays: tuple[int, ...]
    reuses: int | None
    notes: tuple[Issue, ...]


class TalkAsk(Struct, frozen=True, gc=False):
    """What *talk* is given: connections, where their bytes lie (name of the reel by ordinal; ``captures`` are those without one), and the limits. ``work`` is
    packed, as most of it is columns."""

    work: bytes
    captures: tuple[Capture, ...]
    reels: tuple[str, ...]
    spool: str
    spool_size: int
    limits: Limits
    store: str


class Talked(Struct, frozen=True, gc=False):
    """What *talk* gave."""

    talks: tuple[Talk, ...]


def digest(*parts: object) -> str:
    """A name for all that a job depends on."""
    made = hashlib.sha256(f"{__version__}/{_FORM}".encode())
    for part in parts:
        made.update(b"\0")
        made.update(part if isinstance(part, bytes) else msgspec.msgpack.encode(part, order="deterministic"))
    return made.hexdigest()[:40]


class Input(Struct, frozen=True, gc=False):
    """An input as it is told from others without reading all of it; ``packed``: it is compressed, or lies in an archive."""

    digest: str
    packed: bool


def told_input(path: str) -> Input:
    """An input by size, times, first and last bytes; an object in a store by what the store tells. `InputError`: there is none.

    The time of the last change of its entry (POSIX) counts, too: that of its bytes is set back by whoever likes."""
    if is_url(path):
        told = told_of(path)
        folder, _, name = path.rpartition("/")
        first = Objects(folder).read(name, 0, HEAD_SIZE)
        return Input(digest(*map(str, told)), packing_of(first) is not None)
    held = Path(on_disk(path))
    try:
        size_and_time = held.stat()
        with held.open("rb") as file:
            first = file.read(_EDGE)
            file.seek(max(size_and_time.st_size - _EDGE, 0))
            last = file.read(_EDGE)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InputError(msg) from error
    inside = "" if str(held) == path else str(Path(path).relative_to(held))
    times = (size_and_time.st_mtime_ns, size_and_time.st_ctime_ns)
    return Input(digest(size_and_time.st_size, times, first, last, inside), bool(inside) or packing_of(first) is not None)


def scan_name(ask: ScanAsk) -> str:
    """The name of a reel. What compressed captures may become is shared by all of a run, and matters to no other. `InputError` as for `told_input`."""
    told = told_input(ask.path)
    limits = ask.limits if told.packed else replace(ask.limits, packed_bytes=0)
    return f"scan-{digest(told.digest, limits, ask.scope, tuple(sorted(set(ask.force))))}.reel"


def scan(ask: ScanAsk) -> Told:
    """Jobs *scan* and *rest*: the reel of one capture is in the store."""
    began = thread_time()
    store = Objects(ask.store)
    try:
        name = scan_name(ask)
        known = store.size(name)
        if known:
            return Told(name, found=True)
        with spool() as file:

            def read(at: int, size: int) -> bytes:
                file.seek(at)
                return file.read(size)

            made = whole(reeled(ask.path, ask.limits, ask.scope, file, ask.force), ask.limits, ask.scope, read)
            file.seek(0, 2)
            file.write(trailer(made))
            store.fill(name, lambda to: _copy(file, to))
    except InputError as error:
        return Told("", failed=str(error))
    return Told(name, read_bytes=made.size, seconds=thread_time() - began)


def _copy(held: BinaryIO, file: BinaryIO) -> None:
    held.seek(0)
    while piece := held.read(1 << 20):
        file.write(piece)


def are_there(store: Objects, *names: str) -> bool:
    """Whether all that a job leaves is in the store: where one of its objects was deleted, it is done again."""
    return all(store.size(name) is not None for name in names)


def keep(store: Objects, name: str, held: BinaryIO | None) -> int:
    """The bytes of a file (None: there are none) are in the store, with their sums; how many there are."""
    size = 0 if held is None else held.seek(0, 2)

    def read(at: int, most: int) -> bytes:
        if held is None:
            return b""
        held.seek(at)
        return held.read(most)

    def copied(to: BinaryIO) -> None:
        if held is not None:
            _copy(held, to)
        to.write(tail(read, size))

    store.fill(name, copied)
    return size


def write_object(store: Objects, name: str, data: bytes) -> None:
    """With a sum in front: what a disk or a network changed is found."""
    store.write(name, [checked(data), data])


def read_object(store: Objects, name: str, kind: type[Kind]) -> Kind:
    """What is there. `InputError`: it is damaged."""
    data = store.read(name, 0, store.size(name) or 0)
    try:
        if data[:SUM] == checked(data[SUM:]):
            return unpacked(data[SUM:], kind)
        why = "this is damaged"
    except InputError as error:
        why = str(error)
    msg = f"{store.place}/{name}: {why}; delete it, and it is made again"
    raise InputError(msg)


def travelling(work: Sequence[Work]) -> bytes:
    """Connections as they travel."""
    return packed(_Works(tuple(Packed(*one) for one in work)))


def works_of(data: bytes) -> list[Work]:
    """The connections that travelled."""
    return [Work(one.number, one.flows, one.twin_of, one.views, one.strays, one.reuses, one.notes) for one in unpacked(data, _Works).work]


class _Works(Struct, frozen=True, gc=False):
    work: tuple[Packed, ...]


def talked(ask: TalkAsk) -> Told:
    """Job *talk*: what the connections of one shard say is in the store."""
    began = thread_time()
    store = Objects(ask.store)
    name = f"talk-{talk_digest(ask)}.found"
    if store.size(name) is not None and _holds(store, name, ask.limits):
        return Told(name, found=True)
    sources = opened_spools(store, ask)
    made = Talked(talk(expected(works_of(ask.work), sources), Tools(sources.fetch, sources.store, KeyLog(), ask.limits)))
    try:
        write_object(store, name, packed(made, lossless=True))
    except UnicodeEncodeError:
        return Told("", failed="text that no file of records can hold")
    finally:
        sources.close()
    return Told(name, seconds=thread_time() - began)


class _Lie(Protocol):
    """Where bytes lie: in reels by ordinal (empty: in the capture itself), and in an object with those that lie in no file."""

    @property
    def captures(self) -> tuple[Capture, ...]: ...

    @property
    def reels(self) -> tuple[str, ...]: ...

    @property
    def spool(self) -> str: ...

    @property
    def spool_size(self) -> int: ...

    @property
    def limits(self) -> Limits: ...


def opened_spools(store: Objects, asked: _Lie) -> Spools:
    """What reads them."""
    captures, reels = [as_seen_here(one) for one in asked.captures], [one or None for one in asked.reels]
    return Spools(captures, store, reels, asked.spool or None, asked.spool_size, asked.limits.open_files)


def expected(works: list[Work], sources: Spools) -> list[Work]:
    """The same connections: their payload will be asked for."""
    sources.expect(flow for one in works for own in (one.flows, *(flows for _, flows in one.views)) for flow in own)
    return works


def _holds(store: Objects, name: str, limits: Limits) -> bool:
    """What is there comes out with these limits, too: no connection met those that depend on how many there are. Of what is damaged its reader will tell."""
    try:
        talks = talks_of(store, name)
    except InputError:
        return True
    return all(0 <= one.unpacked <= room_of(one.connection, limits) and len(one.exchanges) < most_exchanges(one.connection, limits) for one in talks)


def as_seen_here(capture: Capture) -> Capture:
    """The capture with its file's identity as this machine tells it: another one, or the machine that scanned it once, may tell another device, or have read a
    copy. Of a file that is not what was scanned it stays; of one that is not to be seen from here nothing is known."""
    if capture.identity is None or is_url(capture.path):
        return capture
    here = identity_at(on_disk(capture.path))
    same = here is not None and (here.size, here.modified_ns) == (capture.identity.size, capture.identity.modified_ns)
    return replace(capture, identity=here) if same or here is None else capture


def talk_digest(ask: TalkAsk) -> str:
    """Of all that *talk* depends on: reels and connections tell it, the paths of the captures do not matter; nor do the limits that are a share of the run's,
    as long as none is met (`_holds`)."""
    return digest(ask.work, list(ask.reels), ask.captures, ask.spool, replace(ask.limits, exchange_bytes=0, unpacked_bytes=0))


def talks_of(store: Objects, name: str) -> tuple[Talk, ...]:
    """What *talk* gave, out of the store. `InputError`: it is damaged."""
    return read_object(store, name, Talked).talks
