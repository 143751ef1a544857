"""What is done for each segment of a connection, on the columns of its rows. What is not in order is told, and left to the modules that know what it is.

One source, two ways to run, as `analyzer.capture.kernel`: columns.pxd has the types for Cython's compiler. Bounds checks are on.
"""

from array import array

from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_HALF, _MASK = 1 << 31, (1 << 32) - 1
_ZERO = array("q", (0,))
_NEAR = 1 << 20
"""As in `analyzer.transport.strays`."""
_WINDOW = 1 << 24
_AGAIN, _BACK = 64, 1 << 16
"""How many rows that do not go on are compared with how many before them."""


def no_copies(rows: Segments, window_ns: int) -> bool:
    """No row can be a copy of one captured ``window_ns`` or less before: in each direction the numbers go on from row to row, and where they do not, no earlier
    row has the same. False says nothing."""
    directions, seqs, acks, sizes = rows.direction, rows.seq, rows.ack, rows.wire_size
    again: list[int] = []
    for side in (0, 1):
        begun, seq, ack, size, moved = False, 0, 0, 0, 0
        for i in range(len(directions)):
            if directions[i] != side:
                continue
            step = ((seqs[i] - seq + _HALF) & _MASK) - _HALF if begun else 1
            if step == 0 and acks[i] != ack:
                step = ((acks[i] - ack + _HALF) & _MASK) - _HALF if acks[i] >= 0 and ack >= 0 else -1
            elif step == 0:
                step = sizes[i] - size
            if step <= 0:  # not beyond all before
                again.append(i)
                if len(again) > _AGAIN:
                    return False
                continue
            if begun:
                moved += step
            if moved >= _HALF:
                return False
            begun, seq, ack, size = True, seqs[i], acks[i], sizes[i]
    for each in again:  # noqa: SIM110  a generator is an object where C has a loop
        if not _is_new(rows, each, window_ns):
            return False
    return True


def _is_new(rows: Segments, row: int, window_ns: int) -> bool:
    """No earlier row within the time has the numbers of ``row``; few rows are looked at, or it says nothing (False)."""
    directions, seqs, acks, sizes, flags, idents, times = rows.direction, rows.seq, rows.ack, rows.wire_size, rows.flags, rows.ident, rows.ts_ns
    if row > _BACK:
        return False
    for i in range(row):
        if seqs[i] == seqs[row] and acks[i] == acks[row] and directions[i] == directions[row] and sizes[i] == sizes[row] and flags[i] == flags[row]:
            same = idents[i] >> 16 == idents[row] >> 16 if idents[row] >> 16 else idents[i] == idents[row]
            if same and -window_ns <= times[row] - times[i] <= window_ns:
                return False
    return True


def all_in_place(rows: Segments, kept: Ints) -> bool:
    """No FIN or RST without data lies far from where its sender stood."""
    directions, seqs, flags, sizes = rows.direction, rows.seq, rows.flags, rows.wire_size
    for side in (0, 1):
        begun, at = False, 0
        for i in range(len(kept)):
            k = kept[i]
            if directions[k] != side:
                continue
            if begun and flags[k] & (_FIN | _RST) and not sizes[k]:
                away = ((seqs[k] - at + _HALF) & _MASK) - _HALF
                if away > _NEAR or away < -_NEAR:
                    return False
            begun = True
            at = (seqs[k] + sizes[k] + (1 if flags[k] & (_SYN | _FIN) else 0)) & _MASK
    return True


def flagged(column: Ints, kept: Ints, mask: int) -> list[int]:
    """The places in ``kept`` of rows that have one of the flags."""
    return [i for i in range(len(kept)) if column[kept[i]] & mask]


def span_of(column: Ints, kept: Ints) -> tuple[int, int]:
    """The least and the greatest of the rows ``kept``, of which there is one."""
    least = most = column[kept[0]]
    for i in range(len(kept)):
        one = column[kept[i]]
        least = min(least, one)
        most = max(most, one)
    return least, most


def long_steps(column: Ints, kept: Ints, least: int) -> list[int]:
    """The places in ``kept`` of rows that come ``least`` or more after the row before."""
    return [i for i in range(1, len(kept)) if column[kept[i]] - column[kept[i - 1]] >= least]


def taken(column: Ints, kept: Ints) -> Ints:
    """The column of the rows ``kept``."""
    made = _ZERO * len(kept)
    to = made
    for i in range(len(kept)):
        to[i] = column[kept[i]]
    return made


def columns_of(rows: Segments, own: Ints) -> list[Ints]:
    """Of the rows ``own``: size, source, file offset, packet key, time, acknowledgement."""
    return [taken(rows.size, own), taken(rows.source, own), taken(rows.file_at, own), taken(rows.key, own), taken(rows.ts_ns, own), taken(rows.ack, own)]


def hops(rows: Segments) -> tuple[list[int], list[int]]:
    """The times to live in the packets of both directions, resets left out, each once, in order of size."""
    directions, flags, found_ttls = rows.direction, rows.flags, rows.ttl
    found: tuple[list[int], list[int]] = ([], [])
    for side in (0, 1):
        own, before, some = found[side], 0, False
        for i in range(len(found_ttls)):
            if directions[i] == side and not flags[i] & _RST and (found_ttls[i] != before or not some):
                before, some = found_ttls[i], True
                if before not in own:
                    own.append(before)
        own.sort()
    return found


def of_side(rows: Segments, kept: Ints, side: int) -> Ints:
    """The rows of ``kept`` that one side sent, resets left out."""
    directions, flags = rows.direction, rows.flags
    made = _ZERO * len(kept)
    to, count = made, 0
    for i in range(len(kept)):
        k = kept[i]
        if directions[k] == side and not flags[k] & _RST:
            to[count] = k
            count += 1
    return made[:count]


def in_order(rows: Segments, own: Ints, base: int, window: int) -> tuple[int, Ints, Ints, int, int]:
    """The segments ``own`` of one side, as far as each goes on behind those before it and nothing of it was cut.

    How many of them these are; the rows of those that brought bytes, and where in the stream each begins; where the last ends; where a FIN stood, or -1.
    """
    seqs, flags, sizes, wire_sizes = rows.seq, rows.flags, rows.size, rows.wire_size
    which, places = _ZERO * len(own), _ZERO * len(own)
    to_rows, to_places = which, places
    count, furthest, fin_at, done = 0, 0, -1, 0
    for i in range(len(own)):
        k = own[i]
        size = wire_sizes[k]
        if size or flags[k] & _FIN:
            seq = seqs[k] + (1 if flags[k] & _SYN else 0)
            at = furthest + ((seq - base - furthest + _HALF) & _MASK) - _HALF
            if at - furthest > window or furthest - at > window or (size and (at < furthest or sizes[k] != size)):
                break
            if flags[k] & _FIN and fin_at < 0:
                fin_at = at + size
            if size:
                to_rows[count], to_places[count] = k, at
                count += 1
                furthest = at + size
        done = i + 1
    return done, which[:count], places[:count], furthest, fin_at


def positions(acks: Ints, base: int) -> Ints:
    """Acknowledgement numbers as offsets of the peer's stream, unwrapped against each other; -1 where unknown."""
    made = _ZERO * len(acks)
    to, position = made, 0
    for i in range(len(acks)):
        at = -1
        if base >= 0 and acks[i] >= 0:
            at = position + ((acks[i] - base - position + _HALF) & _MASK) - _HALF
            at = max(at, 0)
            position = max(position, at)
        to[i] = at
    return made


def furthest_acked(rows: Segments, said: Ints, base: int, furthest: int) -> int:
    """The highest plausible offset that the rows ``said`` of the peer acknowledged; -1 where none did, -2 where one of them is not plausible."""
    acks = rows.ack
    best, position, before = -1, 0, -1
    for i in range(len(said)):
        ack = acks[said[i]]
        if ack < 0 or ack == before:
            continue
        before = ack
        at = position + ((ack - base - position + _HALF) & _MASK) - _HALF
        if at > max(furthest, position) + _WINDOW or at >= _HALF:  # a receive window: more cannot be under way
            return -2
        best = max(best, at)
        position = max(position, at)
    return best


def holes(places: Ints, sizes: Ints, end: int) -> list[tuple[int, int]]:
    """Where the extents of a stream of ``end`` bytes leave something out: (offset, size)."""
    found = []
    at = 0
    for i in range(len(places)):
        if places[i] > at:
            found.append((at, places[i] - at))
        at = max(at, places[i] + sizes[i])
    if end > at:
        found.append((at, end - at))
    return found


def tries_of(rows: Segments, own: Ints, base: int, furthest: int, at: int) -> tuple[int, list[int]]:
    """Of the segments ``own`` of a side: the largest that ends at ``at`` or before, and the rows of those that hold the byte there."""
    seqs, flags, wire_sizes = rows.seq, rows.flags, rows.wire_size
    passed, tries = 0, []
    for i in range(len(own)):
        k = own[i]
        size = wire_sizes[k]
        if not size:
            continue
        seq = seqs[k] + (1 if flags[k] & _SYN else 0)
        begin = furthest + ((seq - base - furthest + _HALF) & _MASK) - _HALF
        if begin + size <= at:
            passed = max(passed, size)
        elif begin <= at:
            tries.append(k)
    return passed, tries
