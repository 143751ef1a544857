"""Event forwarding put together: each request with its answer, subscriptions by source, events with what came before them in their log."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.engine.forwarding_gaps import Kept, Unread, with_gaps
from analyzer.psrp.parts import Place
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import Acknowledged, Delivery, ForwardedEvent, ForwardHalf, Forwarding, Kind, Subscription
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_capture, request_id, response_id
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.settings import Limits

_PATH = re.compile(r"(?:[a-z]+://[^/]*)?(/wsman/(?:subscriptionmanager|subscriptions)/[^?]{1,200})", re.IGNORECASE)
_BY_COLLECTOR = (Kind.PULL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.RENEW)
"""What a collector asks of a source; all else a source asks of its collector."""
_NOT_LOOKED_AT = (401, 407)
_SUCCESS = range(200, 300)


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
    events: list[Kept] = []
    deliveries: list[Delivery] = []
    first_of: dict[tuple[object, ...], ForwardedEvent] = {}
    left_out = 0
    limited: set[str] = set()
    cut: set[str] = set()
    for one in both:
        told = _carrier(one)
        count = 0 if told is None else len(told.events)
        kept = min(count, max(limits.forwarded_events - len(events), 0))
        left_out += count - kept
        if told is not None and told.limit is not None:
            limited.add(one.exchange.id)
        elif told is not None and told.cut:
            cut.add(one.exchange.id)
        own = [] if told is None else [_event(one, told, number, names, first_of) for number in range(1, kept + 1)]
        events += own
        deliveries.append(_delivery(messages, one, count, names, _again([each.event for each in own], count)))
    events, gaps = with_gaps(events, subscriptions, Unread(limited, cut))
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
    paths: dict[str, bool] = {}
    for identity, exchange in evidence.exchanges.items():
        own = halves.get(identity, ())
        copy = copies.get(identity)
        if not own and copy is None and not _is_asked_for(exchange, paths):
            continue
        asked = copy.asked if copy is not None else _asked(own)
        kind = Kind.UNREAD if asked is None else asked.kind
        if kind is None or (asked is None and not _is_unread(evidence, messages, exchange, own)):
            continue
        if not copy.told if copy is not None else _is_told_by_twin(evidence, exchange, halves, read) or _is_told_elsewhere(evidence, exchange, halves):
            continue
        yield _Both(exchange, asked, _answer(own), kind, place(identity))


def _is_asked_for(exchange: Exchange, paths: dict[str, bool]) -> bool:
    """Its path is one of event forwarding. ``paths``: what is known of them, to be added to."""
    if isinstance(exchange.request, Absent):
        return False
    known = paths.get(exchange.request.target)
    if known is None:
        known = paths[exchange.request.target] = _path(exchange) is not None
    return known


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


def _event(one: _Both, told: ForwardHalf, number: int, names: Mapping[str | None, str], first_of: dict[tuple[object, ...], ForwardedEvent]) -> Kept:
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
    return Kept(made, log)


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
