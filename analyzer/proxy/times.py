"""Times of flights by the reference clock, and which can be compared at all."""

from collections.abc import Mapping

from analyzer.proxy.flights import Flight
from analyzer.records.proxy import Clock

Clocks = Mapping[int, Clock]
"""By capture point. A point that it does not have shares no clock with others."""
GATEWAY = (502, 503, 504)
_SLACK_NS = 1_000_000


def ahead(clock: Clock, ns: int) -> int:
    """By how much a clock that shows ``ns`` is ahead of the reference."""
    return clock.ahead_ns + (round(clock.drift * (ns - clock.at_ns)) if clock.drift else 0)


def same_clock(one: Flight, other: Flight, clocks: Clocks | None) -> bool:
    """True when times of the two can be compared."""
    a, b = one.connection.point, other.connection.point
    return a == b or (clocks is not None and a in clocks and b in clocks)


def shifted(flight: Flight, ns: int, clocks: Clocks | None) -> int:
    """A time of a flight by the reference clock."""
    clock = None if clocks is None else clocks.get(flight.connection.point)
    return ns if clock is None else ns - ahead(clock, ns)


def slack(one: Flight, other: Flight, clocks: Clocks | None) -> int:
    """How wrong a comparison of times can be. Within one capture there is one clock and none: whole exchanges take less on a fast network."""
    a, b = one.connection.point, other.connection.point
    if a == b:
        return 0
    known = [clocks[capture] for capture in (a, b) if clocks is not None and capture in clocks]
    return _SLACK_NS + 2 * sum(clock.error_ns for clock in known)


def nested(near: Flight, far: Flight, clocks: Clocks | None) -> bool:
    """True when ``far`` lies within ``near`` in time. A near flight without a response lasts as long as its connection; one to which the proxy itself said 502,
    503 or 504 ended before the server's answer, which may come later."""
    point = near.connection.point
    if point == far.connection.point and (clocks is None or point not in clocks):
        return _nested(near, far)
    allowed = slack(near, far, clocks)
    near_end = shifted(near, near.end if near.end is not None else near.open_end, clocks) + allowed
    far_start = shifted(far, far.start, clocks)
    if not shifted(near, near.start, clocks) <= far_start + allowed or far_start > near_end:
        return False
    if near.shape[2] in GATEWAY and far.shape[2] not in GATEWAY:
        return True
    return far.end is None or near.end is None or shifted(far, far.end, clocks) <= near_end


def _nested(near: Flight, far: Flight) -> bool:
    """The same by one clock, as it shows."""
    near_end = near.open_end if near.end is None else near.end
    if not near.start <= far.start <= near_end:
        return False
    if near.shape[2] in GATEWAY and far.shape[2] not in GATEWAY:
        return True
    return far.end is None or near.end is None or far.end <= near_end
