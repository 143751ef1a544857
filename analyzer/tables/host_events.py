"""The table ``host_events``: what hosts logged of what the packets show."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.hostlogs import HostJoin
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class EventRow(Struct, frozen=True, gc=False):
    """A join, and its place among all from 1."""

    place: int
    one: HostJoin
    packets: tuple[int, ...]
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[EventRow]:
    evidence = result.evidence
    if not evidence.host_logs.joins:
        return
    first: dict[str | tuple[str, str], tuple[int, ...]] = {name: tuple(one.packets[:1]) for name, one in evidence.connections.items()}
    first |= {one.id: one.packets[:1] for one in evidence.story.logons}
    first |= {one.id: one.packets[:1] for one in reversed(evidence.shells)}
    first |= {(one.server, one.id): one.packets[:1] for one in evidence.shells}  # two servers may have shells of one id
    for place, one in enumerate(evidence.host_logs.joins, 1):
        yield EventRow(place, one, first.get((one.address or "", one.subject or ""), first.get(one.subject or "", ())), evidence.captures)


def _number(row: EventRow) -> int | None:
    return row.one.event.event_id if row.one.event.sensor is None else None


_COLUMNS: tuple[Column[EventRow], ...] = (
    Column("host_event_id", Dtype.TEXT, lambda row: f"h{row.place}", "`h1` is the first by time."),
    Column("time", Dtype.TIME, lambda row: row.one.event.time_ns, "By the host's own clock."),
    Column("computer", Dtype.TEXT, lambda row: row.one.event.computer, "The host whose log it is, as the log names it; of a network sensor the sensor."),
    Column("address", Dtype.TEXT, lambda row: row.one.address, "Its address: by a connection that it logged, else by the table `names`."),
    Column("channel", Dtype.TEXT, lambda row: row.one.event.channel, "The event log; of Zeek and Suricata `zeek/conn`, `suricata/flow` and so on."),
    Column("event_id", Dtype.INTEGER, _number, "The number of the kind of event; null for sensors."),
    Column("record", Dtype.INTEGER, lambda row: row.one.event.record, "The record's number in that log."),
    Column(
        "joined",
        Dtype.TEXT,
        lambda row: row.one.joined.value,
        "`connection`, `session` (a client opened one, by WinRM's own log), `logon`, `shell` (by the same log), `process` (that a shell runs in), `child` "
        "(below it), `activity` of these, or `not_seen`: the packets do not show it.",
    ),
    Column("subject", Dtype.TEXT, lambda row: row.one.subject, "The connection, logon or shell; of a shell that could not be read its first connection."),
    Column("basis", Dtype.TEXT, lambda row: row.one.basis, "What is equal on both sides."),
    Column("confidence", Dtype.NUMBER, lambda row: row.one.confidence, "1.0 where that names one thing, less where names and times were compared."),
    Column(
        "apart_s",
        Dtype.NUMBER,
        lambda row: None if row.one.apart_ns is None else row.one.apart_ns / 1e9,
        "The event's time minus that of the packets, by the capture's clock; logs may write whole seconds.",
    ),
    Column("process_id", Dtype.INTEGER, lambda row: row.one.event.process_id, "Of a start the new process, else the process that did it."),
    Column("parent_id", Dtype.INTEGER, lambda row: row.one.event.parent_id, "Of a start the process that started it."),
    Column("image", Dtype.TEXT, lambda row: row.one.event.image, "The program."),
    Column("command_line", Dtype.TEXT, lambda row: row.one.event.command_line, "Of a start the command line."),
    Column("user", Dtype.TEXT, lambda row: row.one.event.user, "The account that the event names first."),
    Column("data", Dtype.TEXT, lambda row: row.one.event.data, "All its fields, as a JSON object."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.packets, row.captures), "The capture of what it was joined to."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.packets, row.captures), "The first packet of what it was joined to."),
    Column("file", Dtype.TEXT, lambda row: row.one.event.file, "The file that it was read from."),
    Column("place", Dtype.INTEGER, lambda row: row.one.event.place, "Which record of that file, from 1."),
)

HOST_EVENTS = Table(
    name="host_events",
    means="One row per event of a host's or sensor's log (`--events`) that belongs to what the packets show, or that they should show and do not.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("host_event_id", "time", "computer", "event_id", "joined", "subject", "process_id", "image", "basis", "confidence"),
)
