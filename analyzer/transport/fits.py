"""Whether two flows, seen at two capture points, are parts of one connection: by sequence numbers, and by times that no clock can explain away. What proves it
is told in `analyzer.transport.complements`."""

from collections.abc import Iterator
from math import e, log2
from typing import NamedTuple

from analyzer.records.capture import Flow

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_WRAP, _HALF = 1 << 32, 1 << 31
_CHANCE = 1 << 40
"""Bytes that are missing of both senders, multiplied: two numbers of 32 bits are that near by chance once in a million times."""
_FURTHEST = 1 << 28
"""Bytes of one sender that may be missing in between."""
_LEAST = 4
"""Packets that one point lacks, before it is no view of the whole."""
_EDGE = 1 << 16
"""Packets at the beginning and at the end of a flow whose numbers are compared; of what lies between only how far it reaches."""
_JITTER_NS = 5_000_000
"""By how much the times of two points may contradict each other: clocks are read when packets are taken from a queue."""
FAR_NS = 1 << 62
_SMALL = 1 << 12
"""Bytes of one sender that both parts have, below which one rather goes on where the other ends."""
_SURE = -24.0
"""As `_CHANCE`, as a power of 2."""
_ANSWER_NS = 60_000_000_000
"""A SYN is answered within this, or given up."""


class Part:
    """What is compared of a flow. Sender 0 is the lower of its two ends; numbers are those of the stream, behind the SYN."""

    def __init__(self, index: int, flow: Flow) -> None:
        rows = flow.segments
        ends = list(zip(flow.hosts, flow.ports, strict=True))
        flip = int(ends[0] > ends[1])
        self.index, self.flow = index, flow
        self.opens = False
        """It has the SYN of the client."""
        self.isns: tuple[set[int], set[int]] = (set(), set())
        self.starts: tuple[set[int], set[int]] = (set(), set())
        self.stops: tuple[set[int], set[int]] = (set(), set())
        """Of each sender, the numbers that its segments begin and end with."""
        self.said: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.acked: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """Of each sender, when the bytes before a number, and their acknowledgement by the other side, were first seen."""
        self.sent: list[tuple[int, int] | None] = [None, None]
        """When each sender's first and last segment was seen."""
        self.fins: list[int | None] = [None, None]
        self.closed = any(flags & (_FIN | _RST) for flags in rows.flags)
        count = len(rows.ts_ns)
        self.rows = {key: ts_ns for place, (key, ts_ns) in enumerate(zip(keys(flow, flip), rows.ts_ns, strict=True)) if not _EDGE <= place < count - _EDGE}
        """What tells a packet wherever it is captured, and when it was seen."""
        spans: list[list[int]] = [[], []]
        acked: list[list[int]] = [[], []]
        numbers = zip(rows.direction, rows.seq, rows.ack, rows.flags, rows.wire_size, rows.ts_ns, strict=True)
        for place, (direction, seq, ack, flags, size, ts_ns) in enumerate(numbers):
            side = direction ^ flip
            if flags & _RST:  # anyone sends one, with the numbers that he guesses
                continue
            at = (seq + bool(flags & _SYN)) % _WRAP
            stop = (at + size + bool(flags & _FIN)) % _WRAP
            if flags & _SYN:
                self.isns[side].add(seq)
                self.opens = self.opens or not flags & _ACK
            if flags & _FIN and self.fins[side] is None:
                self.fins[side] = stop
            _widen(spans[side], at)
            _widen(spans[side], stop)
            seen = self.sent[side]
            self.sent[side] = (ts_ns, ts_ns) if seen is None else (min(seen[0], ts_ns), max(seen[1], ts_ns))
            acks = ack >= 0 and flags & _ACK
            if acks:
                _widen(acked[1 - side], ack)
            if _EDGE <= place < count - _EDGE:
                continue
            self._compare(side, at, stop, ts_ns, ack if acks else None, says=bool(size or flags & (_SYN | _FIN)))
        known = [own or other for own, other in zip(spans, acked, strict=True)]
        self.begin = tuple(span[0] % _WRAP if span else None for span in known)
        """Of each sender, the first number and the one behind the last; by what was acknowledged where it sent nothing here; None where that is not known."""
        self.end = tuple(span[1] % _WRAP if span else None for span in known)

    def _compare(self, side: int, at: int, stop: int, ts_ns: int, ack: int | None, *, says: bool) -> None:
        self.starts[side].add(at)
        self.stops[side].add(stop)
        if says:
            self.said[side].setdefault(stop, ts_ns)
        if ack is not None:
            self.acked[1 - side].setdefault(ack, ts_ns)


def keys(flow: Flow, flip: int) -> Iterator[tuple[int, ...]]:
    """What tells a packet wherever it is captured: sender, numbers, flags, size, and IPv4 identification (without one the checksum)."""
    rows = flow.segments
    idents = (ident >> 16 or ident for ident in rows.ident)
    return zip((side ^ flip for side in rows.direction), rows.seq, rows.ack, rows.flags, rows.wire_size, idents, strict=True)


def _widen(span: list[int], number: int) -> None:
    """The span from the least to the greatest number so far and the latest, not wrapped; with another one."""
    if not span:
        span += (number, number, number)
        return
    span[2] += _signed(number - span[2])
    span[0], span[1] = min(span[0], span[2]), max(span[1], span[2])


def _signed(difference: int) -> int:
    return (difference + _HALF) % _WRAP - _HALF


class Fit(NamedTuple):
    """Two parts of one connection: how many numbers they share, which one is the first, and what has to be added to the times of the other one at least, and
    at most."""

    shared: int
    first: Part
    other: Part
    least: int
    most: int
    overlap: bool = False
    """Both have some of the same packets."""


def fitted(one: Part, other: Part) -> Fit | None:
    """How two parts are one connection; None where they are not, or nothing proves it."""
    if not (_allows(one, other) and _allows(other, one)):
        return None
    if not _is_first(one, other):
        one, other = other, one
    if not _are_parts(one, other):
        return None
    shared = [_shared(one, other, side) + _shared(other, one, side) for side in (0, 1)]
    least, most = _bounds(one, other)
    overlap = not one.rows.keys().isdisjoint(other.rows)
    if least > most + _JITTER_NS:
        return None
    if all(shared):
        sure = sum(_chance(one, other, side) for side in (0, 1)) <= _SURE
        return Fit(sum(shared), one, other, least, most, overlap) if sure else None
    if (
        least > 0 or most < 0 or one.closed
    ):  # with so little proof clocks have to fit as they are; and a new use has numbers not far behind (RFC 6528 section 3)
        return None
    unknown = [side for side in (0, 1) if one.end[side] is None]  # a SYN alone tells nothing of the other side's numbers
    if not unknown and None in other.begin:
        return None
    if unknown:
        return Fit(sum(shared), one, other, least, most, overlap) if any(shared) and _first_ns(other) - _last_ns(one) <= _ANSWER_NS else None
    steps = [_signed((begin or 0) - (end or 0)) for begin, end in zip(other.begin, one.end, strict=True)]
    behind = all(0 <= step <= _FURTHEST for step in steps) and _last_ns(one) <= _first_ns(other)
    return Fit(sum(shared), one, other, least, most, overlap) if behind and (steps[0] + 1) * (steps[1] + 1) <= _CHANCE else None


def _are_parts(one: Part, other: Part) -> bool:
    """Each has what the other lacks: most of it, or what comes before and behind that which both have; or one has no more than the other's beginning or
    end, and less than half. Else they are two views."""
    both = one.rows.keys() & other.rows.keys()
    few, many = sorted((one, other), key=lambda part: len(part.rows))
    if len(both) * 2 <= len(few.rows):
        return True
    own = [ts_ns for key, ts_ns in one.rows.items() if key not in both]
    others = [ts_ns for key, ts_ns in other.rows.items() if key not in both]
    if len(few.rows) * 2 <= len(many.rows) and len(both) == len(few.rows):
        times = sorted(map(many.rows.__getitem__, both))
        return all(ts_ns >= times[-1] for ts_ns in own or others) or all(ts_ns <= times[0] for ts_ns in own or others)
    begin, end = min(map(one.rows.__getitem__, both)), max(map(other.rows.__getitem__, both))
    misplaced = sum(ts_ns > begin for ts_ns in own), sum(ts_ns < end for ts_ns in others)
    return all(len(one) >= _LEAST and wrong * 4 <= len(one) for one, wrong in zip((own, others), misplaced, strict=True))


def _first_ns(part: Part) -> int:
    return min(part.flow.segments.ts_ns)


def _last_ns(part: Part) -> int:
    return max(part.flow.segments.ts_ns)


def _allows(one: Part, other: Part) -> bool:
    """Nothing of ``other`` lies before the SYN, or behind the FIN, that ``one`` has of a sender. A probe of a connection that is idle lies one before."""
    for side in (0, 1):
        begin, end, fin = other.begin[side], other.end[side], one.fins[side]
        if begin is not None and any(_signed(begin - isn - 1) < -1 for isn in one.isns[side]):
            return False
        if end is not None and fin is not None and _signed(end - fin) > 0:
            return False
    return True


def _is_first(one: Part, other: Part) -> bool:
    """The connection begins with ``one``: it has the SYN, or lower numbers."""
    if one.opens != other.opens:
        return one.opens
    steps = [_signed(later - earlier) for earlier, later in zip(one.begin, other.begin, strict=True) if earlier is not None and later is not None]
    return sum(steps) >= 0


def _shared(one: Part, other: Part, side: int) -> int:
    """How many numbers at which a segment of ``one`` ends are those where ``other`` goes on, or that it acknowledges."""
    return len(one.stops[side] & (other.starts[side] | other.acked[side].keys()))


def _chance(one: Part, other: Part, side: int) -> float:
    """How likely two connections share what these share of a sender, as a power of 2. Long ones have some of the same range of numbers easily, and in it
    segments that end at the same ones; those of one connection end at far more. Where one goes on at the other's end, there is no such range."""
    begins, ends = (one.begin[side], other.begin[side]), (one.end[side], other.end[side])
    if None in begins or None in ends:
        return -32.0
    origin = begins[0] or 0
    away = _signed((begins[1] or 0) - origin)
    sizes = [((end or 0) - (begin or 0)) % _WRAP for begin, end in zip(begins, ends, strict=True)]
    low, high = max(0, away), min(sizes[0], away + sizes[1])
    both = max(high - low, 0)
    near = log2(min((sum(sizes) if both > _SMALL else 2 * both) + 1, _WRAP)) - 32
    if not both:
        return near

    def inside(part: Part) -> int:
        numbers = part.stops[side] | part.starts[side] | part.acked[side].keys()
        return sum([low <= _signed(number - origin) <= high for number in numbers])

    shared = len(one.stops[side] & (other.starts[side] | other.acked[side].keys()) | other.stops[side] & (one.starts[side] | one.acked[side].keys()))
    expected = inside(one) * inside(other) / both
    return near + (shared * log2(e * expected / shared) if shared > expected > 0 else 0)  # Chernoff's bound of a Poisson distribution


def _bounds(one: Part, other: Part) -> tuple[int, int]:
    """What has to be added to the times of ``other`` at least, and at most, so that nothing comes before what it answers or goes on with."""
    least, most = -FAR_NS, FAR_NS
    for side in (0, 1):
        least = max([least, *(one.said[side][at] - other.acked[side][at] for at in one.said[side].keys() & other.acked[side].keys())])
        most = min([most, *(one.acked[side][at] - other.said[side][at] for at in other.said[side].keys() & one.acked[side].keys())])
        before, after = one.sent[side], other.sent[side]
        if before is None or after is None:
            continue
        if _signed((other.begin[side] or 0) - (one.end[side] or 0)) >= 0:
            least = max(least, before[1] - after[0])
        elif _signed((one.begin[side] or 0) - (other.end[side] or 0)) >= 0:
            most = min(most, before[0] - after[1])
    return least, most
