"""The bytes of a record, from the captures they lie in: a stream is a map, and this reads by it."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import Struct

from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.http import Request, Response
from analyzer.records.transport import Stream

Fetch: TypeAlias = Callable[[int, int, int], bytes]
"""(source, offset, size) to the bytes that lie there."""


class Piece(Struct, frozen=True, gc=False):
    """Bytes at the stream offset ``at`` and the key of the packet that brought them."""

    at: int
    packet: int
    data: bytes


def extent(evidence: Evidence, name: str, record: object) -> tuple[Stream, int, int]:
    """Where the bytes of a request or response are: its stream, and where it begins and ends there. `UsageError`: the record is none, or was not captured."""
    if not isinstance(record, Request | Response):
        msg = f"{name} is no request or response that was captured; only those have bytes"
        raise UsageError(msg)
    connection = evidence.connections[evidence.exchanges[name.rpartition(".")[0]].connection]
    return connection.to_server if isinstance(record, Request) else connection.to_client, record.at, record.end_at


def pieces(stream: Stream, at: int, end_at: int, fetch: Fetch) -> Iterator[Piece]:
    """What the capture has of the stream's bytes [at, end_at), in order; what is missing is between the pieces."""
    extents = stream.extents
    place = max(0, bisect_right(extents.stream_at, at) - 1)
    while place < len(extents.stream_at) and extents.stream_at[place] < end_at:
        begins = max(at, extents.stream_at[place])
        ends = min(end_at, extents.stream_at[place] + extents.size[place])
        if begins < ends:
            skipped = begins - extents.stream_at[place]
            yield Piece(begins, extents.packet[place], fetch(extents.source[place], extents.file_at[place] + skipped, ends - begins))
        place += 1
