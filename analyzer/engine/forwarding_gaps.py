"""Record numbers of forwarded events that are not in the captures: which lie before each event, and what is said of a log that lacks some."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
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
_LIMITED, _CUT = "limited", "cut"
_Numbers = tuple[int, int, int, ForwardedEvent]
"""The first and the last number without an event, how many they are, and the event behind them."""


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


class Unread(NamedTuple):
    """Deliveries with events that are not among those that were read: ``limited`` have more, ``cut`` lack packets."""

    limited: Collection[str] = ()
    cut: Collection[str] = ()


def with_gaps(events: Sequence[Kept], subscriptions: Sequence[Subscription], unread: Unread) -> tuple[list[Kept], list[Issue]]:
    """The events with how many record numbers lie before each that no event has; and an issue for each log in which there are such.

    Numbers that may be of events in deliveries that could not be read whole are no gap; where packets are missing, an issue of its own has them.
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
        gaps: list[_Numbers] = []
        lost: list[_Numbers] = []
        for step in _steps(own, told, unread):
            numbers = (step.before + 1, step.record - 1, step.record - step.before - 1, step.event)
            if step.why is None:
                skipped[step.event.id] = numbers[2]
            if numbers[2] and step.why != _LIMITED:
                (gaps if step.why is None else lost).append(numbers)
        if gaps:
            whole = told is not None and told.whole_log(first.event.channel or "")
            issues.append(_gap("events.gap" if whole else "events.skipped", gaps))
        if lost:
            issues.append(_gap("events.cut", lost))
    return [Kept(replace(one.event, skipped=skipped.get(one.event.id)), one.key) for one in events], issues


class _Step(NamedTuple):
    """An event, the number known before it and its own; why what lies between them was not read, or None."""

    event: ForwardedEvent
    before: int
    record: int
    why: str | None


def _steps(own: Sequence[ForwardedEvent], about: Subscribed | None, unread: Unread) -> Iterator[_Step]:
    """The events of one log by number; without those before which nothing is known."""
    first: dict[int, ForwardedEvent] = {}
    for one in own:
        if one.event.record is not None and one.again is None:
            first.setdefault(one.event.record, one)
    spans = _joined(_runs(own, about))
    late: dict[str, list[tuple[int, int]]] = {_LIMITED: [], _CUT: []}
    for why, low, high in _unread(own, unread):
        late[why].append((low, high))
    left = {why: _joined(found) for why, found in late.items()}
    before: int | None = None
    for record in sorted(first):
        begin = spans[bisect_right(spans, (record, _ENDLESS)) - 1][0]
        begin = begin if before is None else max(begin, before)
        if begin < record:
            yield _Step(first[record], begin, record, next((why for why, found in left.items() if _lies(begin, record, found)), None))
        before = record


def _lies(begin: int, record: int, found: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(found, (begin, _ENDLESS)) - 1
    return at >= 0 and record <= found[at][1]


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


def _unread(own: Sequence[ForwardedEvent], unread: Unread) -> Iterator[tuple[str, int, int]]:
    """From the last number that is known before events that were not read to the first one after them: behind what was read of a delivery that has more;
    from before a delivery that lacks packets to behind it."""
    last: tuple[str, int] | None = None
    before = 0
    for delivery, events in groupby(own, lambda one: one.delivery):
        records = [one.event.record or 0 for one in events]
        low, high = min(records), max(records)
        if last is not None:
            later = [record for record in records if record > last[1]]
            if later:
                yield *last, min(later)
                last = None
        if delivery in unread.cut:
            yield _CUT, min(before, low), high
        if delivery in unread.cut or delivery in unread.limited:
            last = (_CUT if delivery in unread.cut else _LIMITED, high)
        before = high


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


def _gap(code: str, found: Sequence[_Numbers]) -> Issue:
    first = found[0][3]
    total = sum(count for _, _, count, _ in found)
    ranges = ", ".join(f"{begin}" if begin == end else f"{begin} to {end}" for begin, end, _, _ in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    where = f"{first.event.channel} of {first.event.computer or first.source}"
    number = key_number(first.packets[0]) if first.packets else None
    return Issue(code, f"{where}, records {ranges}{more} ({total:,} in all)", first.delivery, first.capture, number, total)
