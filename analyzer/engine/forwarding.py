"""Event forwarding put together: each request with its answer, subscriptions by source, events with what came before them in their log."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.psrp.parts import Place
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import Acknowledged, Delivery, ForwardedEvent, ForwardHalf, Forwarding, Kind, Subscribed, Subscription
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_capture, key_number, request_id, response_id
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.settings import Limits

_PATH = re.compile(r"(?:[a-z]+://[^/]*)?(/wsman/(?:subscriptionmanager|subscriptions)/[^?]{1,200})", re.IGNORECASE)
_BY_COLLECTOR = (Kind.PULL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.RENEW)
"""What a collector asks of a source; all else a source asks of its collector."""
_NOT_LOOKED_AT = (401, 407)
_SUCCESS = range(200, 300)
_SHOWN = 5
"""Gaps of one log that an issue names."""
_ENDLESS = inf


class Found(NamedTuple):
    """What there is of event forwarding, and issues about limits and gaps."""

    forwarding: Forwarding = Forwarding()
    issues: tuple[Issue, ...] = ()


class _Both(NamedTuple):
    """An exchange of event forwarding as far as it could be read."""

    exchange: Exchange
    asked: ForwardHalf | None
    answer: ForwardHalf | None
    kind: Kind
    at: Place


class _Copy(NamedTuple):
    """Of an exchange that several capture points may have seen: whether it is the one to tell, and the request as the best of them has it."""

    told: bool
    asked: ForwardHalf | None


class _Kept(NamedTuple):
    """An event, and what tells its log among all: the subscription (or the path that it is sent to), the computer, the log."""

    event: ForwardedEvent
    key: tuple[str, str, str]


@dataclass(slots=True)
class _Run:
    """Numbers of a log from one beginning: the lowest and the highest, the times of the first and of the lowest, and the time by number."""

    low: int
    high: int
    begun_ns: int | None
    low_ns: int | None
    times: dict[int, int | None]


def forwarding(
    evidence: Evidence, messages: Mapping[str, Message], halves: Mapping[str, Sequence[ForwardHalf]], place: Callable[[str], Place], limits: Limits
) -> Found:
    """``halves`` by exchange id. Of an exchange on both sides of a proxy the first that could be read counts, of one that a second
    capture point saw the most complete."""
    both = sorted(_all(evidence, messages, halves, place), key=lambda one: one.exchange.request.first_ns if isinstance(one.exchange.request, Request) else 0)
    if not both:
        return Found()
    subscriptions = _subscriptions(both)
    names: dict[str | None, str] = {one.about.id: one.about.name for one in subscriptions if one.about.id is not None and one.about.name is not None}
    events: list[_Kept] = []
    deliveries: list[Delivery] = []
    first_of: dict[tuple[object, ...], ForwardedEvent] = {}
    left_out = 0
    limited: set[str] = set()
    for one in both:
        told = _carrier(one)
        count = 0 if told is None else len(told.events)
        kept = min(count, max(limits.forwarded_events - len(events), 0))
        left_out += count - kept
        if told is not None and told.limit is not None:
            limited.add(one.exchange.id)
        own = [] if told is None else [_event(one, told, number, names, first_of) for number in range(1, kept + 1)]
        events += own
        deliveries.append(_delivery(messages, one, count, names, _again([each.event for each in own], count)))
    events, gaps = _with_gaps(events, subscriptions, limited)
    issues = [*gaps, *_limits(halves)]
    if left_out:
        issues.append(Issue("wsman.limit", f"forwarded_events={limits.forwarded_events}: {left_out:,} later events were not kept", repeats=left_out))
    return Found(Forwarding(tuple(deliveries), subscriptions, tuple(one.event for one in events)), tuple(issues))


def _limits(halves: Mapping[str, Sequence[ForwardHalf]]) -> Iterator[Issue]:
    for own in halves.values():
        for half in own:
            if half.limit is not None and half.packets:
                yield Issue("wsman.limit", f"{half.limit}: later elements were not read", half.message, key_capture(half.packets[0]))


def _all(evidence: Evidence, messages: Mapping[str, Message], halves: Mapping[str, Sequence[ForwardHalf]], place: Callable[[str], Place]) -> Iterator[_Both]:
    copies = _copies(evidence, halves)
    read = {evidence.exchanges[identity].connection for identity in halves if identity in evidence.exchanges}
    for identity, exchange in evidence.exchanges.items():
        own = halves.get(identity, ())
        copy = copies.get(identity)
        asked = copy.asked if copy is not None else _asked(own)
        kind = Kind.UNREAD if asked is None else asked.kind
        if kind is None or (asked is None and not _is_unread(evidence, messages, exchange, own)):
            continue
        if not copy.told if copy is not None else _is_told_by_twin(evidence, exchange, halves, read) or _is_told_elsewhere(evidence, exchange, halves):
            continue
        yield _Both(exchange, asked, _answer(own), kind, place(identity))


def _asked(own: Sequence[ForwardHalf]) -> ForwardHalf | None:
    return next((one for one in own if one.from_client), None)


def _answer(own: Sequence[ForwardHalf]) -> ForwardHalf | None:
    return next((one for one in own if not one.from_client), None)


def _copies(evidence: Evidence, halves: Mapping[str, Sequence[ForwardHalf]]) -> dict[str, _Copy]:
    """The exchanges of connections that several capture points saw, as far as the id of their message tells them.

    An answer without its request is known by its own id, or by the request that another capture point has to it.
    """
    seen = {root for one in evidence.connections.values() if (root := one.twin_of) is not None}
    if not seen:
        return {}
    by_answer: dict[tuple[str, str], str] = {}
    ours: list[tuple[str, str, Exchange, ForwardHalf | None, ForwardHalf | None]] = []
    for identity, own in halves.items():
        exchange = evidence.exchanges.get(identity)
        root = None if exchange is None else evidence.connections[exchange.connection].twin_of or exchange.connection
        if exchange is None or root is None or root not in seen:
            continue
        asked, answer = _asked(own), _answer(own)
        ours.append((identity, root, exchange, asked, answer))
        if asked is not None and asked.message_id and answer is not None and answer.message_id:
            by_answer[root, answer.message_id] = asked.message_id
    groups: dict[tuple[str, str], list[tuple[str, Exchange, ForwardHalf | None, ForwardHalf | None]]] = defaultdict(list)
    for identity, root, exchange, asked, answer in ours:
        of_answer = None if asked is not None or answer is None or not answer.message_id else by_answer.get((root, answer.message_id), answer.message_id)
        message = of_answer if asked is None else asked.message_id
        if message:
            groups[root, message].append((identity, exchange, asked, answer))
    made: dict[str, _Copy] = {}
    for (root, _), group in groups.items():
        requests = [asked for _, _, asked, _ in group if asked is not None]
        best = max(requests, key=lambda one: (not one.cut, len(one.events)), default=None)
        view = max(group, key=lambda one: (_completeness(*one[1:]), one[1].connection == root))[1].connection
        elsewhere = any(_is_told_elsewhere(evidence, exchange, halves) for _, exchange, _, _ in group)
        made.update({identity: _Copy(exchange.connection == view and not elsewhere, best) for identity, exchange, _, _ in group})
    return made


def _completeness(exchange: Exchange, asked: ForwardHalf | None, answer: ForwardHalf | None) -> tuple[bool | int, ...]:
    """Of several copies of an exchange the largest is told: with an answer that was read, then with one at all, then with its request."""
    read = (False, False, 0) if answer is None else (True, not answer.cut, len(answer.events))
    return (*read, not isinstance(exchange.response, Absent), *((False, False, 0) if asked is None else (True, not asked.cut, len(asked.events))))


def _is_unread(evidence: Evidence, messages: Mapping[str, Message], exchange: Exchange, own: Sequence[ForwardHalf]) -> bool:
    """A request with a body to a path of event forwarding, which the server looked at; or only its answer could be read."""
    response = exchange.response
    if exchange.id not in evidence.winrm_exchanges and exchange.connection not in evidence.winrm:
        return False
    if own:
        return True
    message = messages.get(request_id(exchange.id))
    if _path(exchange) is None or message is None or not message.size or isinstance(message.operation, str):
        return False
    return isinstance(response, Absent) or response.status not in _NOT_LOOKED_AT


def _is_told_elsewhere(evidence: Evidence, exchange: Exchange, halves: Mapping[str, Sequence[ForwardHalf]]) -> bool:
    """On the other side of a proxy."""
    hop = evidence.far.get(exchange.id)
    if hop is not None and (hop.near in halves or exchange.id not in halves):
        return True
    near = evidence.near.get(exchange.id)
    return near is not None and exchange.id not in halves and near.far in halves


def _is_told_by_twin(evidence: Evidence, exchange: Exchange, halves: Mapping[str, Sequence[ForwardHalf]], read: Collection[str]) -> bool:
    """``read``: the connections of which something was read."""
    twin = evidence.connections[exchange.connection].twin_of
    return twin is not None and (exchange.id not in halves or twin in read)


def _path(exchange: Exchange) -> str | None:
    found = None if isinstance(exchange.request, Absent) else _PATH.match(exchange.request.target)
    return None if found is None else found[1]


def _carrier(one: _Both) -> ForwardHalf | None:
    """The half that has the events, or the subscriptions."""
    return one.answer if one.kind in (Kind.PULL, Kind.SUBSCRIPTIONS) or one.asked is None else one.asked


def _ends(one: _Both) -> tuple[str, str]:
    """The addresses of source and collector."""
    by_collector = one.kind in _BY_COLLECTOR or (one.kind is Kind.UNREAD and one.answer is not None and bool(one.answer.events))
    return (one.at.server, one.at.client) if by_collector else (one.at.client, one.at.server)


def _subscription_of(one: _Both) -> str | None:
    for half in (one.asked, one.answer):
        if half is not None and (half.subscription or half.context):
            return half.subscription or (half.context or "").removeprefix("uuid:").upper()
    return None


def _event(one: _Both, told: ForwardHalf, number: int, names: Mapping[str | None, str], first_of: dict[tuple[object, ...], ForwardedEvent]) -> _Kept:
    """The event of this number, from 1, of the half that has it."""
    event, (source, collector), subscription = told.events[number - 1], _ends(one), _subscription_of(one)
    log = (subscription or _path(one.exchange) or "", (event.computer or source).lower(), (event.channel or "").lower())
    made = ForwardedEvent(
        id=f"{one.exchange.id}.e{number}",
        delivery=one.exchange.id,
        event=event,
        source=source,
        collector=collector,
        subscription=subscription,
        name=names.get(subscription),
        sent_ns=told.ts_ns,
        again=None,
        skipped=None,
        capture=key_capture(told.packets[0]) if told.packets else one.exchange.capture,
        packets=told.packets,
    )
    if event.record is not None:
        before = first_of.setdefault((*log, event.record, event.event_id, event.time_ns), made)
        if before is not made and before.delivery != made.delivery:
            made = replace(made, again=before.id)
    return _Kept(made, log)


def _again(events: Sequence[ForwardedEvent], count: int) -> str | None:
    """The delivery that these events were in already, all of them."""
    earlier = {None if one.again is None else one.again.rpartition(".")[0] for one in events}
    return next(iter(earlier)) if count and len(events) == count and len(earlier) == 1 else None


def _delivery(messages: Mapping[str, Message], one: _Both, count: int, names: Mapping[str | None, str], again: str | None) -> Delivery:
    exchange, (source, collector), subscription = one.exchange, _ends(one), _subscription_of(one)
    request, response = exchange.request, exchange.response
    asked, back = None if isinstance(request, Absent) else request, None if isinstance(response, Absent) else response
    answer = messages.get(response_id(exchange.id))
    message = messages.get(request_id(exchange.id))
    told = tuple(half for half in (one.asked, one.answer) if half is not None)
    return Delivery(
        id=exchange.id,
        connection=exchange.connection,
        kind=one.kind,
        source=source,
        collector=collector,
        machine=next((half.machine for half in told if half.machine), None),
        subscription=subscription,
        name=names.get(subscription),
        path=_path(exchange),
        events=count,
        bookmarks=next((half.bookmarks for half in told if half.bookmarks), ()),
        acknowledged=_acknowledged(one, answer, back),
        again=again,
        reason=next((half.status for half in told if half.status), None),
        compressed=message is not None and "sldc" in {coding.lower() for coding in message.codings},
        protection=None if message is None else message.protection.value,
        status=None if back is None else back.status,
        fault_code=None if answer is None else answer.fault_code,
        user=one.at.user,
        first_ns=asked.first_ns if asked is not None else 0 if back is None else back.first_ns,
        last_ns=back.last_ns if back is not None else 0 if asked is None else asked.last_ns,
        capture=exchange.capture,
        packets=() if asked is None else asked.packets,
        answer_packets=() if back is None else back.packets,
        cut=any(half.cut for half in told),
    )


def _acknowledged(one: _Both, answer: Message | None, back: Response | None) -> Acknowledged:
    if one.asked is None or not one.asked.asks:
        return Acknowledged.UNREAD if one.asked is None else Acknowledged.NOT_ASKED
    if one.answer is not None and one.answer.acknowledges:
        return Acknowledged.YES
    if back is None:
        return Acknowledged.NOT_SEEN
    if back.status not in _SUCCESS or (answer is not None and answer.operation == "Fault"):
        return Acknowledged.REFUSED
    read = answer is None or not answer.size or isinstance(answer.operation, str)
    return Acknowledged.OTHER if read else Acknowledged.UNREAD


def _subscriptions(both: Sequence[_Both]) -> tuple[Subscription, ...]:
    """One for each source, collector and version of a subscription."""
    found: dict[tuple[str, str, str | None, str | None], Subscription] = {}
    for one in both:
        told = one.asked if one.kind is Kind.SUBSCRIBE else one.answer
        source, collector = _ends(one)
        machine = one.asked.machine if one.asked is not None else None
        for about in () if told is None else told.subscribed:
            if about.id is None and one.answer is not None and one.answer.subscription is not None:
                about = replace(about, id=one.answer.subscription)  # noqa: PLW2901  a Subscribe gets its identifier in the answer
            key = (source, collector, about.id, about.name)
            known = found.get(key)
            if known is not None:
                found[key] = replace(known, exchanges=(*known.exchanges, one.exchange.id))
                continue
            found[key] = Subscription(
                about=about,
                source=source,
                collector=collector,
                machine=machine,
                exchanges=(one.exchange.id,),
                by_collector=one.kind is Kind.SUBSCRIBE,
                first_ns=0 if told is None else told.ts_ns,
                capture=key_capture(told.packets[0]) if told is not None and told.packets else one.exchange.capture,
                packets=() if told is None else told.packets,
            )
    return tuple(found.values())


def _with_gaps(events: Sequence[_Kept], subscriptions: Sequence[Subscription], limited: Collection[str]) -> tuple[list[_Kept], list[Issue]]:
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
    return [_Kept(replace(one.event, skipped=skipped.get(one.event.id)), one.key) for one in events], issues


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

    A number below all before it begins anew, but where the event is older than they are: then it came late. So does a number that another event had.
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
