"""Opens a TLS connection when the key log has its secrets: the same connection with the application data as its streams.

The plaintext is spooled, and each extent leads back to the packet in which its record ended.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable

from msgspec.structs import replace

from analyzer.formats.reader import Fetch
from analyzer.formats.tls import KeyLog, Piece
from analyzer.formats.tls import opened as opened_records
from analyzer.records.transport import Connection, Extents, Gap, Stream

Store = Callable[[int, bytes], tuple[int, int]]
"""store(capture, bytes): keeps plaintext, gives (source, offset)."""


def opened(connection: Connection, keys: KeyLog, fetch: Fetch, store: Store) -> Connection | None:
    """The connection with its plaintext streams, or None when it could not be opened."""
    found = opened_records(connection.to_server, connection.to_client, keys, fetch)
    if found is None:
        return None
    raw = (connection.to_server, connection.to_client)
    streams = [_stream(connection.capture, found[i], raw[i], found[1 - i], store) for i in (0, 1)]
    return replace(connection, to_server=streams[0], to_client=streams[1], tls_opened=True)


def _stream(capture: int, pieces: list[Piece], raw: Stream, peer: list[Piece], store: Store) -> Stream:
    """The plaintext as a stream: extents per record, gaps where records are missing."""
    columns: list[list[int]] = [[] for _ in range(7)]
    gaps = []
    at = 0
    peer_ends = [piece.raw_end for piece in peer]
    peer_texts = [0]
    for piece in peer:
        peer_texts.append(peer_texts[-1] + piece.gap_before + len(piece.text))
    for piece in pieces:
        if piece.gap_before:
            gaps.append(Gap(at, piece.gap_before, "not_captured"))
            at += piece.gap_before
        index = max(bisect_right(raw.extents.stream_at, piece.raw_at) - 1, 0)
        last = max(bisect_right(raw.extents.stream_at, piece.raw_end - 1) - 1, 0)
        acked = raw.extents.acked[index]
        source, file_at = store(capture, piece.text)
        known = -1 if acked < 0 else peer_texts[bisect_right(peer_ends, acked)]
        for column, value in zip(columns, (at, len(piece.text), source, file_at, raw.extents.packet[last], raw.extents.ts_ns[last], known), strict=True):
            column.append(value)
        at += len(piece.text)
    extents = Extents(*(array("q", column) for column in columns))
    return replace(raw, extents=extents, gaps=tuple(gaps), size=at, begins=raw.begins, acked=-1)
