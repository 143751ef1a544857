"""Connections that are one connection seen on both sides of an address translation.

A router that translates addresses leaves the sequence numbers as they are (RFC 3022 section 4.1 lists what it changes), a proxy has connections of its
own: so equal initial sequence numbers of both ends, 64 bits that nobody chooses alike, are one connection whatever its addresses.
"""

from collections.abc import Iterable, Mapping

from analyzer.formats.reader import Fetch, Reader
from analyzer.records.transport import Connection, Stream

_BEGINNING = 64
_AT_ONCE = 1 << 18
_ON_THE_WAY_NS = 1_000_000_000
"""How long a packet may take from one side of a router to the other."""


def translated(connections: Iterable[Connection], fetch: Fetch) -> Mapping[str, str]:
    """Connection id to the id of the first view of the same connection, which has other addresses. ``connections`` are in order of place."""
    views: dict[tuple[int, int], Connection] = {}
    found: dict[str, str] = {}
    for connection in connections:
        if connection.tunnel_of is not None or -1 in connection.bases:
            continue
        first = views.setdefault(connection.bases, connection)
        if first is connection or connection.twin_of is not None:
            continue
        if (first.client, first.server) != (connection.client, connection.server) and _is_one(first, connection, fetch):
            found[connection.id] = first.twin_of or first.id
    return found


def _is_one(first: Connection, other: Connection, fetch: Fetch) -> bool:
    if first.point == other.point and not first.first_ns <= other.first_ns <= min(first.last_ns, first.first_ns + _ON_THE_WAY_NS):
        return False
    starts = [Reader(one.to_server, fetch).peek(_BEGINNING) for one in (first, other)]
    return starts[0] == starts[1] and _agree(first.to_server, other.to_server, fetch) and _agree(first.to_client, other.to_client, fetch)


def _agree(one: Stream, other: Stream, fetch: Fetch) -> bool:
    """No byte that both have differs: a router changes none. Who forges a copy of a connection from other addresses, to hide what is in it, does."""
    readers = (Reader(one, fetch), Reader(other, fetch))
    at, end = 0, min(one.size, other.size)
    while at < end:
        pieces = [reader.moved(at).peek(_AT_ONCE) for reader in readers]
        size = min(map(len, pieces))
        if pieces[0][:size] != pieces[1][:size]:
            return False
        if size:
            at += size
            continue
        following = [reader.next_data(at) for reader in readers]
        onward = max(end if place is None else place for place in following)
        if onward == at:  # the file has become shorter
            break
        at = onward
    return True
