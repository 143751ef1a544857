"""Cuts the connections that are to be read into shards, for processes that work side by side."""

from collections.abc import Iterator, Sequence
from operator import itemgetter

from analyzer.engine.plan import Work, weight

_RUNS = 8
"""Into how many runs what a shard holds is cut at least."""


def shards(all_work: Sequence[Work], count: int) -> tuple[tuple[Work, ...], ...]:
    """The work cut into ``count`` shards that hold about as many bytes each, in its order. Connections that begin one after the other stay together: they lie
    near each other in their file."""
    count = max(count, 1)
    runs = list(_runs(all_work, count * _RUNS))
    out: list[list[tuple[int, tuple[Work, ...]]]] = [[] for _ in range(count)]
    sizes = [0] * count
    for place in sorted(range(len(runs)), key=lambda place: runs[place][0], reverse=True):
        smallest = sizes.index(min(sizes))
        out[smallest].append((place, runs[place][1]))
        sizes[smallest] += runs[place][0]
    return tuple(tuple(item for _, run in sorted(shard, key=itemgetter(0)) for item in run) for shard in out)


def _runs(all_work: Sequence[Work], count: int) -> Iterator[tuple[int, tuple[Work, ...]]]:
    """The work cut into about ``count`` runs, each with its bytes (and one for each connection)."""
    weights = [weight(item) + 1 for item in all_work]
    enough = sum(weights) / count
    begin = size = 0
    for place, own in enumerate(weights, 1):
        size += own
        if size >= enough or place == len(weights):
            yield size, tuple(all_work[begin:place])
            begin, size = place, 0
