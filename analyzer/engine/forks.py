"""Work in several processes: each is a fork of this one, so what it reads is already there, and only what it found comes back, over a pipe.

What is long may come back in packs: whoever unpickles keeps all that it met, also what stood for an object on the way, until the end of a pack.

Forked is only a process that has one thread (others' locks would stay closed in the copy), which is what a command line has; elsewhere everything is done here.
Whoever reads the results cannot tell the difference: they come in the order of the parts, and a process that dies leaves its parts to this one.
"""

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

from analyzer.system.processes import Child, ended, forked, may_fork, processors, written_within

Part = TypeVar("Part")
Found = TypeVar("Found")
_MOST = 8
PACK = 64
"""Connections of a pack: what they have in common is one object again, and there are not many of them to be kept."""
_ANEW = """
import os, pickle, sys
asked = sys.stdin.buffer.read()
told = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what the work prints is no result
sys.path[:], work, arguments = pickle.loads(asked)
with told:
    pickle.dump(work(*arguments), told)
"""


def processes() -> int:
    """How many processes may work side by side here: 1 where forking is not safe, or not known to be."""
    try:
        return min(processors(), _MOST) if may_fork() else 1
    except OSError:
        return 1


def spread(
    work: Callable[[Part], Found], parts: Sequence[Part], count: int, done: Callable[[int, int], None] | None = None, pack: int | None = None
) -> list[Found]:
    """``work`` of each part, in the order of the parts, done by ``count`` processes of which this is one. What ``work`` gives must be picklable.

    ``done`` is told how many of how many parts are done, as far as this process knows: the others are about as far. ``pack``: of a list or tuple that is
    found, so many things come back at a time; an object that is in two packs becomes two.
    """

    def own(place: int, part: Part) -> Found:
        made = work(part)
        if done is not None:
            done(min((place + 1) * count, len(parts)), len(parts))
        return made

    count = max(1, min(count, len(parts)))
    children = {index: _forked(work, parts[index::count], pack) for index in range(1, count)}
    found: dict[int, list[Found]] = {}
    try:
        found[0] = [own(place, part) for place, part in enumerate(parts[::count])]
        for index, child in children.items():
            results: list[Found] | None = _results(child)
            found[index] = results if results is not None else [work(part) for part in parts[index::count]]
    finally:
        for child in children.values():
            _ended(child)
    return [found[place % count][place // count] for place in range(len(parts))]


def apart(work: Callable[..., Found], arguments: Sequence[object], seconds: float) -> Found | None:
    """``work`` of ``arguments`` done by a process of its own, which is ended after ``seconds``; None when it did not get to the end.

    Where nothing may be forked a new interpreter does it: ``work`` has to be a function of a module, and its arguments picklable.
    """
    child = _forked(lambda _: work(*arguments), (None,)) if may_fork() else None
    if child is None:
        return _anew(work, arguments, seconds)
    try:
        found: list[Found] | None = _results_within(child, seconds)
    finally:
        _ended(child)
    return None if found is None else found[0]


def _anew(work: Callable[..., Found], arguments: Sequence[object], seconds: float) -> Found | None:
    import pickle
    import subprocess
    import sys

    command, asked = [sys.executable, "-P", "-c", _ANEW], pickle.dumps((sys.path, work, tuple(arguments)), pickle.HIGHEST_PROTOCOL)
    try:
        done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=True)  # noqa: S603  our own interpreter
        found: Found = pickle.loads(done.stdout)  # noqa: S301  our own process wrote it
    except (subprocess.SubprocessError, OSError, EOFError, pickle.UnpicklingError):
        return None
    return found


def _results_within(child: Child, seconds: float) -> list[Found] | None:
    told = written_within(child, seconds)
    return None if told is None else _read(io.BytesIO(told))


def _forked(work: Callable[[Part], Found], parts: Sequence[Part], pack: int | None = None) -> Child | None:
    """A process that does ``parts``; None when none could be had. Parts that it does not get done this process does then itself."""

    def told(pipe: BinaryIO) -> None:
        packs = [list(_packed(work(part), pack)) for part in parts]  # written when all is done: nobody reads before
        pipe.write(_dumped(len(packs)))
        for own in packs:
            pipe.writelines(own)

    return forked(told)


def _dumped(found: object) -> bytes:
    import pickle

    return pickle.dumps(found, pickle.HIGHEST_PROTOCOL)


def _packed(found: object, pack: int | None) -> Iterator[bytes]:
    """What one part gave: how many packs it is and what they are put together as (None: it is one thing), and the packs."""
    whole = list if type(found) is list else tuple if type(found) is tuple else None
    if whole is None or pack is None:
        yield _dumped((1, None))
        yield _dumped(found)
        return
    several: Sequence[object] = found  # type: ignore[assignment]  # a list or a tuple, as was asked
    places = range(0, len(several), pack)
    yield _dumped((len(places), whole))
    for at in places:
        yield _dumped(several[at : at + pack])


def _results(child: Child | None) -> list[Found] | None:
    """What a process found; None when it did not get to the end."""
    return None if child is None else _read(child.results)


def _read(told: BinaryIO) -> list[Found] | None:
    """What was packed; None where its end is missing."""
    import pickle

    found: list[Any] = []
    try:
        for _ in range(pickle.load(told)):  # noqa: S301  our own process wrote it
            packs, whole = pickle.load(told)  # noqa: S301  and all that follows
            if whole is None:
                found.append(pickle.load(told))  # noqa: S301
                continue
            own = list[Any]()
            for _ in range(packs):
                own += pickle.load(told)  # noqa: S301
            found.append(own if whole is list else tuple(own))
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    return found


def _ended(child: Child | None) -> None:
    if child is not None:
        ended(child)


def in_turn(work: Callable[[Part], Found], parts: Sequence[Part], count: int) -> Iterator[Found]:
    """``work`` of each part, in the order of the parts, each done by a process of its own, so that the memory that it takes is free again when it ends;
    ``count`` of them at a time. Where nothing may be forked this process does it."""
    if not may_fork():
        yield from map(work, parts)
        return
    waiting: deque[tuple[Part, Child | None]] = deque()
    todo = iter(parts)
    try:
        while True:
            while len(waiting) < max(count, 1) and (part := next(todo, None)) is not None:
                waiting.append((part, _forked(work, (part,))))
            if not waiting:
                return
            part, child = waiting[0]  # it stays there until it has ended: whatever interrupts this ends it, too
            results: list[Found] | None = _results(child)
            _ended(child)
            waiting.popleft()
            yield work(part) if results is None else results[0]
    finally:
        for _, child in waiting:
            _ended(child)
