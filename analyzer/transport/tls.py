"""Opens a TLS connection when the key log has its secrets: the same connection with the application data as its streams.

The plaintext is spooled, and each extent leads back to the packet in which its record ended.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable

from msgspec.structs import replace

from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls import Farewell, KeyLog, Piece, unsealed
from analyzer.formats.tls_progress import alert
from analyzer.records.tls import Alert
from analyzer.records.transport import Connection, Extents, Gap, Stream

Store = Callable[[int, bytes], tuple[int, int]]
"""store(capture, bytes): keeps plaintext, gives (source, offset)."""


def opened(connection: Connection, keys: KeyLog, fetch: Fetch, store: Store) -> Connection | None:
    """The connection with its plaintext streams (or with its alerts only, when nothing else was sent), or None when it
    could not be opened."""
    found = unsealed(connection.to_server, connection.to_client, keys, fetch)
    if found is None:
        return None
    told = connection
    if connection.tls is not None:
        told = replace(connection, tls=replace(connection.tls, alerts=_alerts(connection, found.alerts, fetch)))
    if not any(found.pieces):
        return told
    raw = (connection.to_server, connection.to_client)
    pieces = found.pieces
    streams = [_stream(connection.capture, pieces[i], raw[i], pieces[1 - i], store) for i in (0, 1)]
    return replace(told, to_server=streams[0], to_client=streams[1], tls_opened=True, tls_secret=found.tag)


def _alerts(connection: Connection, found: list[Farewell], fetch: Fetch) -> tuple[Alert, ...]:
    """The alerts in clear and those that were opened, in order of time."""
    readers = {True: Reader(connection.to_server, fetch), False: Reader(connection.to_client, fetch)}
    shown = [_alert(one, readers[one.from_client]) for one in found]
    places = {(one.from_client, one.packet) for one in shown}
    known = () if connection.tls is None else connection.tls.alerts
    kept = [one for one in known if one.number is not None or (one.from_client, one.packet) not in places]
    return tuple(sorted((*kept, *shown), key=lambda one: (one.ts_ns, one.packet)))


def _alert(found: Farewell, reader: Reader) -> Alert:
    times, packets = reader.times(found.raw_at, found.raw_end), reader.packets(found.raw_at, found.raw_end)
    place = {"packet": packets[-1] if packets else 0, "ts_ns": times[1] if times else 0}
    return alert(found.level, found.number, from_client=found.from_client, **place, encrypted=True)


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
