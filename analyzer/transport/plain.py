"""A connection in which nothing is odd, read in one pass over its rows, as nearly all short ones are.

Plain is what begins with the two SYNs, goes on where it was in each direction, row by row, and ends with a FIN or not at all: no reset, no segment that comes
again, early or late, nothing that was cut or lost, no pause, no closed window. Of any other nothing is said here: it is for
`analyzer.transport.reassembly` and `analyzer.transport.silence`, which say the same of a plain one. One source, two ways to run, as
`analyzer.transport.columns`: plain.pxd has the types. Bounds checks are on.
"""

from typing import NamedTuple

from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_HALF, _MASK = 1 << 31, (1 << 32) - 1
_WINDOW = 1 << 24
"""As in `analyzer.transport.columns`."""
MOST = 1024
"""Rows of a connection that is looked at."""


class Way(NamedTuple):
    """One direction: the columns of its extents (`analyzer.records.transport.Extents`), its size, how much of it was acknowledged, the row of its FIN (-1: it
    has none) and how much of the other direction that one acknowledged; the times to live of its packets. Where not all of it was acknowledged: the row of
    the byte that is waited for (-1: none is), the largest segment before it, how many packets of the receiver came later, and the row of the last of them."""

    stream_at: list[int]
    size: list[int]
    source: list[int]
    file_at: list[int]
    packet: list[int]
    ts_ns: list[int]
    acked_by: list[int]
    end: int
    acked: int
    fin: int
    fin_acked: int
    ttls: list[int]
    waits: int
    passed: int
    heard: int
    heard_at: int


class Plain(NamedTuple):
    """The earliest and the latest time, the sequence numbers of both first bytes, both directions, the client's first. ``onward``: each row is beyond those of
    its side that came before, so that none can be a copy (as `analyzer.transport.columns.no_copies` has it)."""

    first_ns: int
    last_ns: int
    bases: tuple[int, int]
    ways: tuple[Way, Way]
    onward: bool


def plain(rows: Segments, pause_ns: int) -> Plain | None:  # noqa: C901, PLR0911, PLR0912, PLR0915  one pass, each way of being odd leaves it
    """What the connection is, where it is plain and no row of it a copy of another one."""
    directions, seqs, flags, sizes, wire_sizes = rows.direction, rows.seq, rows.flags, rows.size, rows.wire_size
    times, ttls, windows, acks = rows.ts_ns, rows.ttl, rows.window, rows.ack
    count = len(directions)
    if count < 2 or count > MOST:
        return None
    if directions[0] or directions[1] != 1 or flags[0] & (_SYN | _ACK) != _SYN or flags[1] & (_SYN | _ACK) != _SYN | _ACK:
        return None
    first_ns = last_ns = times[0]
    base = ends = 0
    fin = other_fin = -1
    near: list[int] = []
    far: list[int] = []
    near_ttls: list[int] = []
    far_ttls: list[int] = []
    other_base = other_ends = 0
    onward = True
    before = other_before = -1
    for i in range(count):
        side, seq, flag, size, ttl = directions[i], seqs[i], flags[i], wire_sizes[i], ttls[i]
        if flag & _RST or not windows[i] or sizes[i] != size:
            return None
        if i:
            if times[i] - times[i - 1] >= pause_ns:
                return None
            first_ns = min(first_ns, times[i])
            last_ns = max(last_ns, times[i])
        if i < 2:
            if size or flag & _FIN:
                return None
            if side:
                other_base = (seq + 1) & _MASK
            else:
                base = (seq + 1) & _MASK
        elif flag & _SYN:
            return None
        elif side:
            if (seq - other_base - other_ends - (other_fin >= 0)) & _MASK or (other_fin >= 0 and (size or flag & _FIN)):
                return None
            if size:
                far.append(i)
                other_ends += size
            if flag & _FIN:
                other_fin = i
        else:
            if (seq - base - ends - (fin >= 0)) & _MASK or (fin >= 0 and (size or flag & _FIN)):
                return None
            if size:
                near.append(i)
                ends += size
            if flag & _FIN:
                fin = i
        last = other_before if side else before
        if last >= 0 and seqs[last] == seq and acks[last] == acks[i]:
            onward = onward and wire_sizes[last] < size
        elif last >= 0 and seqs[last] == seq:
            step = ((acks[i] - acks[last] + _HALF) & _MASK) - _HALF
            onward = onward and acks[last] >= 0 and acks[i] >= 0 and 0 < step <= _WINDOW
        if side:
            other_before = i
            if ttl not in far_ttls:
                far_ttls.append(ttl)
        else:
            before = i
            if ttl not in near_ttls:
                near_ttls.append(ttl)
    acked = _acked(directions, acks, 1, base, ends)
    other_acked = _acked(directions, acks, 0, other_base, other_ends)
    if acked < -1 or acked > ends + 1 or other_acked < -1 or other_acked > other_ends + 1:
        return None  # not plausible, or more than was sent
    near_ttls.sort()
    far_ttls.sort()
    sources, places, keys = rows.source, rows.file_at, rows.key
    own = _way(sizes, sources, places, keys, times, acks, near, ends, acked, fin, near_ttls, other_base, other_ends, directions, 1)
    other = _way(sizes, sources, places, keys, times, acks, far, other_ends, other_acked, other_fin, far_ttls, base, ends, directions, 0)
    return tuple.__new__(Plain, (first_ns, last_ns, (base, other_base), (own, other), onward))  # twice as fast as by the names of its fields


def _acked(directions: Ints, acks: Ints, side: int, base: int, ends: int) -> int:
    """As `analyzer.transport.columns.furthest_acked` of what the ``side`` says; -2 where that is not plausible."""
    best, position = -1, 0
    for i in range(len(directions)):
        ack = acks[i]
        if directions[i] != side or ack < 0:
            continue
        at = position + ((ack - base - position + _HALF) & _MASK) - _HALF
        if at > max(ends, position) + _WINDOW or at >= _HALF:
            return -2
        best = max(best, at)
        position = max(position, at)
    return best


def _way(  # noqa: PLR0913, PLR0917  columns and numbers, as C takes them
    sizes: Ints,
    sources: Ints,
    places: Ints,
    keys: Ints,
    times: Ints,
    acks: Ints,
    own: list[int],
    ends: int,
    acked: int,
    fin: int,
    ttls: list[int],
    peer_base: int,
    peer_ends: int,
    directions: Ints,
    peer: int,
) -> Way:
    columns: list[list[int]] = [[], [], [], [], [], [], []]
    stream_at, size, source, file_at, packet, ts_ns, acked_by = columns
    at = position = passed = 0
    waits = -1
    for k in own:
        stream_at.append(at)
        size.append(sizes[k])
        source.append(sources[k])
        file_at.append(places[k])
        packet.append(keys[k])
        ts_ns.append(times[k])
        heard = -1
        if acks[k] >= 0:
            heard = position + ((acks[k] - peer_base - position + _HALF) & _MASK) - _HALF
            heard = max(heard, 0)
            position = max(position, heard)
        acked_by.append(heard)
        if at + sizes[k] <= acked:
            passed = max(passed, sizes[k])
        elif at <= acked:
            waits = k
        at += sizes[k]
    fin_acked = -1
    if fin >= 0 and acks[fin] >= 0:
        fin_acked = peer_ends + ((acks[fin] - peer_base - peer_ends + _HALF) & _MASK) - _HALF
    later = 0
    later_at = -1
    if waits >= 0:
        for i in range(len(directions)):
            if directions[i] == peer and times[i] > times[waits]:
                later += 1
                later_at = i
    return tuple.__new__(Way, (stream_at, size, source, file_at, packet, ts_ns, acked_by, ends, acked, fin, fin_acked, ttls, waits, passed, later, later_at))
