"""The table ``captures``: one row per input file."""

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.times import seconds


class CaptureRow(Struct, frozen=True, gc=False):
    """A capture and how many of its connections carry WinRM."""

    capture: Capture
    winrm_connections: int
    point: str


def _rows(result: Result) -> Iterator[CaptureRow]:
    evidence = result.evidence
    counts = Counter(connection.capture for connection in evidence.connections.values() if connection.id in evidence.winrm)
    for capture in evidence.captures:
        yield CaptureRow(capture, counts[capture.ordinal], evidence.captures[capture.point].name)


_COLUMNS: tuple[Column[CaptureRow], ...] = (
    Column("capture", Dtype.TEXT, lambda row: row.capture.name, "The file's name, made unique in the run; every other table names captures by it."),
    Column("path", Dtype.TEXT, lambda row: row.capture.path, "The path as given or found; `-` is standard input."),
    Column("format", Dtype.TEXT, lambda row: row.capture.format, "The capture format and, if any, the compression."),
    Column("link_types", Dtype.TEXT, lambda row: ",".join(row.capture.link_types) or None, "Link types of the file's interfaces, comma-joined."),
    Column("size_bytes", Dtype.INTEGER, lambda row: row.capture.size, "The file's size."),
    Column(
        "sha256",
        Dtype.TEXT,
        lambda row: row.capture.sha256,
        "SHA-256 of the file as it lies on disk, or of what came through a pipe. Null where the file changed between its reading and its hashing.",
    ),
    Column("packets", Dtype.INTEGER, lambda row: row.capture.packets, "Packets in the file, of whatever protocol."),
    Column("first_time", Dtype.TIME, lambda row: row.capture.first_ns, "Time of the first packet."),
    Column("last_time", Dtype.TIME, lambda row: row.capture.last_ns, "Time of the last packet."),
    Column("snaplen", Dtype.INTEGER, lambda row: row.capture.snaplen, "The snap length that the file declares, in bytes."),
    Column(
        "clock_offset_s",
        Dtype.NUMBER,
        lambda row: seconds(row.capture.clock_offset_ns),
        "How far this capture's clock is ahead of the first capture's that saw the other side of its exchanges; 0 where nothing tells.",
    ),
    Column(
        "winrm_connections",
        Dtype.INTEGER,
        lambda row: row.winrm_connections,
        "Connections that carry WinRM, or the authentication of a proxy on the way to it.",
    ),
    Column(
        "clock_error_s",
        Dtype.NUMBER,
        lambda row: None if row.capture.clock_error_ns is None else seconds(row.capture.clock_error_ns),
        "How wrong `clock_offset_s` may be; null where no exchange was seen by two captures.",
    ),
    Column(
        "clock_drift_ppm",
        Dtype.NUMBER,
        lambda row: None if row.capture.clock_error_ns is None else row.capture.clock_drift * 1e6,
        "How the offset grows, in microseconds per second.",
    ),
    Column("tcp_packets", Dtype.INTEGER, lambda row: row.capture.tcp_packets, "TCP packets among the packets."),
    Column(
        "capture_point",
        Dtype.TEXT,
        lambda row: row.point,
        "The first file of the capture point: files that were written one after the other have one, as they are read as one long capture.",
    ),
    Column("sensor", Dtype.TEXT, lambda row: row.capture.sensor or None, "The name that `--sensor` gave the capture point."),
)

CAPTURES = Table(
    name="captures",
    means="One row per input file.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("capture", "format", "packets", "first_time", "last_time", "winrm_connections"),
)
