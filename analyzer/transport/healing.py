"""What one capture point lacks of a connection, out of what another one has of it.

Two capture points see the same segments, as sequence numbers tell; each loses packets of its own. Only what is known to be missing is filled: holes between
segments, what the receiver acknowledged, what the snap length cut, and the beginning where the other one began before. What one saw and the other need not
have seen (a segment that was lost on the way between them) stays where it is. Each filled byte leads to the packet that brought it, in the other point's file;
its time is given by the clock of the connection that it fills. Where both have bytes and these differ, each keeps its own, and the difference is said.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from analyzer.formats.reader import Fetch
from analyzer.records.issues import Issue
from analyzer.records.transport import Choice, Conflict, Connection, Extents, Gap, Loan, Stream
from analyzer.settings import Limits
from analyzer.transport.tunnels import behind

_WRAP = 1 << 32
_HALF = 1 << 31
_COMPARED = 1 << 16
"""Bytes compared at a time."""


class _Shift(Struct, frozen=True, gc=False):
    """How the other view's numbers become those of the own one: added to offsets of the stream, and of the peer's; taken from times."""

    own: int
    peer: int
    ahead_ns: int


def healed(own: Connection, other: Connection, fetch: Fetch, limits: Limits, *, tells: bool) -> tuple[Connection, tuple[Issue, ...]]:
    """``own`` with what ``other``, the same connection at another capture point, has of its holes. ``tells``: it lists the bytes that differ, too."""
    if -1 in own.bases or -1 in other.bases:
        return own, ()
    begun = _begun(own, other, limits)
    offsets = [_signed(theirs - mine) for mine, theirs in zip(begun.bases, other.bases, strict=True)]
    sides = ((begun.to_server, other.to_server), (begun.to_client, other.to_client))
    ahead_ns = _ahead(begun, other, offsets)
    if ahead_ns is None or any(abs(offset) > limits.window_bytes for offset in offsets):
        return own, ()
    shifts = [_Shift(offsets[i], offsets[1 - i], ahead_ns) for i in (0, 1)]
    streams, issues = [], []
    for (mine, theirs), shift, name in zip(sides, shifts, ("client", "server"), strict=True):
        different = _different(mine, theirs, shift.own, fetch, limits)
        if len(different) * 2 > len(mine.extents.size):
            return own, ()  # this is not the same connection
        filled = _filled(mine, theirs, shift)
        if different and tells:
            filled = replace(filled, differing=tuple(sorted((*filled.differing, *different), key=lambda one: one.stream_at))[: limits.conflicts])
            issues.append(Issue("tcp.conflict", f"{name}: {len(different)} places differ from what {other.id} shows (table conflicts)", own.id, own.capture))
        streams.append(filled)
    got = [stream.healed - before.healed for stream, (before, _) in zip(streams, sides, strict=True)]
    if not any(got) and not issues:
        return own, ()
    made = replace(begun, to_server=streams[0], to_client=streams[1])
    if not any(got):
        return made, tuple(issues)
    detail = f"{got[0]} bytes of the client and {got[1]} of the server that this capture point lacks were taken from {other.id}"
    return made, (*issues, Issue("tcp.healed", detail, own.id, own.capture))


def _signed(difference: int) -> int:
    return (difference + _HALF) % _WRAP - _HALF


def _begun(own: Connection, other: Connection, limits: Limits) -> Connection:
    """The connection with offset 0 of each stream where the other view has it, when that is earlier: what lies before its own first byte is a hole."""
    earlier = [_signed(mine - theirs) for mine, theirs in zip(own.bases, other.bases, strict=True)]
    earlier = [size if 0 < size <= limits.window_bytes else 0 for size in earlier]
    if not any(earlier):
        return own
    moved = behind(own, -earlier[0], -earlier[1])
    streams = []
    for stream, theirs, size in zip((moved.to_server, moved.to_client), (other.to_server, other.to_client), earlier, strict=True):
        streams.append(replace(stream, gaps=(Gap(0, size, "not_captured"), *stream.gaps), begins=theirs.begins) if size else stream)
    return replace(moved, to_server=streams[0], to_client=streams[1])


def _ahead(own: Connection, other: Connection, offsets: list[int]) -> int | None:
    """By how many nanoseconds the other point's clock is ahead: the mean of both directions, as a packet takes its time in between (RFC 5905 section 8)."""
    found = []
    for mine, theirs, offset in zip((own.to_server, own.to_client), (other.to_server, other.to_client), offsets, strict=True):
        times = dict(zip(mine.extents.stream_at, mine.extents.ts_ns, strict=True))
        pairs = ((times.get(at + offset), ts_ns) for at, ts_ns in zip(theirs.extents.stream_at, theirs.extents.ts_ns, strict=True))
        both = sorted(ts_ns - known for known, ts_ns in pairs if known is not None)
        if both:
            found.append(both[len(both) // 2])
    if found:
        return sum(found) // len(found)
    return other.first_ns - own.first_ns if own.syn is not None and other.syn is not None else None


def _different(mine: Stream, theirs: Stream, offset: int, fetch: Fetch, limits: Limits) -> list[Conflict]:
    """Where both views have bytes that differ, by the own view's extents."""
    found = []
    a, b = mine.extents, theirs.extents
    place = 0
    for i, begin in enumerate(a.stream_at):
        end = begin + a.size[i]
        while place < len(b.size) and b.stream_at[place] + b.size[place] + offset <= begin:
            place += 1
        j = place
        while j < len(b.size) and b.stream_at[j] + offset < end:
            start, stop = max(begin, b.stream_at[j] + offset), min(end, b.stream_at[j] + b.size[j] + offset, begin + _COMPARED)
            if start < stop:
                was = fetch(a.source[i], a.file_at[i] + start - begin, stop - start)
                now = fetch(b.source[j], b.file_at[j] + start - offset - b.stream_at[j], stop - start)
                if was != now and len(was) == len(now):
                    kept = limits.conflict_bytes
                    found.append(Conflict(start, stop - start, was[:kept], now[:kept], a.packet[i], b.packet[j], Choice.OWN))
            j += 1
    return found


def _filled(mine: Stream, theirs: Stream, shift: _Shift) -> Stream:
    """The stream with the other view's bytes in its holes."""
    b = theirs.extents
    starts = [at + shift.own for at in b.stream_at]
    rows: list[tuple[int, ...]] = []
    for gap in mine.gaps:
        j = max(bisect_right(starts, gap.stream_at) - 1, 0)
        while j < len(starts) and starts[j] < gap.stream_at + gap.size:
            start, stop = max(starts[j], gap.stream_at), min(starts[j] + b.size[j], gap.stream_at + gap.size)
            if start < stop:
                acked = max(b.acked[j] + shift.peer, 0) if b.acked[j] >= 0 else -1
                rows.append((start, stop - start, b.source[j], b.file_at[j] + start - starts[j], b.packet[j], b.ts_ns[j] - shift.ahead_ns, acked))
            j += 1
    return _with(mine, rows)


def borrowed(mine: Stream, loans: Sequence[Loan]) -> Stream:
    """The stream with bytes that the other side of a proxy has, in its holes. They have the time of the stream's own bytes before them, else behind them: when
    this side saw them is not known, and the other side's time says nothing of it."""
    own = mine.extents
    rows: list[tuple[int, ...]] = []
    for loan in loans:
        place = max(bisect_right(own.stream_at, loan.stream_at) - 1, 0)
        rows.append((loan.stream_at, loan.size, loan.source, loan.file_at, loan.packet, own.ts_ns[place] if len(own.ts_ns) else 0, -1))
    return _with(mine, rows)


def _with(mine: Stream, found: Iterable[tuple[int, ...]]) -> Stream:
    """The stream with more extents, which lie in its holes."""
    added = list(found)
    if not added:
        return mine
    own = mine.extents
    rows = [*zip(own.stream_at, own.size, own.source, own.file_at, own.packet, own.ts_ns, own.acked, strict=True), *added]
    rows.sort(key=lambda row: row[0])
    extents = Extents(*(array("q", column) for column in zip(*rows, strict=True)))
    return replace(mine, extents=extents, gaps=_left(mine, extents), healed=mine.healed + sum(row[1] for row in added))


def _left(mine: Stream, extents: Extents) -> tuple[Gap, ...]:
    """What is still missing."""
    begins = [gap.stream_at for gap in mine.gaps]
    covered = [(-1, 0), *((at, at + size) for at, size in zip(extents.stream_at, extents.size, strict=True)), (mine.size, mine.size)]
    found = []
    for (_, end), (start, _) in pairwise(covered):
        if start > end:
            found.append(Gap(end, start - end, mine.gaps[max(bisect_right(begins, end) - 1, 0)].why))
    return tuple(found)
