"""Messages of event forwarding in an envelope: subscriptions, deliveries of events, heartbeats, acknowledgements.

    a source asks for its subscriptions   Enumerate of …/SubscriptionManager/Subscription; each item is a whole Subscribe envelope (MS-WSMV 2.2.4.41)
    a collector subscribes at a source    Subscribe on …/windows/EventLog (MS-WSMV 3.1.4.1.30, DSP0226 section 10.2)
    a source delivers                     Events, Event, Heartbeat, DroppedEvents, SubscriptionEnd; a collector that wants it otherwise pulls
    acknowledgement                       Ack in the response (DSP0226 section 10.7)

Each event is an element of XML, or that element as text in CDATA; of another source than a log of Windows it is an instance of a CIM class (an indication). Of
an envelope that is damaged, or lacks bytes, the events are read one by one.
"""

import re
from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from analyzer.formats.holes import HOLE, UNKNOWN, has_holes, shown
from analyzer.records.forwarding import Bookmark, ForwardHalf, Kind, LoggedEvent, Subscribed
from analyzer.records.sealing import Message
from analyzer.wsman.durations import duration_s
from analyzer.wsman.tree import EMPTY, Node, Tree, tree
from analyzer.wsman.windows_event import event_in, event_of, indication_of

_MANAGER, _LOG = "/subscriptionmanager/subscription", "/windows/eventlog"
_KINDS = {
    "Events": Kind.EVENTS,
    "Event": Kind.EVENTS,
    "Heartbeat": Kind.HEARTBEAT,
    "DroppedEvents": Kind.DROPPED,
    "SubscriptionEnd": Kind.ENDED,
    "Subscribe": Kind.SUBSCRIBE,
    "Unsubscribe": Kind.UNSUBSCRIBE,
    "Renew": Kind.RENEW,
}
_ANSWERS = ("Ack", "EnumerateResponse", "PullResponse", "SubscribeResponse", "UnsubscribeResponse", "RenewResponse")
_OF_ITEMS = ("EnumerateResponse", "PullResponse")
_SIGNS = ("wsman/1/subscription", "wsman/1/wsman/event", "2004/08/events/event")
"""What an answer with items of event forwarding holds, in lower case: others are operations on classes."""
_OPEN, _CLOSE = re.compile(r"<Event[\s>]"), "</Event>"
_DIGITS = 18
_MOST = 20_000
"""Events of one message: MaxEnvelopeSize of Windows' collector has room for a few thousand."""


def forwards(uri: str) -> bool:
    """The resource is one of event forwarding: the collector's subscriptions, or a source's logs."""
    return uri.partition("?")[0].rstrip("/").lower().endswith((_MANAGER, _LOG))


def kind_of(message: Message) -> Kind | None:
    """What a request of event forwarding is for; None for all others."""
    known = message.operation
    if not message.from_client or not isinstance(known, str):
        return None
    if known in _KINDS:
        return _KINDS[known]
    if known not in ("Enumerate", "Pull"):
        return None
    uri = (message.resource_uri or "").partition("?")[0].rstrip("/").lower()
    if uri.endswith(_MANAGER):
        return Kind.SUBSCRIPTIONS
    return Kind.PULL if known == "Pull" and uri.endswith(_LOG) else None


def forward_half(message: Message, text: str, ts_ns: int, packets: tuple[int, ...]) -> ForwardHalf | None:
    """What an envelope says of event forwarding; None where it says nothing of it. ``text`` may hold marks where bytes are missing."""
    kind = kind_of(message)
    if kind is None and (message.from_client or message.operation not in _ANSWERS):
        return None
    if message.operation in _OF_ITEMS:
        lower = text.lower()
        if not any(sign in lower for sign in _SIGNS):
            return None
    read = tree(text)
    envelope = read.root.at("Envelope")
    header, body = envelope.at("Header"), envelope.at("Body")
    half = ForwardHalf(
        message.id,
        message.exchange,
        message.from_client,
        ts_ns,
        packets,
        kind,
        subscription=_identifier(header) or _identifier(body.at("SubscribeResponse", "SubscriptionManager", "ReferenceParameters")),
        machine=_plain(header.at("MachineID").text),
        message_id=message.message_id,
        bookmarks=bookmarks(header.at("Bookmark")),
        asks=header.child("AckRequested") is not None,
        acknowledges=message.operation == "Ack",
        context=_context(body),
        status=_plain(body.at("SubscriptionEnd", "Status").text.rpartition("/")[2]) or _plain(body.at("DroppedEvents").text),
        cut=not read.whole or has_holes(text),
        limit=read.limit,
    )
    events = tuple(islice(_events(body, read, text, single=message.operation == "Event"), _MOST + 1))
    if len(events) > _MOST:
        events, half = events[:_MOST], replace(half, limit=f"events={_MOST}", cut=True)
    return replace(half, subscribed=tuple(_subscribed(envelope, half)), events=events)


def _context(body: Node) -> str | None:
    first = body.children[0] if body.children else EMPTY
    return _plain(first.at("EnumerationContext").text)


def _identifier(node: Node) -> str | None:
    return identifier(node.at("Identifier").text)


def identifier(text: str) -> str | None:
    """A subscription's identifier as all messages have it: without ``uuid:``, in upper case."""
    return _plain(text.strip().removeprefix("uuid:").upper())


def _plain(text: str) -> str | None:
    text = text.strip()
    return (shown(text)[0] if has_holes(text) else text) or None


def _events(body: Node, read: Tree, text: str, *, single: bool) -> Iterator[LoggedEvent]:
    """``single``: the body is itself the event, of whatever kind."""
    if has_holes(text) or (not read.whole and read.limit is None):
        yield from _one_by_one(text)
        return
    first = body.children[0] if body.children else EMPTY
    places = (first, first.at("Items"), body)
    items = next((place.children for place in places if any(one.name == "Event" for one in place.children)), [])
    for item in items:
        if item.name == "Event":
            yield _event(item)
    if not items and single and first is not EMPTY and first.name not in ("Events", "Fault"):
        yield indication_of(first)


def _event(item: Node) -> LoggedEvent:
    """The event of an item: in it as an element, in it as text, or it itself."""
    inside = item.child("Event")
    if inside is not None:
        return event_of(inside, whole=True)
    if item.child("System") is not None:
        return event_of(item, whole=True)
    if item.children:
        return indication_of(item.children[0])
    return event_in(item.text) or LoggedEvent(whole=False)


def _one_by_one(text: str) -> Iterator[LoggedEvent]:
    """The events in a text that is no XML as a whole, or that lacks bytes. Of one whose end is missing there is what stands before that: what follows may
    belong to the next one."""
    places = [found.start() for found in _OPEN.finditer(text)]
    for begin, following in zip(places, [*places, len(text)][1:], strict=True):
        end = text.find(_CLOSE, begin, following)
        piece = text[begin : following if end < 0 else end + len(_CLOSE)]
        known = piece[: min((at for at in (piece.find(HOLE), piece.find(UNKNOWN)) if at >= 0), default=len(piece))]
        found = event_in(known)
        if found is not None:
            yield found if end >= 0 and known == piece else replace(found, whole=False)


def _subscribed(envelope: Node, half: ForwardHalf) -> Iterator[Subscribed]:
    """Subscriptions in a listing, or the one that a Subscribe is."""
    if half.kind is Kind.SUBSCRIBE:
        yield _subscription(envelope, None, cut=half.cut)
        return
    body = envelope.at("Body")
    first = body.children[0] if body.children else EMPTY
    for item in first.at("Items").children:
        if item.name == "Subscription":
            yield _subscription(item.at("Envelope"), identifier(item.at("Version").text), cut=half.cut)


def _subscription(envelope: Node, version: str | None, *, cut: bool) -> Subscribed:
    options = {one.inside.get("Name", ""): _plain(one.text) for one in envelope.at("Header", "OptionSet").children}
    asked = envelope.at("Body", "Subscribe")
    delivery = asked.at("Delivery")
    selects, suppresses, query = _query(asked.at("Filter"))
    own = _identifier(delivery.at("NotifyTo", "ReferenceProperties")) or _identifier(delivery.at("NotifyTo", "ReferenceParameters"))
    return Subscribed(
        id=own or version,
        name=options.get("SubscriptionName"),
        mode=_plain(delivery.inside.get("Mode", "").rpartition("/")[2]),
        selects=selects,
        suppresses=suppresses,
        query=query,
        bookmarks=bookmarks(asked.at("Bookmark")),
        heartbeat_s=duration_s(delivery.at("Heartbeats").text or None),
        latency_s=duration_s(delivery.at("MaxTime").text or None),
        most_events=_number(delivery.at("MaxElements").text),
        content=options.get("ContentFormat"),
        compression=options.get("Compression"),
        existing="ReadExistingEvents" in options,
        deliver_to=_plain(delivery.at("NotifyTo", "Address").text),
        cut=cut,
    )


def _query(node: Node) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], str | None]:
    """What a filter selects and suppresses, by log; a filter of another form as it is written."""
    listed = node.child("QueryList") or (tree(node.text).root.child("QueryList") if "<QueryList" in node.text else None)
    if listed is None:
        return (), (), _plain(node.text)
    found: dict[str, list[tuple[str, str]]] = {"Select": [], "Suppress": []}
    for query in listed.children:
        for one in query.children:
            if one.name in found:
                path = one.inside.get("Path") or query.inside.get("Path", "")
                found[one.name].append((_plain(path) or "", _plain(one.text) or ""))
    return tuple(found["Select"]), tuple(found["Suppress"]), None


def bookmarks(node: Node) -> tuple[Bookmark, ...]:
    """The bookmarks of an element, which has them as elements or as text."""
    listed = node.child("BookmarkList") or (tree(node.text).root.child("BookmarkList") if "<BookmarkList" in node.text else None)
    own = [] if listed is None else [one for one in listed.children if one.name == "Bookmark"]
    return tuple(Bookmark(_plain(one.inside.get("Channel", "")) or "", _number(one.inside.get("RecordId", ""))) for one in own)


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS else None
