"""Processes that are copies of this one, where the system can make them safely: on Linux, with one thread. Elsewhere there are none; callers go another way."""

import gc
import os
import sys
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

_PIECE = 1 << 20


class Child(NamedTuple):
    """A copy of this process, and the pipe by which it tells what it found."""

    pid: int
    results: BinaryIO


def may_fork() -> bool:
    """This process is known to have one thread: locks of others would stay closed in a copy."""
    try:
        return hasattr(os, "fork") and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  names only
    except OSError:
        return False


def processors() -> int:
    """How many processors this process may use, 1 where that is not known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_resident() -> int | None:
    """The most memory, in bytes, that this process or one that it began and that has ended had at a time (`getrusage`); None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * unit


def forked(work: Callable[[BinaryIO], None]) -> Child | None:
    """A copy of this process that does ``work``, which writes into the pipe, and ends; None when none could be had."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if pid:
        os.close(writing)
        return Child(pid, os.fdopen(reading, "rb"))
    status = 1
    try:
        os.close(reading)
        gc.disable()
        with os.fdopen(writing, "wb") as pipe:
            work(pipe)
        status = 0
    finally:
        os._exit(status)  # also after an error: this copy must not run what the original goes on to do


def written_within(child: Child, seconds: float) -> bytes | None:
    """All that the child writes; None when it takes longer."""
    import select
    import time

    until, pieces = time.monotonic() + seconds, list[bytes]()
    while True:
        if not select.select([child.results], [], [], max(until - time.monotonic(), 0))[0]:
            return None
        piece = os.read(child.results.fileno(), _PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def ended(child: Child) -> None:
    """The child is ended: it has nothing left to do but to end, or nobody who would read it."""
    import signal

    child.results.close()
    try:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
    except OSError:
        pass
