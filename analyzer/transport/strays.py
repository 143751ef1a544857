"""What ends nothing, whoever sent it: a SYN inside a connection that nobody answered, and a FIN or RST far outside of the window, after which its sender went
on where it was (RFC 9293 section 3.10.7.4: the receiver keeps its state).

The kernel begins a new use of the 4-tuple with every SYN. Where no SYN of the other side follows, and both sides go on with the sequence numbers that they had,
what follows belongs to the connection before.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.records.arrays import Ints
from analyzer.records.capture import Flow, Segments
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.transport.columns import all_in_place

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_WRAP = 1 << 32
_NEAR = 1 << 20
"""How far a sequence number may be from the one that is next: segments may be lost between, or sent again."""


_ACTIVE_NS = 300_000_000_000
"""A connection without a packet for longer than this may have ended unseen."""


class Untangled(NamedTuple):
    """The flows without stray SYNs, the pieces that these cut off joined to what they belong to; by index of a flow the packet keys of its strays, and those of
    the flows that begin on addresses and ports whose connection had not ended."""

    flows: tuple[Flow, ...]
    strays: dict[int, tuple[int, ...]]
    reused: frozenset[int] = frozenset()


def untangled(flows: Sequence[Flow]) -> Untangled:
    """``flows`` in order of captures, then first packets; most are given back as they are."""
    out: list[Flow | None] = list(flows)
    strays: dict[int, tuple[int, ...]] = {}
    latest: dict[tuple[int, tuple[str, int], tuple[str, int]], int] = {}
    reused: set[int] = set()
    for index, flow in enumerate(flows):
        one, other = zip(flow.hosts, flow.ports, strict=True)
        ends = (flow.point, one, other) if one <= other else (flow.point, other, one)
        before = latest.get(ends)
        if before is None:  # as of nearly all
            latest[ends] = index
            continue
        known = out[before]
        alone = _alone(flow)
        if known is None or not alone or not _goes_on(known, flow, alone):
            latest[ends] = index
            if known is not None and _is_active(known, flow):
                reused.add(index)
            continue
        out[before] = replace(known, segments=_joined(known, flow, alone), verdict=known.verdict)
        out[index] = None
        strays[before] = (*strays.get(before, ()), *(flow.segments.key[row] for row in range(alone)))
    if not strays:
        return Untangled(tuple(flows), {}, frozenset(reused))
    places = {old: new for new, old in enumerate(index for index, flow in enumerate(out) if flow is not None)}
    told = {places[index]: keys for index, keys in strays.items()}
    return Untangled(tuple(flow for flow in out if flow is not None), told, frozenset(places[index] for index in reused if index in places))


def _is_active(before: Flow, flow: Flow) -> bool:
    """A SYN begins ``flow`` while nothing had ended the connection ``before``."""
    rows = before.segments
    if not flow.segments.flags or not flow.segments.flags[0] & _SYN or flow.segments.ts_ns[0] - rows.ts_ns[-1] > _ACTIVE_NS:
        return False
    return not any(flags & (_FIN | _RST) for flags in rows.flags) and any(rows.wire_size)


def reuse(connection: str, key: int | None) -> tuple[Issue, ...]:
    """The issue of a connection that begins where another one had not ended, by the key of its first packet."""
    return () if key is None else (Issue("tcp.weird", "active_connection_reuse", connection, key_capture(key), key_number(key)),)


def stray_syns(connection: str, keys: Sequence[int]) -> tuple[Issue, ...]:
    """The issue of a connection's stray SYNs, by their packet keys."""
    if not keys:
        return ()
    told = "a SYN inside of the connection that was never answered; the connection went on"
    return (Issue("tcp.stray-syn", told, connection, key_capture(keys[0]), key_number(keys[0]), len(keys)),)


def _alone(flow: Flow) -> int:
    """How many SYN the flow begins with, when it has no other and none of them is answered by one; else 0."""
    flags = flow.segments.flags
    count = next((row for row, one in enumerate(flags) if not one & _SYN), len(flags))
    if not 0 < count < len(flags) or any(one & _SYN for one in flags[count:]) or any(one & _ACK for one in flags[:count]):
        return 0
    return count


def _goes_on(before: Flow, flow: Flow, alone: int) -> bool:
    """The first segments of both sides behind the SYN have the numbers that are next in the connection before, not those that the SYN announced."""
    rows, met = flow.segments, set()
    announced = {(rows.seq[row] + 1) % _WRAP for row in range(alone)}
    for row in range(alone, len(rows.flags)):
        side = rows.direction[row]
        if side in met:
            continue
        met.add(side)
        expected = _next(before, (flow.hosts[side], flow.ports[side]))
        if expected is None or rows.seq[row] in announced or not _near(rows.seq[row], expected):
            return False
        if len(met) == len(flow.hosts):
            break
    return bool(met)


def _next(flow: Flow, sender: tuple[str, int]) -> int | None:
    """The sequence number that follows the sender's last segment."""
    rows = flow.segments
    for row in range(len(rows.flags) - 1, -1, -1):
        side = rows.direction[row]
        if (flow.hosts[side], flow.ports[side]) == sender:
            return (rows.seq[row] + rows.wire_size[row] + bool(rows.flags[row] & (_SYN | _FIN))) % _WRAP
    return None


def _near(one: int, other: int) -> bool:
    return min((one - other) % _WRAP, (other - one) % _WRAP) <= _NEAR


def _joined(before: Flow, flow: Flow, alone: int) -> Segments:
    """The rows of both, without the SYNs; directions as the first one has them."""
    flip = int((flow.hosts[0], flow.ports[0]) != (before.hosts[0], before.ports[0]))
    rows = Segments()
    for name in Segments.__struct_fields__:
        own, other = getattr(before.segments, name), getattr(flow.segments, name)[alone:]
        joined = getattr(rows, name)
        joined.extend(own)
        joined.extend(array("q", (side ^ flip for side in other)) if name == "direction" else other)
    return rows


def out_of_place(rows: Segments, kept: Ints) -> frozenset[int]:
    """The rows of ``kept`` that are a FIN or RST without data far from where their sender stood, who then went on from there."""
    if all_in_place(rows, kept):
        return frozenset()
    found: set[int] = set()
    stands: list[int | None] = [None, None]
    waiting: tuple[list[int], list[int]] = ([], [])
    for k in kept:
        side, seq = rows.direction[k], rows.seq[k]
        at = stands[side]
        closes = bool(rows.flags[k] & (_FIN | _RST)) and not rows.wire_size[k]
        if closes and at is not None and not _near(seq, at):
            waiting[side].append(k)
            continue
        if at is None or not waiting[side] or _near(seq, at):
            found.update(waiting[side])
        waiting[side].clear()
        stands[side] = (seq + rows.wire_size[k] + bool(rows.flags[k] & (_SYN | _FIN))) % _WRAP
    return frozenset(found)
