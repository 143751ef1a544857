"""One direction's segments become a map of where its bytes lie.

Segments are taken in the order they were captured and the first copy of a byte wins, as with Wireshark and most receivers:

    have        [=======]      [====]
    segment          (-------------------)
    taken                [------]    [---]     the rest is retransmitted; where bytes differ it is a conflict

Of two contents for one place the first captured is used, unless the receiver's acknowledgements show that it had not got that one: it went on asking for these
bytes until the second copy came. Then the second is used. Both are kept (`Conflict`).

Sequence numbers are unwrapped against the furthest position so far, so streams may be longer than 4 GiB. What lies between extents is a gap; bytes that the
snap length cut are gaps too. What the receiver acknowledged beyond the last segment seen is a gap at the end.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.errors import SpentError
from analyzer.formats.reader import Fetch
from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments
from analyzer.records.transport import Choice, Conflict, Extents, Gap, Stream, Unacked
from analyzer.settings import Spent, never
from analyzer.transport.columns import columns_of, furthest_acked, holes, in_order, positions
from analyzer.transport.pieces import Extent, Pieces
from analyzer.transport.plain import Way

_HALF = 1 << 31
_WRAP = 1 << 32
_FIN, _SYN, _RST = 1, 2, 4
_COMPARE = 1 << 16
_LOOKED_AT = 64


class Segment(NamedTuple):
    """A segment of one direction: sequence number of its first payload byte as sent (32 bits), sizes, place, packet key, time, its acknowledgement."""

    seq: int
    size: int
    wire_size: int
    source: int
    file_at: int
    packet: int
    ts_ns: int
    ack: int
    flags: int


class Ordered(NamedTuple):
    """Segments that came in order: the rows of those with bytes, and where each begins in the stream."""

    rows: Ints
    places: Ints


class Assembly(Struct):
    """A direction while it is put together. ``base`` is the sequence number of offset 0 (None until something was seen)."""

    base: int | None = None
    begins: bool = False
    reference: int = 0
    furthest: int = 0
    extents: Pieces = field(default_factory=Pieces)
    snapped: list[tuple[int, int]] = field(default_factory=list)
    fin_at: int | None = None
    retransmitted: int = 0
    out_of_order: int = 0
    conflicts: list[int] = field(default_factory=list)
    differing: list[Conflict] = field(default_factory=list)
    compared: int = 0
    uncompared: int = 0
    """How many pieces repeated segments were compared with, and how many segments were not compared with all of theirs."""
    strays: list[int] = field(default_factory=list)
    acked: int = -1
    ordered: Ordered | None = None
    """All that it is, where everything came in order; ``extents`` are then empty."""

    def offset(self, seq: int) -> int:
        """The stream offset of a 32-bit sequence number, nearest to the furthest position. Only where ``base`` is known."""
        near = ((self.base or 0) + self.furthest) % _WRAP
        return self.furthest + (seq - near + _HALF) % _WRAP - _HALF


def segments(rows: Segments, own: Ints) -> list[Segment]:
    """The segments of the rows ``own``. A SYN takes one number, data that it carries (RFC 7413) follows."""
    found = []
    for k in own:
        seq = (rows.seq[k] + 1) % _WRAP if rows.flags[k] & _SYN else rows.seq[k]
        place = rows.source[k], rows.file_at[k]
        found.append(Segment(seq, rows.size[k], rows.wire_size[k], *place, rows.key[k], rows.ts_ns[k], rows.ack[k], rows.flags[k]))
    return found


def first_base(rows: Segments, own: Ints) -> tuple[int | None, bool]:
    """The sequence number of the stream's offset 0, and whether that is truly its beginning (a SYN was seen)."""
    syn = next((k for k in own if rows.flags[k] & _SYN), None)
    if syn is not None:
        return (rows.seq[syn] + 1) % _WRAP, True
    with_data = array("q", islice((k for k in own if rows.wire_size[k]), _LOOKED_AT)) or own[:_LOOKED_AT]
    if not with_data:
        return None, False
    first = rows.seq[with_data[0]]
    lowest = min((rows.seq[k] - first + _HALF) % _WRAP - _HALF for k in with_data)  # out of order at the start
    return (first + max(lowest, -(1 << 20))) % _WRAP, False


_OFTEN = 4096
"""Segments after which the clock is looked at."""


class Receiver(NamedTuple):
    """What the other side says of what it got: its packets (of ``rows``) in capture order; how many conflicts, and bytes of each, are kept; and how many pieces
    repeated segments are compared with. ``over``: the time is."""

    rows: Segments
    packets: Ints
    conflicts: int
    conflict_bytes: int
    overlaps: int
    over: Spent = never


def assemble(rows: Segments, own: Ints, base: int | None, fetch: Fetch, window: int, receiver: Receiver, *, begins: bool) -> Assembly:
    """Puts one direction's segments (the rows ``own``) together, in capture order. `SpentError`: there was no time for all."""
    assembly = Assembly(base=base, begins=begins)
    if base is None:
        return assembly
    if receiver.over():
        raise SpentError
    done, which, places, furthest, fin_at = in_order(rows, own, base, window)
    assembly.furthest, assembly.fin_at = furthest, None if fin_at < 0 else fin_at
    if done == len(own):
        assembly.ordered = Ordered(which, places)
        return assembly
    for at, k in zip(places, which, strict=True):
        assembly.extents.append(Extent(at, rows.size[k], rows.source[k], rows.file_at[k], rows.key[k], rows.ts_ns[k], rows.ack[k]))
    for place, segment in enumerate(segments(rows, own[done:])):
        if place % _OFTEN == 0 and receiver.over():
            raise SpentError
        if not segment.wire_size and not segment.flags & _FIN:  # an acknowledgement alone
            continue
        at = assembly.offset(segment.seq)
        if abs(at - assembly.furthest) > window:
            if segment.wire_size:
                assembly.strays.append(segment.packet)
            continue
        if segment.flags & _FIN and assembly.fin_at is None:
            assembly.fin_at = at + segment.wire_size
        if segment.wire_size and not _keep_alive(assembly, segment, at):
            _add(assembly, segment, at, fetch, receiver)
    return assembly


def _keep_alive(assembly: Assembly, segment: Segment, at: int) -> bool:
    """A probe repeats the last byte sent, with any content (RFC 9293 section 3.8.4)."""
    return segment.wire_size == 1 and at == assembly.furthest - 1 and bool(assembly.extents) and not segment.flags & (_SYN | _FIN)


def _add(assembly: Assembly, segment: Segment, at: int, fetch: Fetch, receiver: Receiver) -> None:
    source, file_at, size = segment.source, segment.file_at, segment.size
    wire_end = at + segment.wire_size
    if at < 0:  # before what was taken for the beginning
        cut = min(-at, segment.wire_size)
        at, size, file_at = at + cut, size - cut, file_at + cut
        if size <= 0:
            assembly.retransmitted += 1
            return
    end = at + size
    if size < wire_end - at:
        assembly.snapped.append((end, wire_end))
    extents = assembly.extents
    if at >= extents.end:
        if size:
            extents.append(Extent(at, size, source, file_at, segment.packet, segment.ts_ns, segment.ack))
    else:
        free = extents.free(at, end)
        covered = size - sum(stop - start for start, stop in free)
        if covered:
            assembly.retransmitted += 1
            different = _different(assembly, at, size, (source, file_at), fetch, receiver.overlaps)
            if different:
                assembly.conflicts.append(segment.packet)
            for span in different:
                _settle(assembly, segment, span, file_at - at, fetch, receiver)
        else:
            assembly.out_of_order += 1
        for start, stop in free:
            extents.insert(Extent(start, stop - start, source, file_at + start - at, segment.packet, segment.ts_ns, segment.ack))
    assembly.furthest = max(assembly.furthest, wire_end)


def _different(assembly: Assembly, at: int, size: int, place: tuple[int, int], fetch: Fetch, most: int) -> list[tuple[int, int]]:
    """Where the covered bytes of a segment are not what was taken before: in each extent the range from the first to the last byte that differs."""
    found = []
    end = at + min(size, _COMPARE)
    source, file_at = place
    for old in assembly.extents.over(at, end):
        if assembly.compared >= most:
            assembly.uncompared += 1
            break
        assembly.compared += 1
        start, stop = max(old.at, at), min(old.at + old.size, end)
        was, now = fetch(old.source, old.file_at + start - old.at, stop - start), fetch(source, file_at + start - at, stop - start)
        if was != now and len(was) == len(now):
            found.append((start + _alike(was, now), stop - _alike(was[::-1], now[::-1])))
    return found


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes two contents of one size begin with in common; they differ somewhere."""
    low, high = 0, len(one)
    while low + 1 < high:  # one[:low] are alike, one[:high] are not
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low


def _settle(assembly: Assembly, segment: Segment, span: tuple[int, int], to_file: int, fetch: Fetch, receiver: Receiver) -> None:
    """Notes a conflict, and uses the later content where the receiver had not got the earlier one."""
    start, stop = span
    old = assembly.extents.holding(start)
    first_got, asked_again = _said_meanwhile(assembly, old, segment, start, receiver)
    later = asked_again and not first_got
    if len(assembly.differing) < receiver.conflicts:
        kept = min(stop - start, receiver.conflict_bytes)
        contents = fetch(old.source, old.file_at + start - old.at, kept), fetch(segment.source, to_file + start, kept)
        packets = old.packet, segment.packet
        choice = Choice.ACKNOWLEDGED if first_got or asked_again else Choice.FIRST
        used, other = (1, 0) if later else (0, 1)
        assembly.differing.append(Conflict(start, stop - start, contents[used], contents[other], packets[used], packets[other], choice))
    if later:
        new = Extent(start, stop - start, segment.source, to_file + start, segment.packet, segment.ts_ns, segment.ack)
        before = old._replace(size=start - old.at)
        after = old._replace(at=stop, size=old.at + old.size - stop, file_at=old.file_at + stop - old.at)
        assembly.extents.replace(old, [one for one in (before, new, after) if one.size])


_ASKED = 2
"""Acknowledgements for the same byte after it was sent: what is sent behind it arrives, it does not (RFC 5681 section 3.2)."""


def _said_meanwhile(assembly: Assembly, old: Extent, segment: Segment, start: int, receiver: Receiver) -> tuple[bool, bool]:
    """Whether the receiver acknowledged the bytes at ``start`` between the two copies, and whether it went on asking for them."""
    packets, times, acks, flags = receiver.packets, receiver.rows.ts_ns, receiver.rows.ack, receiver.rows.flags
    place = bisect_right(packets, segment.ts_ns, key=lambda row: times[row])
    asked = 0
    for said in reversed(packets[max(place - _LOOKED_AT, 0) : place]):
        if times[said] < old.ts_ns:
            break
        if acks[said] >= 0 and not flags[said] & _RST:
            if assembly.offset(acks[said]) > start:
                return True, False
            asked += 1
    return False, asked >= _ASKED


def finished(assembly: Assembly, peer: Assembly, rows: Segments, said: Ints) -> Stream:
    """The `Stream`. ``said``: the rows that the peer sent, in order; their acknowledgements tell what was received though not captured."""
    size = assembly.furthest
    if assembly.fin_at is not None:
        size = max(size, assembly.fin_at)
    assembly.acked = _acked(assembly, rows, said)
    if assembly.acked > size and assembly.fin_at is None and assembly.acked != size + 1:  # one more is a FIN that was not captured
        size = assembly.acked
    extents = _extents(assembly, rows, -1 if peer.base is None else peer.base)
    return Stream(
        extents=extents,
        gaps=tuple(_gaps(assembly, extents, size)),
        size=size,
        conflicts=len(assembly.conflicts),
        differing=tuple(sorted(assembly.differing, key=lambda one: one.stream_at)) if assembly.differing else (),
        begins=assembly.begins,
        retransmitted=assembly.retransmitted,
        out_of_order=assembly.out_of_order,
        acked=min(assembly.acked, size) if assembly.acked >= 0 else -1,
    )


def _extents(assembly: Assembly, rows: Segments, peer_base: int) -> Extents:
    if assembly.ordered is None:
        at, size, source, file_at, packet, ts_ns, ack = [array("q", column) for column in zip(*assembly.extents, strict=True)] or [array("q") for _ in range(7)]
        return Extents(at, size, source, file_at, packet, ts_ns, positions(ack, peer_base))
    own, at = assembly.ordered
    size, source, file_at, packet, ts_ns, ack = columns_of(rows, own)
    acked = positions(ack, peer_base)
    if len(at) > _FEW:
        return Extents(at, size, source, file_at, packet, ts_ns, acked)
    return Extents(_same(at), _same(size), _same(source), file_at, packet, ts_ns, _same(acked))


def straight(way: Way, unacked: Unacked | None = None) -> Stream:
    """The `Stream` of a direction in which nothing is odd."""
    file_at, packet, ts_ns = array("q", way.file_at), array("q", way.packet), array("q", way.ts_ns)
    if len(way.stream_at) <= _FEW:
        stream_at, size, source, acked = [_shorts.get(key) or _shared(key) for key in map(tuple, (way.stream_at, way.size, way.source, way.acked_by))]
    else:
        stream_at, size, source, acked = array("q", way.stream_at), array("q", way.size), array("q", way.source), array("q", way.acked_by)
    return Stream(Extents(stream_at, size, source, file_at, packet, ts_ns, acked), (), way.end, acked=min(way.acked, way.end), unacked=unacked)


def _shared(key: tuple[int, ...]) -> Ints:
    """A column with these numbers, which may be another stream's as well."""
    known = _shorts.get(key)
    if known is None:
        if len(_shorts) >= _COLUMNS:
            _shorts.clear()
        _shorts[key] = known = _same(array("q", key))
    return known


_FEW, _COLUMNS = 2, 4096
"""Segments of a stream whose columns are often those of others: 100,000 short connections have few different ones. How many are remembered."""
_known: dict[bytes, Ints] = {}
_shorts: dict[tuple[int, ...], Ints] = {}


def _same(column: Ints) -> Ints:
    """The column, or one with the same numbers: nobody writes into them."""
    numbers = column.tobytes()
    known = _known.get(numbers)
    if known is None:
        if len(_known) >= _COLUMNS:
            _known.clear()
        _known[numbers] = known = column
    return known


def _acked(assembly: Assembly, rows: Segments, said: Ints) -> int:
    """The highest plausible offset that the peer acknowledged."""
    if assembly.base is None:
        return -1
    best = furthest_acked(rows, said, assembly.base, assembly.furthest)
    if best >= -1:
        return best
    best = -1
    position = 0
    for ack in dict.fromkeys(rows.ack[k] for k in said if rows.ack[k] >= 0):  # the same one again tells nothing new
        near = (assembly.base + position) % _WRAP
        at = position + (ack - near + _HALF) % _WRAP - _HALF
        if 0 <= at <= max(position, assembly.furthest) + (1 << 24):  # a receive window: more cannot be under way
            best = max(best, at)
            position = max(position, at)
    return best


def _gaps(assembly: Assembly, extents: Extents, size: int) -> Iterator[Gap]:
    found = holes(extents.stream_at, extents.size, size)
    snapped = _merged(assembly.snapped) if found else []
    for at, missing in found:
        last = bisect_right(snapped, at, key=_begin) - 1
        why = "snaplen" if last >= 0 and at < snapped[last][1] else "not_captured"
        yield Gap(at, missing, why)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What the spans cover, in order and without overlap."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def _begin(span: tuple[int, int]) -> int:
    return span[0]
