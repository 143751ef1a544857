"""A run whose evidence does not fit into memory: connections are read once, tied into parts, and looked at in groups, each in a process of its own.

talk     batches of connections -> what they say, in files; of each a summary (`analyzer.engine.bonds`)
parts    all summaries          -> which connections go together (`analyzer.engine.parts`)
share    one group              -> its rows, its findings (`analyzer.engine.shares`)
whole    all shares             -> the result (`analyzer.engine.wholes`)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.open import STDIN, packing_of
from analyzer.engine.bonds import address, called
from analyzer.engine.forks import in_turn, processes
from analyzer.engine.keeping import unpacked
from analyzer.engine.parts import Summary, groups, parts
from analyzer.engine.plan import Talk, Tools, Work, unread_connections, weight
from analyzer.engine.reading import Given, few_collections
from analyzer.engine.shares import Share, share, without_titles
from analyzer.engine.sources import Sources
from analyzer.engine.summing import EACH, Talked, summed
from analyzer.engine.wholes import Whole, whole
from analyzer.engine.work import Settings
from analyzer.records.issues import Issue
from analyzer.reports.masking import Mask
from analyzer.rules.catalogue import rules
from analyzer.system.outputs import new_file, scratch

Progress = Callable[[str, int, int], None]


class Memory(Struct, frozen=True, gc=False):
    """``limit``: bytes that a process may have. ``mask`` goes over all that is told, as what is told lies in files. ``each``: every part is a group of its own,
    for tests."""

    limit: int
    mask: Mask
    each: bool = False


_BASE = 96 << 20
"""What a process has before it holds records."""
_TALK = 4
"""Times the payload of a batch, that reading it takes."""
_HELD = 5 << 10
"""What the process that asks holds of a connection until the end; those that it forks have it, too."""
_MAGIC_SIZE = 6
"""Bytes that tell a compression."""


def need(todo: Sequence[Work]) -> int:
    """About how many bytes of memory the whole run takes."""
    return _need_of(sum(map(weight, todo)), len(todo))


def is_large(paths: Sequence[str], memory: Memory) -> bool:
    """Whether the connections of these inputs may take more than there is; what compressed ones become, or will come through a pipe, is not known."""
    sizes = [_plain_size(path) for path in paths]
    return memory.each or None in sizes or _need_of(sum(size or 0 for size in sizes), 0) > memory.limit


def _plain_size(path: str) -> int | None:
    """Bytes of a plain file; None of what is compressed, or no file."""
    try:
        if path == STDIN or not Path(path).is_file():
            return None
        with Path(path).open("rb") as file:
            head = file.read(_MAGIC_SIZE)
        return None if packing_of(head) is not None else Path(path).stat().st_size
    except (OSError, ValueError):
        return None


def _need_of(payload: int, connections: int) -> int:
    """The same of so much payload in so many connections."""
    return _BASE + payload * _TALK + connections * EACH


def in_groups(given: Given, todo: list[Work], sources: Sources, settings: Settings, memory: Memory, progress: Progress | None = None) -> Whole | None:
    """The whole of a run in groups, with its files in a temporary folder that is gone with it; None where all fits into memory at once."""
    if not memory.each and need(todo) <= memory.limit:
        return None
    held = ExitStack()
    folder = held.enter_context(scratch())
    with few_collections():
        return replace(grouped(given, todo, sources, settings, memory, folder, progress), memory=memory.limit, held=held)


def grouped(given: Given, todo: list[Work], sources: Sources, settings: Settings, memory: Memory, folder: Path, progress: Progress | None = None) -> Whole:
    """The whole of a run in groups. Files of it lie in ``folder``; ``todo`` is emptied."""
    room = max(memory.limit - _BASE - _HELD * len(todo), memory.limit // 4, 16 << 20)
    dealt = sources.dealing(given, settings, memory.mask) if sources.dealing is not None else None
    unread: tuple[Issue, ...] = ()
    if dealt is not None:
        found = dealt.summaries(todo)
    else:
        found, unread = _summaries(todo, given.tools, sources, folder, room, progress)
    todo.clear()  # the places of packets are not needed any more, and the processes that follow are copies of this one
    tied = [(address(one), address(other)) for one, other in _with_kdc(given)]
    tied += [(address(claim.host), bond) for claim in given.names for bond in called(claim.name)]
    # apart: it loads numpy, which starts threads, and a process with threads cannot be copied any more
    most = 0 if memory.each else room
    made = next(in_turn(lambda several: groups(several, parts(several, tied), most), [found], 1)) or [[]]
    unread = (*unread, *_large(found, () if memory.each else made, room, memory.limit))
    points = [frozenset(point for place in group for point in found[place].points) for group in made]
    cut = frozenset(point for point, several in Counter(chain.from_iterable(points)).items() if several > 1)
    if dealt is not None:
        several = [(tuple(found[one].place for one in group), own & cut) for group, own in zip(made, points, strict=True)]
        return whole(dealt.shares(several), given, unread, settings, folder, memory.mask, dealt.rows)
    _prepared(settings)
    shares: list[Share] = []
    work = partial(_share, found=found, given=given, settings=settings, folder=folder, mask=memory.mask, cut_points=cut)
    for one in in_turn(lambda numbered: work(*numbered), list(enumerate(made)), processes()):
        shares.append(without_titles(one) if shares else one)
        if progress is not None:
            progress("groups", len(shares), len(made))
    return whole(shares, given, unread, settings, folder, memory.mask)


def _large(found: Sequence[Summary], made: Sequence[Sequence[int]], room: int, limit: int) -> Iterator[Issue]:
    """An issue for each group that is one part, and takes more than there is room for."""
    for group in made:
        cost = sum(found[place].cost for place in group)
        if cost > room:
            told = (
                f"memory={limit}: {len(group)} connections that belong together take about {cost + _BASE} bytes; a part of them by --host or --from takes less"
            )
            yield Issue("memory.limit", told, repeats=len(group))


def _prepared(settings: Settings) -> None:
    """Loads what each group needs, once for all of them."""
    from analyzer.engine import own_rules, scoping  # noqa: F401
    from analyzer.incidents import clients, facts, grouping, sums  # noqa: F401
    from analyzer.story import scope, whole  # noqa: F401

    if settings.negotiate:
        from analyzer.rules import negotiated  # noqa: F401
    for rule in rules():
        rule.document  # noqa: B018


def _with_kdc(given: Given) -> Iterator[tuple[str, str]]:
    yield from (flow.hosts for flow in given.with_kdc)
    yield from ((piece.source[0], piece.target[0]) for piece in given.datagrams)


def _share(
    number: int,
    places: Sequence[int],
    *,
    found: Sequence[Summary],
    given: Given,
    settings: Settings,
    folder: Path,
    mask: Mask,
    cut_points: frozenset[int],
) -> Share:
    return share(number, list(_talks(found[place] for place in places)), given, settings, folder, mask, cut_points)


def _talks(found: Iterable[Summary]) -> Iterator[Talk]:
    for one in found:
        name, at, size = one.place
        with Path(name).open("rb") as file:
            file.seek(at)
            yield from unpacked(file.read(size), Talked).talks


def _summaries(
    todo: Sequence[Work], tools: Tools, sources: Sources, folder: Path, room: int, progress: Progress | None
) -> tuple[list[Summary], tuple[Issue, ...]]:
    """What is kept of each connection, in their order, and an issue where there was no time for all."""
    batches = list(enumerate(_batches(todo, room)))
    found: list[Summary] = []
    read = partial(_batch, tools=tools, folder=folder)
    done = 0
    sources.flush()
    # what TLS hid lies in one file of this process once it is decrypted
    by_batch = (read(*numbered) for numbered in batches) if tools.keys else in_turn(lambda numbered: read(*numbered), batches, processes())
    for one in by_batch:
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
        cost = weight(item) * _TALK + EACH
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
    with new_file(path, replace=True, lasting=False) as file:  # it may be there: of a process that was ended before it could tell
        return list(summed(items, tools, file, str(path)))
