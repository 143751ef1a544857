"""One connection of which two capture points have different parts, put together.

A route that changes, a sensor that is restarted, or routes that differ by direction leave the beginning of a connection at one point and the rest at
another, or the requests at one and the answers at the other. Addresses and ports prove nothing: they are used again, and private ones are in use in many
networks. What proves it are sequence numbers. Each point has numbers of both senders, as every segment acknowledges the other side's bytes, and two
connections would have to have chosen both alike (32 bits each, RFC 9293 section 3.4.1):

    - of each sender, a number that ends a segment at one point is where the other point goes on, or what it acknowledges, and two connections as long as
      these would not share so many by chance; or
    - all that one point has lies behind all that the other has, in numbers of both senders and in time, and little is missing in between.

Nothing may contradict it: not the SYN nor the FIN of either, and not time. An acknowledgement is later than what it acknowledges, wherever either was seen:
that bounds by how much one clock is ahead of the other. Where the clocks as they are fit, they are left so. Where they do not, the times of the later point
are moved to the first one's clock, and the note says by how much.

What both points have is left to `analyzer.transport.threads`: two views of one connection, each of which tells something of its own.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.records.capture import Flow, Segments, Verdict
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.transport.fits import FAR_NS, Fit, Part, fitted, keys
from analyzer.transport.strays import Untangled

_SYN = 2
_LATEST_NS = (1 << 63) - 1
"""The latest time that a row holds."""
_FEW = 64
"""Uses of the same addresses and ports that are compared one by one; of more, only those that begin where another one begins or ends."""


class Together(NamedTuple):
    """As `Untangled`, each connection's parts put together, with the notes of those that were, by index of the flow."""

    flows: tuple[Flow, ...]
    strays: dict[int, tuple[int, ...]]
    reused: frozenset[int]
    notes: dict[int, tuple[Issue, ...]]


def together(plain: Untangled) -> Together:
    """Most flows are given back as they are."""
    flows = plain.flows
    if len({flow.point for flow in flows}) <= 1:  # the parts of a connection are what several points saw of it
        return Together(flows, plain.strays, plain.reused, {})
    by_ends: dict[frozenset[tuple[str, int]], list[int]] = {}
    for index, flow in enumerate(flows):
        if len(flow.segments.key):
            by_ends.setdefault(frozenset(zip(flow.hosts, flow.ports, strict=True)), []).append(index)
    fits: list[Fit] = []
    for own in by_ends.values():
        if len(own) > 1 and len({flows[index].point for index in own}) > 1:
            fits += (fit for one, other in _pairs(own, flows) if (fit := fitted(one, other)) is not None)
    if not fits:
        return Together(flows, plain.strays, plain.reused, {})
    out: list[Flow | None] = list(flows)
    told: dict[int, tuple[Issue, ...]] = {}
    clocks = _clocks(fits)
    into: dict[int, int] = {}
    for group in _groups(fits):
        first, whole, notes = _joined(group, clocks)
        for index in {part.index for fit in group for part in (fit.first, fit.other)}:
            out[index], into[index] = None, first
        out[first], told[first] = whole, notes
    places = {old: new for new, old in enumerate(index for index, flow in enumerate(out) if flow is not None)}
    places |= {old: places[first] for old, first in into.items() if old != first}
    strays: dict[int, tuple[int, ...]] = {}
    for index, keys_of in plain.strays.items():
        strays[places[index]] = (*strays.get(places[index], ()), *keys_of)
    reused = frozenset(places[index] for index in plain.reused if index in told or out[index] is not None)
    return Together(tuple(flow for flow in out if flow is not None), strays, reused, {places[index]: notes for index, notes in told.items()})


def _pairs(own: Sequence[int], flows: Sequence[Flow]) -> Iterator[tuple[Part, Part]]:
    """What may be two parts of one connection, of flows with the same ends. Two that saw different SYNs are two uses; two that saw the same are two views
    of it, unless one saw little else."""
    isns = {index: _isns(flows[index]) for index in own}
    parts: dict[int, Part] = {}

    def part(index: int) -> Part:
        if index not in parts:
            parts[index] = Part(index, flows[index])
        return parts[index]

    def apart(one: int, other: int) -> bool:
        if flows[one].point == flows[other].point:
            return False
        both = isns[one].keys() & isns[other].keys()
        few, many = sorted((len(flows[one].segments.key), len(flows[other].segments.key)))
        return all(isns[one][end] == isns[other][end] for end in both) and (not both or few * 2 <= many)

    if len(own) <= _FEW:
        yield from ((part(one), part(other)) for one, other in combinations(own, 2) if apart(one, other))
        return
    by_numbers: dict[tuple[int | None, ...], list[int]] = {}
    for index in own:
        for numbers in {part(index).begin, part(index).end}:
            by_numbers.setdefault(numbers, []).append(index)
    found = (pair for near in by_numbers.values() if len(near) <= _FEW for pair in combinations(near, 2))  # more have numbers that their sender chose
    yield from ((part(one), part(other)) for one, other in sorted(set(found)) if apart(one, other))


def _isns(flow: Flow) -> dict[tuple[str, int], int]:
    """The initial sequence number of each end whose SYN was seen."""
    rows = flow.segments
    sides = {direction: seq for direction, seq, flags in zip(rows.direction, rows.seq, rows.flags, strict=True) if flags & _SYN}
    return {(flow.hosts[side], flow.ports[side]): seq for side, seq in sides.items()}


def _groups(fits: Sequence[Fit]) -> list[list[Fit]]:
    """The fits by connection, the best proved first: each point has one part of it."""
    group: dict[int, dict[int, Part]] = {}
    kept: list[Fit] = []
    for fit in sorted(fits, key=lambda fit: (-fit.shared, fit.first.index, fit.other.index)):
        own = group.setdefault(fit.first.index, {fit.first.flow.point: fit.first})
        others = group.setdefault(fit.other.index, {fit.other.flow.point: fit.other})
        if own is others or own.keys() & others.keys():
            continue
        own |= others
        group |= {part.index: own for part in others.values()}
        kept.append(fit)
    found: dict[int, list[Fit]] = {}
    for fit in kept:
        found.setdefault(id(group[fit.first.index]), []).append(fit)
    return list(found.values())


def _clocks(fits: Iterable[Fit]) -> dict[tuple[int, int], tuple[int, int]]:
    """By two points, the bounds that all connections over both leave; without those that contradict each other, as where a clock drifts."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for fit in fits:
        for ends, least, most in ((_points(fit), fit.least, fit.most), (_points(fit)[::-1], -fit.most, -fit.least)):
            before = found.get(ends, (-FAR_NS, FAR_NS))
            found[ends] = max(before[0], least), min(before[1], most)
    return found


def _points(fit: Fit) -> tuple[int, int]:
    return fit.first.flow.point, fit.other.flow.point


class _Shift(NamedTuple):
    """What is added to a part's times, and by how much that may be wrong; None where nothing tells."""

    ns: int
    error_ns: int | None


def _shift(least: int, most: int) -> _Shift:
    if least <= 0 <= most:
        return _Shift(0, None)
    if least == -FAR_NS or most == FAR_NS:
        return _Shift(most if least == -FAR_NS else least, None)
    return _Shift((least + most) // 2, abs(most - least) // 2)


def _joined(group: Sequence[Fit], clocks: dict[tuple[int, int], tuple[int, int]]) -> tuple[int, Flow, tuple[Issue, ...]]:
    """The connection's parts as one flow, in the place of the one that it begins with, and a note for each other one."""
    parts = {part.index: part for fit in group for part in (fit.first, fit.other)}
    others = {fit.other.index for fit in group}
    root = min(parts.values(), key=lambda part: (not part.opens, part.index in others, part.index))
    shifts = {root.index: _Shift(0, None)}
    order = [root]
    while len(shifts) < len(parts):
        for fit in group:
            known = [part for part in (fit.first, fit.other) if part.index in shifts]
            if len(known) != 1:
                continue
            least, most = clocks[_points(fit)]
            least, most = (least, most) if least <= most else (fit.least, fit.most)
            new, step = (fit.other, _shift(least, most)) if known[0] is fit.first else (fit.first, _shift(-most, -least))
            shifts[new.index] = step._replace(ns=step.ns + shifts[known[0].index].ns)
            order.append(new)
    flow, copies = _merged(root, order, shifts, overlap=any(fit.overlap for fit in group))
    return root.index, flow, tuple(_note(part, copies[part.index], shifts[part.index], group) for part in order[1:])


def _merged(root: Part, order: Sequence[Part], shifts: dict[int, _Shift], *, overlap: bool) -> tuple[Flow, dict[int, int]]:
    """The parts as one flow; and, by part, how many of its packets a part before it has, too."""
    begin = root.flow
    copies = dict.fromkeys(shifts, 0)
    whole = Segments()
    had: dict[tuple[int, ...], int] = {}
    for part in order:
        flow = part.flow
        flip = int((flow.hosts[0], flow.ports[0]) != (begin.hosts[0], begin.ports[0]))
        fresh: Sequence[int] = range(len(flow.segments.size))
        if overlap:
            sizes = list(zip(keys(flow, flip), flow.segments.size, strict=True))
            copies[part.index] = sum(key in had for key, _ in sizes)
            fresh = [row for row, (key, size) in enumerate(sizes) if had.get(key, -1) < size]  # of two copies the one that is less cut counts, too
            had |= sizes
        for name in Segments.__struct_fields__:
            column: Iterable[int] = map(getattr(flow.segments, name).__getitem__, fresh)
            if name == "direction" and flip:
                column = (side ^ 1 for side in column)
            elif name == "ts_ns" and shifts[part.index].ns:
                column = (min(max(ts_ns + shifts[part.index].ns, 0), _LATEST_NS) for ts_ns in column)  # a damaged packet may have any time
            getattr(whole, name).extend(array("q", column))
    rows = sorted(range(len(whole.ts_ns)), key=whole.ts_ns.__getitem__)  # at the same time what the connection begins with comes first
    segments = Segments(*(array("q", map(getattr(whole, name).__getitem__, rows)) for name in Segments.__struct_fields__))
    known = (part.flow.verdict for part in order if part.flow.verdict in (Verdict.HTTP, Verdict.TLS))
    return replace(begin, segments=segments, verdict=next(known, begin.verdict)), copies


def _note(part: Part, copies: int, shift: _Shift, group: Sequence[Fit]) -> Issue:
    shared = sum(fit.shared for fit in group if part in (fit.first, fit.other))
    proof = f"{shared} sequence numbers lead from one to the other" if shared else "its numbers go on behind those of the other one"
    clock = ""
    if shift.ns:
        sure = ", at least" if shift.error_ns is None else f", by {shift.error_ns / 1e9:.6f} s more or less"
        way = "late" if shift.ns > 0 else "early"
        clock = f"; its clock is {abs(shift.ns) / 1e9:.6f} s {way}{sure}, and its times are moved to the other one's"
    key = part.flow.segments.key[0]
    others = f"{copies} of them at another one, too" if copies else "the others at another one"
    return Issue(
        "tcp.joined",
        f"{len(part.flow.segments.key)} packets of the connection lie at this capture point, {others}: {proof}{clock}",
        None,
        key_capture(key),
        key_number(key),
    )
