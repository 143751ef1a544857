"""Record numbers of forwarded events that are not in the captures: which lie before each event, and what is said of a log that lacks some."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import inf
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from analyzer.records.forwarding import ForwardedEvent, Subscribed, Subscription
from analyzer.records.ids import key_number
from analyzer.records.issues import Issue

_SHOWN = 5
"""Gaps of one log that an issue names."""
_ENDLESS = inf


class Kept(NamedTuple):
    """An event, and what tells its log among all: the subscription (or the path that it is sent to), the computer, the log."""

    event: ForwardedEvent
    key: tuple[str, str, str]


class _Run(Struct):
    """Numbers of a log from one beginning: the lowest and the highest, the times of the first and of the lowest, and the time by number."""

    low: int
    high: int
    begun_ns: int | None
    low_ns: int | None
    times: dict[int, int | None]


def with_gaps(events: Sequence[Kept], subscriptions: Sequence[Subscription], limited: Collection[str]) -> tuple[list[Kept], list[Issue]]:
    """The events with how many record numbers lie before each that no event has; and an issue for each log in which there are such.

    ``limited``: the deliveries that have more events than were read.
    """
    logs: dict[tuple[str, str, str], list[ForwardedEvent]] = defaultdict(list)
    for one in events:
        if one.event.event.record is not None:
            logs[one.key].append(one.event)
    about: dict[tuple[str, str, str | None], Subscribed] = {
        (one.source, one.collector, one.about.id): one.about for one in subscriptions if one.about.id is not None
    }
    skipped: dict[str, int] = {}
    issues: list[Issue] = []
    for own in logs.values():
        first = own[0]
        told = about.get((first.source, first.collector, first.subscription))
        gaps = []
        for event, begin, record in _steps(own, told, limited):
            skipped[event.id] = record - begin - 1
            if skipped[event.id]:
                gaps.append((begin + 1, record - 1, skipped[event.id], event))
        if gaps:
            issues.append(_gap(gaps, told))
    return [Kept(replace(one.event, skipped=skipped.get(one.event.id)), one.key) for one in events], issues


def _steps(own: Sequence[ForwardedEvent], about: Subscribed | None, limited: Collection[str]) -> Iterator[tuple[ForwardedEvent, int, int]]:
    """The events of one log by number, each with the number known before it and its own; without those before which nothing is known."""
    first: dict[int, ForwardedEvent] = {}
    for one in own:
        if one.event.record is not None and one.again is None:
            first.setdefault(one.event.record, one)
    spans, unread = _joined(_runs(own, about)), _joined(_unread(own, limited))
    before: int | None = None
    for record in sorted(first):
        begin = spans[bisect_right(spans, (record, _ENDLESS)) - 1][0]
        begin = begin if before is None else max(begin, before)
        at = bisect_right(unread, (begin, _ENDLESS)) - 1
        if begin < record and (at < 0 or record > unread[at][1]):
            yield first[record], begin, record
        before = record


def _runs(own: Sequence[ForwardedEvent], about: Subscribed | None) -> list[tuple[int, int]]:
    """The lowest and the highest number of a log each time that its numbers begin, the first time from the bookmark.

    A number below all before it begins again, but where the event is older than they are: then it came late. So does a number that another event had.
    """
    runs: list[_Run] = []
    for one in own:
        record, time_ns = one.event.record, one.event.time_ns
        if record is None or one.again is not None:
            continue
        run = runs[-1] if runs else None
        if run is not None and len(runs) > 1 and _is_older(time_ns, run.begun_ns):
            run = runs[-2]
            if record < run.low:
                continue
        if run is None or (record < run.low and not _is_older(time_ns, run.low_ns)) or (record in run.times and _differ(time_ns, run.times[record])):
            run = _Run(record, record, time_ns, time_ns, {})
            runs.append(run)
        if record < run.low:
            run.low, run.low_ns = record, time_ns
        run.high = max(run.high, record)
        run.times.setdefault(record, time_ns)
    spans = [(run.low, run.high) for run in runs]
    marked = _marked(about, own[0].event.channel or "", spans[0][0]) if spans else None
    return spans if marked is None else [(marked, spans[0][1]), *spans[1:]]


def _is_older(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _unread(own: Sequence[ForwardedEvent], limited: Collection[str]) -> Iterator[tuple[int, int]]:
    """From the last number of a delivery whose later events were not read to the first later one."""
    last: int | None = None
    delivery: str | None = None
    for one in own:
        record = one.event.record or 0
        if one.delivery in limited:
            last = record if last is None or delivery != one.delivery else max(last, record)
            delivery = one.delivery
        elif last is not None and record > last:
            yield last, record
            last = None


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if made and low <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], high))
        else:
            made.append((low, high))
    return made


def _marked(about: Subscribed | None, channel: str, low: int) -> int | None:
    """The record after which the subscription goes on, by its bookmark of this log, where that is before the lowest number."""
    records = [] if about is None else [one.record for one in about.bookmarks if one.channel.lower() == channel.lower()]
    return next((record for record in records if record is not None and record < low), None)


def _gap(found: Sequence[tuple[int, int, int, ForwardedEvent]], about: Subscribed | None) -> Issue:
    first = found[0][3]
    total = sum(count for _, _, count, _ in found)
    ranges = ", ".join(f"{begin}" if begin == end else f"{begin} to {end}" for begin, end, _, _ in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    where = f"{first.event.channel} of {first.event.computer or first.source}"
    told = f"{where}, records {ranges}{more} ({total:,} in all)"
    whole = about is not None and about.whole_log(first.event.channel or "")
    number = key_number(first.packets[0]) if first.packets else None
    return Issue("events.gap" if whole else "events.skipped", told, first.delivery, first.capture, number, total)
