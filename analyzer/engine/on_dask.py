"""Jobs on a cluster of Dask (dask.distributed): the scheduler that is given runs them on its workers, and again when one of these is lost."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from analyzer.engine.along import Along, Done
from analyzer.errors import InputError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

Ask = TypeVar("Ask")
Found = TypeVar("Found")
_RETRIES = 5
"""How often a job is tried again that failed with its worker, or with its machine."""
_PACKS = 8
"""Packs of jobs for each thread of a worker at least: what is sent and waited for costs the process that asks about a millisecond each."""
_LAST = 3
"""Of what is left, a pack has this part of a thread's share at most: so they become smaller, and no worker waits long for the last ones."""
_SENT = 4
"""Packs that are sent at a time: Dask warns of what is large."""
_STEPS = 6
"""How often a job goes along with those of a stage, about."""
_CONNECT_SECONDS = 30


class OnDask:
    """Runs jobs by a client of dask.distributed."""

    shares = True

    def __init__(self, client: "Client") -> None:
        self.client = client
        self._home = ""
        """The worker that holds what a job that went along came to."""

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Done | None = None, along: Along | None = None) -> list[Found]:
        """As `analyzer.engine.schedulers.Scheduler` says. A job that has run is not known to the cluster for longer than its result is waited for.
        `InputError`: the cluster was lost."""
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        if not asks:
            return []
        try:
            found = self._found(work, asks, done, along)
        except (CancelledError, CommClosedError, KilledWorker) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            msg = f"the cluster did not end its work ({why}); what it had finished is not done again by a run with the same --jobs"
            raise InputError(msg) from error
        return [one for several in found for one in several]

    def _found(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Done | None, along: Along | None) -> list[list[Found]]:
        """The results of each pack."""
        from distributed import as_completed

        workers = self.client.nthreads()
        threads = max(sum(workers.values()), 1)
        packs = list(_packs(asks, threads))
        near = {"workers": [self._home], "allow_other_workers": True} if len(asks) == 1 and self._home in workers else {}
        self._home = ""
        futures = self.client.map(partial(_several, work), packs, pure=False, retries=_RETRIES, batch_size=_SENT, **near)
        saves_time = threads > 1 and len(asks) >= threads * _STEPS  # else it keeps others from being done
        beside = _Beside(self.client, along, min(workers), len(asks)) if along is not None and saves_time else None
        places, there, count = {future.key: place for place, future in enumerate(futures)}, bytearray(len(packs)), 0
        found: list[list[Found]] = []
        waiting = as_completed(futures, loop=self.client.loop)
        for future in waiting:
            if future.key in places:
                there[places[future.key]] = 1
                count += len(packs[places[future.key]])
                if done is not None:
                    done(count, len(asks))
            elif beside is not None:
                beside.ended(future)
            ready = there.find(0)
            if beside is not None and beside.is_due(sum(map(len, packs[: max(ready, 0)]))):
                found += self.client.gather(futures[len(found) : ready])
                waiting.update(beside.asked([one for several in found for one in several]))
        if beside is not None:
            self._home = beside.home
        return [*found, *self.client.gather(futures[len(found) :])]


class _Beside:
    """A job that goes along with others, at a worker that holds what it came to, and comes before those that wait there."""

    def __init__(self, client: "Client", along: Along, home: str, total: int) -> None:
        self._client, self._along, self.home, self._total = client, along, home, total
        self._known = 0
        self._runs = False

    def is_due(self, ready: int) -> bool:
        """Whether it is worth while for so many results; towards the end, less is."""
        step = max(min(self._total // _STEPS, (self._total - self._known) // _LAST), self._total // (_LAST * _STEPS), 1)
        return not self._runs and ready >= self._known + step

    def asked(self, found: Sequence[Any]) -> "list[Future]":
        """The job, if it has anything to do."""
        self._known = len(found)
        asked = self._along.ask(found)
        if asked is None:
            return []
        self._runs = True
        at_home = {"workers": [self.home], "allow_other_workers": True, "priority": 1}
        job = partial(_told_from, self._along.work, asked)  # as one thing: what is in arguments is looked through
        return [self._client.submit(job, pure=False, retries=_RETRIES, **at_home)]

    def ended(self, future: "Future") -> None:
        """Another worker may have done it: then that one has it now."""
        where, told = future.result()
        self._runs = False
        if self._along.told(told):
            self.home = where


def _told_from(work: Callable[[Ask], Found], ask: Ask) -> tuple[str, Found]:
    """The worker, and what is told."""
    from distributed import get_worker

    return get_worker().address, work(ask)


def _packs(asks: Sequence[Ask], threads: int) -> Iterator[Sequence[Ask]]:
    """Jobs that one worker does one after the other."""
    at, most = 0, len(asks) // (threads * _PACKS)
    while at < len(asks):
        size = max(min(most, (len(asks) - at) // (threads * _LAST)), 1)
        yield asks[at : at + size]
        at += size


def _several(work: Callable[[Ask], Found], asks: Sequence[Ask]) -> list[Found]:
    """One after the other. Of a pack whose worker is lost, the jobs that were done are found in the store by whoever does it again."""
    return [work(ask) for ask in asks]


def connected(address: str) -> OnDask:
    """The cluster at that address. `UsageError`: it cannot be reached, or dask.distributed is not installed."""
    try:
        from distributed import Client
    except ImportError as error:
        msg = f"--scheduler {address} needs dask.distributed: pip install 'winrm-analyzer[dask]'"
        raise UsageError(msg) from error
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        msg = f"--scheduler {address}: it cannot be reached ({str(error) or type(error).__name__})"
        raise UsageError(msg) from error
    return OnDask(client)
