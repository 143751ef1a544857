"""Jobs on a cluster of Dask (dask.distributed): the scheduler that is given runs them on its workers, and again when one of these is lost."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from analyzer.errors import InputError, UsageError

if TYPE_CHECKING:
    from distributed import Client

Ask = TypeVar("Ask")
Found = TypeVar("Found")
_RETRIES = 5
"""How often a job is tried again that failed with its worker, or with its machine."""
_PACKS = 16
"""Packs of jobs for each thread of a worker at least: what is sent and waited for costs the process that asks about a millisecond each."""
_CONNECT_SECONDS = 30


class OnDask:
    """Runs jobs by a client of dask.distributed."""

    shares = True

    def __init__(self, client: "Client") -> None:
        self.client = client

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Callable[[int, int], None] | None = None) -> list[Found]:
        """As `analyzer.engine.schedulers.Scheduler` says. A job that has run is not known to the cluster for longer than its result is waited for.
        `InputError`: the cluster was lost."""
        from distributed import CancelledError, KilledWorker, as_completed
        from distributed.comm import CommClosedError

        if not asks:
            return []
        try:
            size = max(len(asks) // (max(sum(self.client.nthreads().values()), 1) * _PACKS), 1)
            packs = [asks[at : at + size] for at in range(0, len(asks), size)]
            futures = self.client.map(partial(_several, work), packs, pure=False, retries=_RETRIES)
            sizes, count = {future.key: len(pack) for future, pack in zip(futures, packs, strict=True)}, 0
            for future in as_completed(futures, loop=self.client.loop):
                count += sizes[future.key]
                if done is not None:
                    done(count, len(asks))
            found: list[list[Found]] = self.client.gather(futures)
        except (CancelledError, CommClosedError, KilledWorker) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            msg = f"the cluster did not end its work ({why}); what it had finished is not done again by a run with the same --jobs"
            raise InputError(msg) from error
        return [one for several in found for one in several]


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
