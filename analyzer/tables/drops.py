"""The table ``drops``: packets that Windows dropped, as pktmon tells."""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.capture import Capture, Drop
from analyzer.records.ids import packet_key
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table


class DropRow(Struct, frozen=True, gc=False):
    """A dropped packet, its capture, and the connection that it belongs to (None for traffic that is not kept)."""

    drop: Drop
    capture: Capture
    connection: str | None


def _rows(result: Result) -> Iterator[DropRow]:
    evidence = result.evidence
    keys = {packet_key(capture.ordinal, drop.packet) for capture in evidence.captures for drop in capture.drops}
    if not keys:
        return
    owners = {key: one.id for one in evidence.connections.values() if one.tunnel_of is None for key in one.packets if key in keys}
    for capture in evidence.captures:
        for drop in capture.drops:
            yield DropRow(drop, capture, owners.get(packet_key(capture.ordinal, drop.packet)))


_COLUMNS: tuple[Column[DropRow], ...] = (
    Column("capture", Dtype.TEXT, lambda row: row.capture.name, "The capture's name."),
    Column("packet", Dtype.INTEGER, lambda row: row.drop.packet, "The packet's number in the capture."),
    Column("connection_id", Dtype.TEXT, lambda row: row.connection, "The connection it belongs to; null for other traffic."),
    Column("time", Dtype.TIME, lambda row: row.drop.ts_ns, "When it was dropped."),
    Column("reason", Dtype.TEXT, lambda row: row.drop.reason, "Why, by the name that the Windows SDK has for it."),
    Column("reason_code", Dtype.INTEGER, lambda row: row.drop.code, "The reason's number."),
    Column("component", Dtype.INTEGER, lambda row: row.drop.component, "The part of the network stack that dropped it, as `pktmon list` counts."),
    Column("component_name", Dtype.TEXT, lambda row: row.drop.name or None, "Its name; null where the trace does not tell it."),
    Column("direction", Dtype.TEXT, lambda row: row.drop.direction or None, "Which way the packet went there, in pktmon's words."),
    Column("location", Dtype.TEXT, lambda row: f"0x{row.drop.location:08X}", "pktmon's number for the place in the code."),
)

DROPS = Table(
    name="drops",
    means="One row per packet that Windows dropped and time that it did; only traces of pktmon tell.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("capture", "packet", "connection_id", "time", "reason", "component_name", "direction"),
)
