"""Whether a file's connections can be those of the files before it: by the numbers that their segments have, not by addresses and ports alone.

Addresses and ports are used again, and private ones are in use in many networks. And a sensor that saw the answers only, by a clock that is late, seems to
go on with what another one saw, but has what was acknowledged there already. Files like these are no files of one capture point.
"""

from array import array

from analyzer.capture.bits import ACK, BEGUN, FIN, HIGHER_AT, INFO, KNOWN, KNOWN_OTHER, LATE, LOW, REJECTED, RST, SYN
from analyzer.capture.kernel import Kernel

_HALF = 1 << 31
_CHANCE = 1 << 40
"""Bytes missing of both ends, multiplied: by chance two numbers of 32 bits are that near once in a million times."""
_ROW = 4


class _Stand:
    """Where both ends of a connection stand: number of their next byte, and what the other one acknowledged; None where nothing tells. ``closed``: one of them
    sent a FIN or RST."""

    def __init__(self) -> None:
        self.next: list[int | None] = [None, None]
        self.acked: list[int | None] = [None, None]
        self.closed = False

    def number(self, way: int) -> int | None:
        """Where an end stands, by what it sent or what of it was acknowledged."""
        return self.acked[way] if self.next[way] is None else self.next[way]


def contradicted(before: Kernel, begin: Kernel, *, one_name: bool) -> bool:
    """More connections that both have cannot go on in ``begin``, a file's first packets, than do. One that begins in a file does not lie in the middle
    before it; its ports may be in use again, so where the files have ``one_name`` this says nothing."""
    can = cannot = 0
    for here, there in before.meeting(begin):
        state, info, *_ = before.slot(here)
        later = begin.slot(there)[1]
        if later & BEGUN:
            cannot += not one_name and not info & (KNOWN | KNOWN_OTHER)
            continue
        if state in (REJECTED, LATE):
            continue
        first = begin.first_rows(later >> INFO, later >> HIGHER_AT & 1)
        last = before.last_rows(info >> INFO, info >> HIGHER_AT & 1)
        if not first or not last:
            continue
        if _can_follow(last, first):
            can += 1
        else:
            cannot += 1
    return cannot > can


def _can_follow(last: "array[int]", first: "array[int]") -> bool:
    stands = _Stand()
    for place in range(len(last) - _ROW, -1, -_ROW):
        _note(stands, last, place)
    begins = _Stand()
    fresh = stale = 0
    for place in range(0, len(first), _ROW):
        way, flags, seq, size = first[place] & 1, first[place] >> 1, first[place + 1] >> 32, first[place + 2]
        acked = stands.acked[way]
        if size and acked is not None and not flags & RST:
            old = _signed(seq + size - acked) <= 0
            stale, fresh = stale + old, fresh + (not old)
        if begins.number(way) is None and not flags & RST:
            begins.next[way] = seq
        _acked(begins, first, place, first_only=True)
    if stale and not fresh:  # what had arrived is not sent later
        return False
    chance = 1
    for way in (0, 1):
        ends, starts = stands.number(way), begins.number(way)
        if ends is None or starts is None:
            return True
        if stands.closed and _signed(starts - ends) > 0:  # a new use has numbers not far behind (RFC 6528 section 3)
            return False
        chance *= abs(_signed(starts - ends)) + 1
    return chance <= _CHANCE


def _note(stands: _Stand, rows: "array[int]", place: int) -> None:
    way, flags, seq, size = rows[place] & 1, rows[place] >> 1, rows[place + 1] >> 32, rows[place + 2]
    stands.closed = stands.closed or bool(flags & (FIN | RST))
    if flags & RST:
        return
    stop = (seq + size + bool(flags & SYN) + bool(flags & FIN)) & LOW
    known = stands.next[way]
    if known is None or _signed(stop - known) > 0:
        stands.next[way] = stop
    _acked(stands, rows, place, first_only=False)


def _acked(stands: _Stand, rows: "array[int]", place: int, *, first_only: bool) -> None:
    way, flags, ack = 1 - (rows[place] & 1), rows[place] >> 1, rows[place + 1] & LOW
    if not flags & ACK or flags & RST:
        return
    known = stands.acked[way]
    if known is None or (not first_only and _signed(ack - known) > 0):
        stands.acked[way] = ack


def _signed(difference: int) -> int:
    return (difference + _HALF & LOW) - _HALF
