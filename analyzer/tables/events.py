"""The table ``events``: events of Windows that sources sent to their collectors."""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.forwarding import ForwardedEvent
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set


class EventRow(Struct, frozen=True, gc=False):
    """An event and the run."""

    one: ForwardedEvent
    connection: str
    result: Result


def _rows(result: Result) -> Iterator[EventRow]:
    exchanges = result.evidence.exchanges
    for one in result.evidence.forwarding.events:
        yield EventRow(one, exchanges[one.delivery].connection if one.delivery in exchanges else one.delivery.rpartition(".")[0], result)


_COLUMNS: tuple[Column[EventRow], ...] = (
    Column("forwarded_id", Dtype.TEXT, lambda row: row.one.id, "The delivery that brought it, and which of its events it is, from 1."),
    Column("time", Dtype.TIME, lambda row: row.one.event.time_ns, "When it was logged, by the clock of its computer."),
    Column("computer", Dtype.TEXT, lambda row: row.one.event.computer, "The computer that logged it."),
    Column("channel", Dtype.TEXT, lambda row: row.one.event.channel, "The event log."),
    Column("event_id", Dtype.INTEGER, lambda row: row.one.event.event_id, "The number of the kind of event (EventID)."),
    Column("provider", Dtype.TEXT, lambda row: row.one.event.provider, "The provider that wrote it."),
    Column("record", Dtype.INTEGER, lambda row: row.one.event.record, "The record's number in that log."),
    Column("level", Dtype.INTEGER, lambda row: row.one.event.level, "1 critical, 2 error, 3 warning, 4 information, 5 verbose; 0 in the log Security."),
    Column("user_sid", Dtype.TEXT, lambda row: row.one.event.user_sid, "The account under which it was written."),
    Column("process_id", Dtype.INTEGER, lambda row: row.one.event.process_id, "The process that wrote it."),
    Column("thread_id", Dtype.INTEGER, lambda row: row.one.event.thread_id, "The thread that wrote it."),
    Column("data", Dtype.TEXT, lambda row: row.one.event.data, "Its values, as a JSON object of texts; what has no name is param1, param2 and so on."),
    Column("message", Dtype.TEXT, lambda row: row.one.event.message, "The text that a person reads, where the source sent it."),
    Column("task", Dtype.TEXT, lambda row: row.one.event.task_word, "Its task in words, where the source sent them."),
    Column("subscription_id", Dtype.TEXT, lambda row: row.one.subscription, "The identifier of the subscription; null where the delivery has none."),
    Column("subscription", Dtype.TEXT, lambda row: row.one.name, "The subscription's name, where the capture shows it."),
    Column("delivery_id", Dtype.TEXT, lambda row: row.one.delivery, "The row of `deliveries` that brought it."),
    Column("sent_time", Dtype.TIME, lambda row: row.one.sent_ns, "When that delivery was sent, by the capture's clock."),
    Column("source_ip", Dtype.TEXT, lambda row: row.one.source, "The address that sent it."),
    Column("collector_ip", Dtype.TEXT, lambda row: row.one.collector, "The address that it was sent to."),
    Column("again", Dtype.TEXT, lambda row: row.one.again, "The event that this one is once more: the same record in the same subscription."),
    Column(
        "skipped",
        Dtype.INTEGER,
        lambda row: row.one.skipped,
        "Record numbers between it and the one before it in that log that no event here has; the subscription may not select them. Null for the first one.",
    ),
    Column("complete", Dtype.FLAG, lambda row: row.one.event.whole, "False where bytes are missing or it is no event in XML; what there is of it is shown."),
    Column("connection_id", Dtype.TEXT, lambda row: row.connection, "The connection of the delivery."),
    Column("capture", Dtype.TEXT, lambda row: row.result.evidence.captures[row.one.capture].name, "The capture."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.one.packets, row.result.evidence.captures), "Of the message that brought it."),
)

EVENTS = Table(
    name="events",
    means="One row per event of Windows that a source sent to its collector (event forwarding).",
    columns=_COLUMNS,
    rows=_rows,
    screen=("forwarded_id", "time", "computer", "channel", "event_id", "record", "data", "subscription", "packets"),
)
