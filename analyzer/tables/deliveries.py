"""The tables ``deliveries`` and ``subscriptions``: what sources of events and their collectors said to each other."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.json import encode

from analyzer.records.forwarding import Bookmark, Delivery, Subscription
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set


class DeliveryRow(Struct, frozen=True, gc=False):
    """A delivery and the run."""

    one: Delivery
    result: Result


class SubscriptionRow(Struct, frozen=True, gc=False):
    """A subscription as one source got it, and the run."""

    one: Subscription
    result: Result


def _deliveries(result: Result) -> Iterator[DeliveryRow]:
    for one in result.evidence.forwarding.deliveries:
        yield DeliveryRow(one, result)


def _subscriptions(result: Result) -> Iterator[SubscriptionRow]:
    for one in result.evidence.forwarding.subscriptions:
        yield SubscriptionRow(one, result)


def _marks(found: tuple[Bookmark, ...]) -> str | None:
    return encode({one.channel: one.record for one in found}).decode() if found else None


def _query(row: SubscriptionRow) -> str | None:
    about = row.one.about
    if about.query is not None:
        return about.query
    pairs = [{"select": xpath, "path": path} for path, xpath in about.selects] + [{"suppress": xpath, "path": path} for path, xpath in about.suppresses]
    return encode(pairs).decode() if pairs else None


_OF_DELIVERIES: tuple[Column[DeliveryRow], ...] = (
    Column("delivery_id", Dtype.TEXT, lambda row: row.one.id, "The exchange, the source's own where both sides of a proxy show it."),
    Column("connection_id", Dtype.TEXT, lambda row: row.one.connection, "Its connection."),
    Column("time", Dtype.TIME, lambda row: row.one.first_ns, "When it was sent."),
    Column("seconds", Dtype.NUMBER, lambda row: (row.one.last_ns - row.one.first_ns) / 1e9, "Until the answer was whole."),
    Column(
        "kind",
        Dtype.TEXT,
        lambda row: row.one.kind.value,
        "`subscriptions` (a source asks for its subscriptions), `events`, `heartbeat`, `dropped_events`, `subscription_end`; of a collector `subscribe`, "
        "`pull`, `unsubscribe`, `renew`; `unread` where the body could not be read.",
    ),
    Column("source_ip", Dtype.TEXT, lambda row: row.one.source, "The source of events."),
    Column("collector_ip", Dtype.TEXT, lambda row: row.one.collector, "The collector."),
    Column("machine", Dtype.TEXT, lambda row: row.one.machine, "The source's name, as it says (MachineID)."),
    Column("subscription_id", Dtype.TEXT, lambda row: row.one.subscription, "The identifier of the subscription."),
    Column("subscription", Dtype.TEXT, lambda row: row.one.name, "Its name, where the capture shows it."),
    Column("events", Dtype.INTEGER, lambda row: row.one.events, "How many events it brought."),
    Column("bookmarks", Dtype.TEXT, lambda row: _marks(row.one.bookmarks), "How far each log was read, as a JSON object: log and record number."),
    Column(
        "acknowledged",
        Dtype.TEXT,
        lambda row: row.one.acknowledged.value,
        "`yes`; `refused` (a fault or an error of HTTP came back), `other` (an answer that is no acknowledgement), `not_seen` (no answer in the capture), "
        "`unread`, `not_asked`.",
    ),
    Column("again", Dtype.TEXT, lambda row: row.one.again, "The delivery whose events these are once more, all of them."),
    Column("reason", Dtype.TEXT, lambda row: row.one.reason, "Of a `subscription_end` why; of `dropped_events` how many."),
    Column("compressed", Dtype.FLAG, lambda row: row.one.compressed, "The body names SLDC as its coding."),
    Column("protection", Dtype.TEXT, lambda row: row.one.protection, "What protects the request, as in `messages`."),
    Column("path", Dtype.TEXT, lambda row: row.one.path, "The path that it was sent to, which belongs to one subscription."),
    Column("status", Dtype.INTEGER, lambda row: row.one.status, "The HTTP status of the answer; null where none is in the capture."),
    Column("fault_code", Dtype.TEXT, lambda row: row.one.fault_code, "The code of the fault that came back."),
    Column("user", Dtype.TEXT, lambda row: row.one.user, "Who was logged on: of a source usually its computer account."),
    Column("complete", Dtype.FLAG, lambda row: not row.one.cut, "False where bytes are missing or a limit was reached; what there is of it is shown."),
    Column("capture", Dtype.TEXT, lambda row: row.result.evidence.captures[row.one.capture].name, "The capture."),
    Column("packets", Dtype.TEXT, lambda row: packet_set((*row.one.packets, *row.one.answer_packets), row.result.evidence.captures), "Of request and answer."),
)

DELIVERIES = Table(
    name="deliveries",
    means="One row per message of event forwarding: events, heartbeats, and what source and collector say of subscriptions.",
    columns=_OF_DELIVERIES,
    rows=_deliveries,
    screen=("delivery_id", "time", "kind", "source_ip", "machine", "collector_ip", "subscription", "events", "acknowledged", "again", "packets"),
)

_OF_SUBSCRIPTIONS: tuple[Column[SubscriptionRow], ...] = (
    Column("subscription_id", Dtype.TEXT, lambda row: row.one.about.id, "The identifier that its deliveries carry; it changes when the subscription does."),
    Column("subscription", Dtype.TEXT, lambda row: row.one.about.name, "Its name."),
    Column("time", Dtype.TIME, lambda row: row.one.first_ns, "When the source got it first."),
    Column("source_ip", Dtype.TEXT, lambda row: row.one.source, "The source of events."),
    Column("collector_ip", Dtype.TEXT, lambda row: row.one.collector, "The collector."),
    Column("machine", Dtype.TEXT, lambda row: row.one.machine, "The source's name, as it says (MachineID)."),
    Column("initiated_by", Dtype.TEXT, lambda row: "collector" if row.one.by_collector else "source", "Who connects to whom: `source` or `collector`."),
    Column("delivery_mode", Dtype.TEXT, lambda row: row.one.about.mode, "`Events` (batches), `Push`, `PushWithAck` or `Pull` (DSP0226 section 10.2.9)."),
    Column("query", Dtype.TEXT, _query, "What of which log it selects and suppresses, as a JSON list; a filter of another form as it is written."),
    Column("bookmarks", Dtype.TEXT, lambda row: _marks(row.one.about.bookmarks), "Where each log goes on, as a JSON object: log and record number."),
    Column("existing_events", Dtype.FLAG, lambda row: row.one.about.existing, "Also events that were in the log before (ReadExistingEvents)."),
    Column("heartbeat_s", Dtype.NUMBER, lambda row: row.one.about.heartbeat_s, "Seconds without events after which the source says that it is there."),
    Column("latency_s", Dtype.NUMBER, lambda row: row.one.about.latency_s, "Seconds for which events may be gathered (MaxTime)."),
    Column("most_events", Dtype.INTEGER, lambda row: row.one.about.most_events, "Events of one delivery (MaxElements)."),
    Column("content_format", Dtype.TEXT, lambda row: row.one.about.content, "`RenderedText` or `Raw`."),
    Column("compression", Dtype.TEXT, lambda row: row.one.about.compression, "`SLDC`, or null."),
    Column("deliver_to", Dtype.TEXT, lambda row: row.one.about.deliver_to, "The address that events are sent to."),
    Column("times", Dtype.INTEGER, lambda row: len(row.one.exchanges), "How often the source got it, unchanged."),
    Column("exchanges", Dtype.TEXT, lambda row: ",".join(row.one.exchanges), "The exchanges in which it did."),
    Column("complete", Dtype.FLAG, lambda row: not row.one.about.cut, "False where bytes are missing; what there is of it is shown."),
    Column("capture", Dtype.TEXT, lambda row: row.result.evidence.captures[row.one.capture].name, "The capture."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.one.packets, row.result.evidence.captures), "Of the message that said it first."),
)

SUBSCRIPTIONS = Table(
    name="subscriptions",
    means="One row per subscription to events and source that got it, with the collector's query, delivery mode and bookmarks.",
    columns=_OF_SUBSCRIPTIONS,
    rows=_subscriptions,
    screen=("subscription", "time", "source_ip", "machine", "collector_ip", "delivery_mode", "query", "heartbeat_s", "times", "packets"),
)
