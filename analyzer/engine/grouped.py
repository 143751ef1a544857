"""A run whose evidence does not fit into memory: connections are read once, tied into parts, and looked at in groups, each in a process of its own.

talk     batches of connections -> what they say, in files; of each a summary (`analyzer.engine.bonds`)
parts    all summaries          -> which connections go together (`analyzer.engine.parts`)
share    one group              -> its rows, its findings (`analyzer.engine.shares`)
whole    all shares             -> the result (`analyzer.engine.wholes`)
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from analyzer.capture.scan import Scanned
from analyzer.engine.bonds import address, bonds, called, gateway_errors
from analyzer.engine.forks import in_turn, processes
from analyzer.engine.keeping import packed, unpacked
from analyzer.engine.parts import Summary, groups, parts
from analyzer.engine.plan import Talk, Tools, Work, talk, unread_connections, weight
from analyzer.engine.reading import Given, gathered
from analyzer.engine.shares import Share, share
from analyzer.engine.sources import Sources
from analyzer.engine.wholes import Whole, whole
from analyzer.engine.work import Settings

Progress = Callable[[str, int, int], None]


class Talked(Struct, frozen=True, gc=False):
    """What one connection, with the tunnels in it, said."""

    talks: tuple[Talk, ...]


class Memory(Struct, frozen=True, gc=False):
    """``limit``: bytes that a process may have. ``each``: every part is a group of its own, for tests."""

    limit: int
    each: bool = False


_BASE = 96 << 20
"""What a process has before it holds records."""
_TALK, _RECORDS = 4, 9
"""Times the payload of a batch, and the packed size of what it said, that reading it, and looking at it, takes."""
_EACH = 16 << 10
"""What a connection takes besides."""


def need(todo: Sequence[Work]) -> int:
    """About how many bytes of memory the whole run takes."""
    return _BASE + sum(weight(item) * _TALK + _EACH for item in todo)


def grouped(scanned: list[Scanned], sources: Sources, settings: Settings, memory: Memory, folder: Path, progress: Progress | None = None) -> Whole:
    """The whole of a run in groups. Files of it lie in ``folder``."""
    given, todo = gathered(scanned, sources, settings)
    room = max(memory.limit - _BASE, 16 << 20)
    found, unread = _summaries(todo, given.tools, sources, folder, room, progress)
    tied = [(address(one), address(other)) for one, other in _with_kdc(given)]
    tied += [(address(claim.host), bond) for claim in given.names for bond in called(claim.name)]
    made = groups(found, parts(found, tied), 0 if memory.each else room) or [[]]
    shares: list[Share] = []
    work = partial(_share, found=found, given=given, settings=settings, folder=folder)
    count = 1 if given.tools.keys else processes()
    for one in in_turn(lambda numbered: work(*numbered), list(enumerate(made)), count):
        shares.append(one)
        if progress is not None:
            progress("groups", len(shares), len(made))
    return whole(shares, given, unread, settings, folder)


def _with_kdc(given: Given) -> Iterator[tuple[str, str]]:
    yield from (flow.hosts for flow in given.with_kdc)
    yield from ((piece.source[0], piece.target[0]) for piece in given.datagrams)


def _share(number: int, places: Sequence[int], *, found: Sequence[Summary], given: Given, settings: Settings, folder: Path) -> Share:
    return share(number, list(_talks(found[place] for place in places)), given, settings, folder)


def _talks(found: Iterable[Summary]) -> Iterator[Talk]:
    for one in found:
        name, at, size = one.place
        with Path(name).open("rb") as file:
            file.seek(at)
            yield from unpacked(file.read(size), Talked).talks


def _summaries(todo: Sequence[Work], tools: Tools, sources: Sources, folder: Path, room: int, progress: Progress | None):  # noqa: ANN202
    batches = list(enumerate(_batches(todo, room)))
    found: list[Summary] = []
    read = partial(_batch, tools=tools, folder=folder)
    done = 0
    sources.flush()
    for one in in_turn(lambda numbered: read(*numbered), batches, 1 if tools.keys else processes()):
        found += one
        done += len(one)
        if progress is not None:
            progress("connections", done, len(todo))
    sources.flush()
    found.sort(key=lambda one: one.number)
    numbers = {one.number for one in found}
    left = [item for item in todo if item.number not in numbers]
    return found, unread_connections(left, (), tools.budget) if left else ()


def _batches(todo: Sequence[Work], room: int) -> Iterator[list[Work]]:
    batch: list[Work] = []
    held = 0
    for item in todo:
        cost = weight(item) * _TALK + _EACH
        if batch and held + cost > room:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += cost
    if batch:
        yield batch


def _batch(number: int, items: Sequence[Work], *, tools: Tools, folder: Path) -> list[Summary]:
    """One batch is read; what it said lies in a file."""
    path = folder / f"{number}.talks"
    out: list[Summary] = []
    at = 0
    with path.open("wb") as file:
        for item in items:
            talks = talk((item,), tools)
            if not talks:
                continue
            data = packed(Talked(talks), lossless=True)
            file.write(data)
            points = tuple({flow.point for flow in item.flows})
            views = (*(view[0] for view in item.views), *((item.twin_of,) if item.twin_of is not None else ()))
            cost = len(data) * _RECORDS + _EACH
            trouble = any(one.connection.syn is not None and not one.connection.established for one in talks), gateway_errors(talks)
            out.append(Summary(item.number, points, bonds(talks, tools.fetch), cost, (str(path), at, len(data)), views, *trouble))
            at += len(data)
    return out
