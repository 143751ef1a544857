"""Gives each ICMP error to the connection whose segment it quotes."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from analyzer.records.capture import IcmpError
from analyzer.records.transport import Connection

_Ends = frozenset[tuple[str, int]]


def icmp_of(connections: Mapping[str, Connection], errors: Iterable[IcmpError]) -> dict[str, tuple[IcmpError, ...]]:
    """The errors of each connection, in order of time. Of connections that used one pair of addresses and ports, the
    last one begun before the error."""
    listed = sorted(errors, key=lambda error: (error.ts_ns, error.packet))
    if not listed:
        return {}
    begun: dict[_Ends, list[tuple[int, Connection]]] = {}
    for connection in connections.values():
        if connection.tunnel_of is None:
            ends = frozenset(((connection.client.host, connection.client.port), (connection.server.host, connection.server.port)))
            begun.setdefault(ends, []).append((connection.first_ns, connection))
    for known in begun.values():
        known.sort(key=lambda item: item[0])
    found: dict[str, list[IcmpError]] = {}
    for error in listed:
        quoted = _quoted(begun.get(frozenset((error.source, error.target)), []), error)
        if quoted is not None:
            found.setdefault(quoted.id, []).append(error)
    return {identity: tuple(own) for identity, own in found.items()}


def _quoted(known: list[tuple[int, Connection]], error: IcmpError) -> Connection | None:
    before = known[: bisect_right(known, error.ts_ns, key=lambda item: item[0])]
    own = next((one for _, one in reversed(before) if one.point == error.point), None)
    return own or (before[-1][1] if before else None)
