"""What did not come: bytes never acknowledged, times without packets, windows that stayed closed. And hosts that went
on after a reset in their name."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments
from analyzer.records.transport import Pause, Side, Unacked, ZeroWindow
from analyzer.transport.columns import hops, long_steps, tries_of

_FIN, _SYN, _RST = 1, 2, 4
_TRIES = 16
_LATER_NS = 10_000_000
"""A packet this much behind a reset was not merely overtaken by it."""
_CLOSED_NS = 1_000_000_000
TTLS = 8
"""Times to live of one side that are told."""


def unacked(at: int, base: int, furthest: int, rows: Segments, sent: Ints, received: Ints) -> Unacked | None:
    """What of one direction (rows ``sent``, of ``furthest`` bytes) the other side (whose rows are ``received``) never acknowledged; it acknowledged ``at``
    bytes. A probe of a closed window is none of it."""
    if not 0 <= at < furthest:
        return None
    passed, tries = tries_of(rows, sent, base, furthest, at)
    if not tries:
        return None
    first_ns, last_ns = min(rows.ts_ns[k] for k in tries), max(rows.ts_ns[k] for k in tries)
    heard = [k for k in received if rows.ts_ns[k] > first_ns]
    return Unacked(
        at=at,
        size=furthest - at,
        segment=rows.wire_size[tries[-1]],
        tries=len(tries),
        packets=tuple(rows.key[k] for k in tries[:_TRIES]),
        first_ns=first_ns,
        last_ns=last_ns,
        passed=passed,
        heard=len(heard),
        heard_packet=rows.key[heard[-1]] if heard else None,
    )


def ttls(rows: Segments, client: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The times to live in the packets of the client and of the server, resets left out."""
    found = hops(rows)
    return same_ttls(tuple(found[client][:TTLS]), tuple(found[1 - client][:TTLS]))


@lru_cache(maxsize=1024)
def same_ttls(client: tuple[int, ...], server: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """One object for the many connections whose hosts lie so far apart."""
    return client, server


def fits(ttl: int, own: Sequence[int]) -> bool | None:
    """Whether a packet comes from the host whose packets have the times to live ``own``: routes of one hop more or
    less are met. None unknown."""
    return any(abs(ttl - one) <= 1 for one in own) if own else None


def pauses(rows: Segments, kept: Ints, least_ns: int) -> tuple[Pause, ...]:
    """The times of ``least_ns`` and more without a packet."""
    times = rows.ts_ns
    ends = long_steps(times, kept, least_ns)
    if not ends:
        return ()
    last = [max((i for i, k in enumerate(kept) if rows.direction[k] == side and not rows.flags[k] & _RST), default=-1) for side in (0, 1)]
    return tuple(Pause(times[kept[i - 1]], times[kept[i]], rows.key[kept[i]], survived=min(last) >= i) for i in ends)


def zero_windows(rows: Segments, kept: Sequence[int], client: int) -> tuple[ZeroWindow, ...]:
    """The times in which a side's window was closed. A SYN, FIN or RST says nothing of it."""
    if 0 not in rows.window:
        return ()
    end_ns = max(rows.ts_ns[k] for k in kept)
    found: list[ZeroWindow] = []
    for place, side in enumerate((Side.CLIENT, Side.SERVER)):
        found += _closed(rows, [k for k in kept if rows.direction[k] == client ^ place], side, end_ns)
    return tuple(sorted(found, key=lambda span: (span.since_ns, span.packet)))


def _closed(rows: Segments, own: Sequence[int], side: Side, end_ns: int) -> Iterator[ZeroWindow]:
    first = last = None
    for k in own:
        if rows.flags[k] & (_SYN | _FIN | _RST):
            continue
        if rows.window[k] == 0:
            first, last = k if first is None else first, k
        elif first is not None and last is not None:
            if rows.ts_ns[k] - rows.ts_ns[first] >= _CLOSED_NS:
                yield ZeroWindow(side, rows.key[first], rows.ts_ns[first], rows.key[last], rows.ts_ns[last], rows.ts_ns[k])
            first = last = None
    if first is not None and last is not None and end_ns - rows.ts_ns[first] >= _CLOSED_NS:
        yield ZeroWindow(side, rows.key[first], rows.ts_ns[first], rows.key[last], rows.ts_ns[last])


def went_on(rows: Segments, kept: Sequence[int], reset: int) -> tuple[int, int | None]:
    """What the side in whose name row ``reset`` was sent sent later: how many packets, and the key of the first."""
    after = rows.ts_ns[reset] + _LATER_NS
    later = [k for k in kept if rows.direction[k] == rows.direction[reset] and rows.ts_ns[k] >= after and not rows.flags[k] & (_RST | _SYN)]
    return len(later), rows.key[later[0]] if later else None
