"""The table ``hops``: which exchange of the client's leg went on as which exchange of the upstream leg."""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.proxy import Hop
from analyzer.records.result import Result
from analyzer.tables import headers
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class HopRow(Struct, frozen=True, gc=False):
    """A hop and where its two exchanges can be looked up."""

    hop: Hop
    evidence: Evidence


def _rows(result: Result) -> Iterator[HopRow]:
    for hop in result.evidence.hops:
        yield HopRow(hop, result.evidence)


def _capture(row: HopRow) -> str | None:
    return capture_of(_keys(row), row.evidence.captures)


def _packets(row: HopRow) -> str | None:
    return packet_set(_keys(row), row.evidence.captures)


def _keys(row: HopRow) -> list[int]:
    keys: list[int] = []
    for name in (row.hop.near, row.hop.far):
        exchange = row.evidence.exchanges.get(name)
        request = headers.request_of(exchange.request) if exchange else None
        keys.extend(request.packets if request else ())
    return keys


_COLUMNS: tuple[Column[HopRow], ...] = (
    Column("client_exchange_id", Dtype.TEXT, lambda row: row.hop.near, "The exchange on the client side."),
    Column("upstream_exchange_id", Dtype.TEXT, lambda row: row.hop.far, "The exchange on the server side that it was forwarded as."),
    Column("client_connection_id", Dtype.TEXT, lambda row: row.hop.near_connection, "The connection of the client side."),
    Column("upstream_connection_id", Dtype.TEXT, lambda row: row.hop.far_connection, "The connection of the server side."),
    Column(
        "basis",
        Dtype.TEXT,
        lambda row: ",".join(row.hop.bases) or None,
        "What the pairing rests on, strongest first: `token`, `body_digest`, `message_id`, `proxy_header`, "
        "`repeated_token` (Basic, NTLM negotiate), `tunnel`, "
        "`stream_bytes`, `headers`, `timing`, `order` (the place between two pairs that are proved), "
        "`addresses` (the keys before it can be copied; the proxy's address is the same on both sides).",
    ),
    Column("confidence", Dtype.NUMBER, lambda row: row.hop.confidence, "0 to 1."),
    Column("proxy_delay_s", Dtype.NUMBER, lambda row: seconds(row.hop.delay_ns), "How much later the request left the proxy, by the captures' own clocks."),
    Column(
        "header_changes",
        Dtype.TEXT,
        lambda row: ",".join(row.hop.header_changes) or None,
        "What the proxy changed: `+Added`, `-Removed`, `~Altered`, comma-joined.",
    ),
    Column("capture", Dtype.TEXT, _capture, "The capture of the client side."),
    Column("packets", Dtype.TEXT, _packets, "Packets of both requests."),
)

HOPS = Table(
    name="hops",
    means="One row per exchange that was recognized on both sides of a proxy.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("client_exchange_id", "upstream_exchange_id", "basis", "confidence", "proxy_delay_s", "header_changes"),
)
