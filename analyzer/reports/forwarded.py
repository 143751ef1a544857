"""Event forwarding as the first screen and the transcript show it: who forwards what to which collector, and the events below their deliveries."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import DecodeError
from msgspec.json import decode

from analyzer.formats.text import visible
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import Acknowledged, Delivery, ForwardedEvent, Kind, Subscription
from analyzer.records.ids import key_number
from analyzer.records.result import Result
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line
from analyzer.tables.times import on_screen

_EVENTS, _LINE = 10, 600
"""Events of one delivery that are shown, and characters of one line."""
_LOGS = 4
_WORDS = {
    Kind.SUBSCRIPTIONS: "asks for its subscriptions",
    Kind.SUBSCRIBE: "the collector subscribes",
    Kind.PULL: "the collector fetches events",
    Kind.HEARTBEAT: "heartbeat",
    Kind.DROPPED: "events were left out",
    Kind.ENDED: "ends the subscription",
    Kind.UNSUBSCRIBE: "the collector ends the subscription",
    Kind.RENEW: "the collector prolongs the subscription",
    Kind.UNREAD: "a message that could not be read",
}
_LABELS = {Kind.EVENTS: "EVENTS", Kind.PULL: "PULL", Kind.HEARTBEAT: "BEAT", Kind.SUBSCRIPTIONS: "SUBS", Kind.SUBSCRIBE: "SUBS", Kind.UNREAD: "UNREAD"}


def forwarding_told(evidence: Evidence) -> str:
    """Sources, collectors, subscriptions and counts, in a sentence; empty where no events are forwarded."""
    found = evidence.forwarding
    if not found.deliveries:
        return ""
    sources, collectors = ({getattr(one, name) for one in found.deliveries} for name in ("source", "collector"))
    kinds = Counter(one.kind for one in found.deliveries)
    logs = Counter(one.event.channel or "?" for one in found.events if one.again is None)
    named = ", ".join(f"{visible(name)} {count:,}" for name, count in logs.most_common(_LOGS)) + (" and others" if len(logs) > _LOGS else "")
    batches = kinds[Kind.EVENTS] + kinds[Kind.PULL]
    where = next(iter(collectors)) if len(collectors) == 1 else counted(len(collectors), "collector")
    lost = sum(one.acknowledged in (Acknowledged.REFUSED, Acknowledged.OTHER, Acknowledged.NOT_SEEN) for one in found.deliveries)
    again = sum(one.again is not None for one in found.events)
    parts = [
        f"{counted(len(sources), 'source')} to {f'the collector {where}' if len(collectors) == 1 else where}",
        *([counted(len({one.about.id for one in found.subscriptions}), "subscription")] if found.subscriptions else []),
        *([f"{counted(sum(logs.values()), 'event')} in {counted(batches, 'delivery', 'deliveries')} ({named})"] if logs else []),
        *([counted(kinds[Kind.HEARTBEAT], "heartbeat")] if kinds[Kind.HEARTBEAT] else []),
        *([f"{counted(again, 'event')} sent again"] if again else []),
        *([f"{counted(lost, 'message')} without an acknowledgement in this capture"] if lost else []),
        *([f"{counted(kinds[Kind.UNREAD], 'message')} that could not be read"] if kinds[Kind.UNREAD] else []),
    ]
    return "; ".join(parts) + " (table events)"


def forwarding_lines(result: Result) -> Iterator[Line]:
    """What each source and collector said to each other, in order of time; nothing where no events are forwarded."""
    found = result.evidence.forwarding
    of_delivery: dict[str, list[ForwardedEvent]] = {}
    for event in found.events:
        of_delivery.setdefault(event.delivery, []).append(event)
    ordered = sorted(found.deliveries, key=lambda one: (one.source, one.collector, one.first_ns))
    for (source, collector), own in groupby(ordered, key=lambda one: (one.source, one.collector)):
        told = list(own)
        machine = next((one.machine for one in told if one.machine), None)
        who = next((one.user for one in told if one.user), None) or "an identity that is not visible"
        yield line(
            Span("event forwarding", "bold"), f"  {who}, {f'{visible(machine)} ' if machine else ''}{source} → collector {collector}, {len(told):,} in all"
        )
        for subscription in found.subscriptions:
            if (subscription.source, subscription.collector) == (source, collector):
                yield _row(subscription.packets, "SUBS", subscription_words(subscription))
        for one in told:
            yield from _delivery(one, of_delivery.get(one.id, []))
        yield BLANK


def subscription_words(one: Subscription) -> str:
    """Its name, how events are delivered, and what of which log it selects."""
    about = one.about
    chosen = ", ".join(f"{path}: {xpath}" for path, xpath in about.selects) or about.query or "a query that could not be read"
    left = "; without " + ", ".join(f"{path}: {xpath}" for path, xpath in about.suppresses) if about.suppresses else ""
    mode = f", mode {about.mode}" if about.mode else ""
    beat = f", heartbeat every {about.heartbeat_s:g} s" if about.heartbeat_s else ""
    marks = f", after {', '.join(f'{mark.channel} {mark.record}' for mark in about.bookmarks)}" if about.bookmarks else ""
    return f"subscription {about.name or about.id or 'without a name'}{mode}{beat}{marks}; selects {chosen}{left}"


def delivery_words(one: Delivery) -> str:
    """What it brought, for which subscription, and what became of its acknowledgement."""
    what = counted(one.events, "event") if one.kind is Kind.EVENTS else _WORDS[one.kind]
    if one.kind is Kind.PULL:
        what = f"{what}: {counted(one.events, 'event')}"
    about = f" of {one.name}" if one.name and one.kind is not Kind.SUBSCRIPTIONS else ""
    reason = f" ({one.reason})" if one.reason else ""
    repeated = f"; the same as in {one.again}" if one.again is not None else ""
    return f"{what}{about}{reason}{repeated}{_acknowledged(one)}"


def _acknowledged(one: Delivery) -> str:
    if one.acknowledged is Acknowledged.YES:
        return "; acknowledged"
    if one.acknowledged is Acknowledged.REFUSED:
        return f"; not acknowledged: {f'fault {one.fault_code}' if one.fault_code else f'HTTP status {one.status}'}"
    words = {Acknowledged.OTHER: "; the answer has no acknowledgement", Acknowledged.NOT_SEEN: "; no answer in the capture"}
    return words.get(one.acknowledged, "")


def event_words(one: ForwardedEvent) -> str:
    """Log, number, record, and its values."""
    event = one.event
    try:
        values = decode(event.data)
    except DecodeError:  # what is masked as a whole is no JSON any more
        values = None
    told = ", ".join(f"{name}={value}" for name, value in values.items()) if isinstance(values, dict) else event.data
    record = f" record {event.record}" if event.record is not None else ""
    cut = "" if event.whole else " (incomplete)"
    return f"{event.channel or 'an unknown log'} {event.event_id if event.event_id is not None else '?'}{record}{cut}  {told or event.message or ''}"


def _delivery(one: Delivery, events: Sequence[ForwardedEvent]) -> Iterator[Line]:
    yield _row(one.packets or one.answer_packets, _LABELS.get(one.kind, "TELL"), delivery_words(one), f"  {on_screen(one.first_ns)}")
    for event in events[:_EVENTS] if one.again is None else ():
        when = "" if event.event.time_ns is None else f"  {on_screen(event.event.time_ns)}"
        yield _row((), "", event_words(event), when)
    if len(events) > _EVENTS and one.again is None:
        yield _row((), "", f"and {counted(len(events) - _EVENTS, 'more event')} (table events)")


def _row(packets: tuple[int, ...], label: str, text: str, when: str = "") -> Line:
    number = f"#{key_number(packets[0])}" if packets else ""
    shown = visible(text, len(text))
    cut = shown if len(shown) <= _LINE else f"{shown[:_LINE]} … ({len(shown) - _LINE:,} more characters)"
    return line(f"  {number:>9} ", Span(f"{label:7} ", "bold" if label else ""), cut, Span(when, "dim"))
