"""The table ``conflicts``: places of a TCP stream for which packets have different bytes."""

import hashlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import Conflict, Connection
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class ConflictRow(Struct, frozen=True, gc=False):
    """A conflict, its id, its connection and who sent the bytes, and the exchange that they belong to."""

    id: str
    conflict: Conflict
    connection: Connection
    sender: str
    exchange: str | None
    captures: Sequence[Capture]


def conflict_rows(result: Result) -> Iterator[ConflictRow]:
    """Every conflict, by place."""
    evidence = result.evidence
    for connection in evidence.connections.values():
        if connection.tunnel_of is not None:  # its bytes are the outer connection's
            continue
        place = 0
        for sender, stream in (("client", connection.to_server), ("server", connection.to_client)):
            for one in stream.differing:
                place += 1
                exchange = _exchange(evidence, connection.id, sender, one.stream_at)
                yield ConflictRow(f"{connection.id}.k{place}", one, connection, sender, exchange, evidence.captures)


def _exchange(evidence: Evidence, connection: str, sender: str, at: int) -> str | None:
    return next((one.id for one in evidence.exchanges_of.get(connection, ()) if _holds(one, sender, at)), None)


def _holds(exchange: Exchange, sender: str, at: int) -> bool:
    half = exchange.request if sender == "client" else exchange.response
    return not isinstance(half, Absent) and half.at <= at < half.end_at


def _packet(row: ConflictRow, key: int) -> str | None:
    return packet_set((key,), row.captures, named=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_COLUMNS: tuple[Column[ConflictRow], ...] = (
    Column("conflict_id", Dtype.TEXT, lambda row: row.id, "The connection's id and a number; `case.contents(ID)` gives both contents."),
    Column("connection_id", Dtype.TEXT, lambda row: row.connection.id, "The connection."),
    Column("exchange_id", Dtype.TEXT, lambda row: row.exchange, "The exchange whose message holds the place; null where none does."),
    Column("sender", Dtype.TEXT, lambda row: row.sender, "`client` or `server`: in whose name the bytes were sent."),
    Column("stream_at", Dtype.INTEGER, lambda row: row.conflict.stream_at, "Where the difference begins, in bytes from the stream's beginning."),
    Column("size_bytes", Dtype.INTEGER, lambda row: row.conflict.size, "From the first byte that differs to the last."),
    Column(
        "choice",
        Dtype.TEXT,
        lambda row: row.conflict.choice.value,
        "Why the used content was used. `acknowledged`: the receiver's acknowledgements show which one it had; `first`: they do not, and the first one "
        "captured was used; `own_capture`: two capture points have different bytes, and each one's own were used.",
    ),
    Column("used_sha256", Dtype.TEXT, lambda row: _digest(row.conflict.used), "SHA-256 of the content that was used, as far as it was kept."),
    Column("other_sha256", Dtype.TEXT, lambda row: _digest(row.conflict.other), "The same of the other one."),
    Column("kept_bytes", Dtype.INTEGER, lambda row: len(row.conflict.used), "How much of each content was kept (limit `conflict_bytes`)."),
    Column(
        "used_packets", Dtype.TEXT, lambda row: packet_set((row.conflict.used_packet,), row.captures, named=True), "The packet that brought the used content."
    ),
    Column(
        "other_packets", Dtype.TEXT, lambda row: packet_set((row.conflict.other_packet,), row.captures, named=True), "The packet that brought the other one."
    ),
    Column(
        "capture",
        Dtype.TEXT,
        lambda row: capture_of((row.conflict.used_packet,), row.captures),
        "The capture of the packet that brought the used content.",
    ),
    Column(
        "packets",
        Dtype.TEXT,
        lambda row: packet_set((row.conflict.used_packet, row.conflict.other_packet), row.captures),
        "Both packets.",
    ),
)

CONFLICTS = Table(
    name="conflicts",
    means="One row per place of a TCP stream for which two packets have different bytes: what was used, and what was not.",
    columns=_COLUMNS,
    rows=conflict_rows,
    screen=("conflict_id", "exchange_id", "sender", "size_bytes", "choice", "used_packets", "other_packets"),
)
