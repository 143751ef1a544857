"""TLS that ends at a proxy: which clear upstream connection carries on a TLS connection whose contents cannot be seen.

Only sizes and times are left. An upstream connection fits a TLS connection when it lies within it, and when for each of its exchanges the client had sent about
as many bytes before the request went on, and got about as many after the response came back. All exchanges must fit, there must be several, and no other TLS
connection may fit: then it is inference with a confidence that says so.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection, Stream

CONFIDENCE = 0.7
_LEAST = 3
_RATIO = 0.5
_SLACK_NS = 5_000_000
_ACTIVE = 256
_ALERT = 31
"""Bytes of an encrypted alert (close_notify), which each side sends on its own."""
_WRITES = 10
_STEP_NS = 100_000_000
_CONNECT_NS = 5_000_000_000
"""A proxy may reach out to the server before it answers the CONNECT."""


def ended_at_proxy(connections: Mapping[str, Connection], exchanges_of: Mapping[str, Sequence[Exchange]], taken: set[str]) -> list[tuple[str, str]]:
    """(TLS connection, upstream connection) pairs; ``taken`` connections have another leg already."""
    outer = sorted((found for found in connections.values() if found.protocol == "tls" and not found.tls_opened and found.id not in taken), key=_first)
    if not outer:
        return []
    starts = [found.first_ns for found in outer]
    pairs = []
    for inner in connections.values():
        exchanges = exchanges_of.get(inner.id, ())
        if inner.id in taken or inner.protocol != "http" or len(exchanges) < _LEAST:
            continue
        place = bisect_right(starts, inner.first_ns + _SLACK_NS)
        fits = [found for found in outer[max(place - _ACTIVE, 0) : place] if _may_carry(found, inner) and _fits(found, exchanges)]
        if len(fits) == 1:
            pairs.append((fits[0].id, inner.id))
    return pairs


def intercepted(connections: Mapping[str, Connection], exchanges_of: Mapping[str, Sequence[Exchange]], taken: set[str]) -> list[tuple[str, str]]:
    """(TLS connection in a CONNECT tunnel, the proxy's own TLS connection to the server) where the proxy ends one TLS and begins another.

    The proxy's connection lies within the tunnel's, goes to the port that CONNECT asked for, names the same server (or none), has another ClientHello, and both
    write in step; no other tunnel may fit.
    """
    inside = [found for found in connections.values() if found.tunnel_of is not None and found.protocol == "tls" and found.id not in taken]
    if not inside:
        return []
    pairs = []
    for far in connections.values():
        if far.id in taken or far.protocol != "tls" or far.tunnel_of is not None or far.twin_of is not None:
            continue
        fits = [found for found in inside if _intercepts(found, far, _target(found, exchanges_of))]
        if len(fits) == 1:
            pairs.append((fits[0].id, far.id))
    return pairs


def _target(inside: Connection, exchanges_of: Mapping[str, Sequence[Exchange]]) -> tuple[str, int]:
    """What the CONNECT around a tunnel's connection asked for."""
    for exchange in reversed(exchanges_of.get(inside.tunnel_of or "", ())):
        if not isinstance(exchange.request, Absent) and exchange.request.method == "CONNECT":
            host, _, port = exchange.request.target.rpartition(":")
            return host.lower(), int(port) if port.isdigit() else 0
    return "", 0


def _intercepts(near: Connection, far: Connection, target: tuple[str, int]) -> bool:
    if near.point != far.point or near.client.host == far.client.host or far.server.port != target[1] or near.tls is None or far.tls is None:
        return False
    names = {name.lower() for name in (near.tls.server_name, far.tls.server_name) if name}
    within = near.first_ns - _CONNECT_NS <= far.first_ns <= near.last_ns and _in_step(near.to_server, far.to_server) and _in_step(far.to_client, near.to_client)
    return within and near.tls.client_random != far.tls.client_random and len(names) < 2 and (not names or not target[0] or names == {target[0]})


def _in_step(before: Stream, after: Stream) -> bool:
    """Each of the last writes of one stream is followed by one of the other within a moment, as when somebody passes them on."""
    writes = [ts_ns for ts_ns, size in zip(before.extents.ts_ns, before.extents.size, strict=True) if size > _ALERT][-_WRITES:]
    passed = sorted(after.extents.ts_ns)
    if len(writes) < _LEAST or len(passed) < _LEAST:
        return False
    for ts_ns in writes:
        place = bisect_left(passed, ts_ns)
        if place == len(passed) or passed[place] - ts_ns > _STEP_NS:
            return False
    return True


def _first(connection: Connection) -> int:
    return connection.first_ns


def _may_carry(outer: Connection, inner: Connection) -> bool:
    return (
        outer.point == inner.point
        and outer.server != inner.server
        and outer.client.host != inner.client.host
        and outer.last_ns + _SLACK_NS >= inner.first_ns
        and outer.twin_of is None
        and inner.twin_of is None
    )


def _fits(outer: Connection, exchanges: Sequence[Exchange]) -> bool:
    """Every exchange has its bytes on both sides at its time."""
    halves = [(exchange.request, exchange.response) for exchange in exchanges]
    if any(isinstance(request, Absent) or isinstance(response, Absent) for request, response in halves):
        return False
    sent, received = _timeline(outer.to_server), _timeline(outer.to_client)
    known: list[tuple[Request, Response]] = [
        (request, response) for request, response in halves if isinstance(request, Request) and isinstance(response, Response)
    ]
    ends = [*(following.first_ns for _, (following, _) in pairwise(known)), outer.last_ns + 1]
    before = outer.first_ns
    for (request, response), end in zip(known, ends, strict=True):
        if _between(sent, before, request.first_ns) < _RATIO * (request.end_at - request.at):
            return False
        if _between(received, response.first_ns, end + _SLACK_NS) < _RATIO * (response.end_at - response.at):
            return False
        before = response.first_ns
    return True


def _timeline(stream: Stream) -> tuple[list[int], list[int]]:
    """Times in order, and how many bytes had been seen up to each."""
    pieces = sorted(zip(stream.extents.ts_ns, stream.extents.size, strict=True))
    total = 0
    sums = []
    for _, size in pieces:
        total += size
        sums.append(total)
    return [ts_ns for ts_ns, _ in pieces], sums


def _between(timeline: tuple[list[int], list[int]], begin: int, end: int) -> int:
    times, sums = timeline
    first, last = bisect_left(times, begin), bisect_right(times, end)
    return (sums[last - 1] if last else 0) - (sums[first - 1] if first else 0)
