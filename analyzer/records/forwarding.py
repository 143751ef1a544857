"""Event forwarding: what sources send to collectors (MS-WSMV 3.1.4.1.30 and 3.1.4.13 to 3.1.4.17, DSP0226 section 10)."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What a message of event forwarding is for. The HTTP client is the source, but where the collector initiated the subscription and pulls."""

    SUBSCRIPTIONS = "subscriptions"
    """A source asks its collector for the subscriptions that it is to serve."""
    SUBSCRIBE = "subscribe"
    """A collector subscribes at a source."""
    EVENTS = "events"
    """A source delivers events."""
    PULL = "pull"
    """A collector fetches events."""
    HEARTBEAT = "heartbeat"
    """A source says that it is there, with no event to send."""
    DROPPED = "dropped_events"
    """A source says that it left events out."""
    ENDED = "subscription_end"
    """A source ends a subscription."""
    UNSUBSCRIBE = "unsubscribe"
    RENEW = "renew"
    UNREAD = "unread"
    """A message to a path of event forwarding whose body could not be read."""


class Acknowledged(StrEnum):
    """What became of the acknowledgement that a delivery asks for."""

    YES = "yes"
    REFUSED = "refused"
    """Something else came back: a fault, or an HTTP status that is no success."""
    OTHER = "other"
    """An answer came, with a status of success, that is no acknowledgement."""
    NOT_SEEN = "not_seen"
    """No answer is in the capture."""
    UNREAD = "unread"
    """An answer came, with a status of success; its body could not be read."""
    NOT_ASKED = "not_asked"


class Bookmark(Struct, frozen=True, gc=False):
    """How far a log was read: events up to this record were sent. ``record`` is None where it is no number."""

    channel: str
    record: int | None


class Subscribed(Struct, frozen=True, gc=False):
    """A subscription as a Subscribe message says it. ``id``: the identifier that its deliveries carry, which changes when the subscription does.

    ``selects``: (log, XPath) that the query selects; ``suppresses`` the same of what it leaves out. ``mode``: Events, Push, PushWithAck or Pull.
    """

    id: str | None
    name: str | None
    mode: str | None
    selects: tuple[tuple[str, str], ...]
    suppresses: tuple[tuple[str, str], ...]
    query: str | None
    """Where the query is no list of queries: as it is written."""
    bookmarks: tuple[Bookmark, ...]
    heartbeat_s: float | None
    latency_s: float | None
    most_events: int | None
    content: str | None
    """ContentFormat: RenderedText or Raw."""
    compression: str | None
    existing: bool
    """ReadExistingEvents: also what was in the log before."""
    deliver_to: str | None
    cut: bool = False

    def whole_log(self, channel: str) -> bool:
        """The query selects every event of this log."""
        own = [xpath.strip() for log, xpath in self.selects if log.lower() == channel.lower()]
        return "*" in own and not any(log.lower() == channel.lower() for log, _ in self.suppresses)


class LoggedEvent(Struct, frozen=True, gc=False):
    """An event of Windows as XML (MS-EVEN6 2.2.18, the schema of events). ``time_ns``: TimeCreated, by the host's clock.

    ``data``: EventData or UserData as a JSON object of texts; what has no name is param1, param2 and so on. ``message`` and the words are RenderingInfo's,
    where the source rendered the event. ``whole`` is False where bytes are missing, or what was sent is no event in XML.
    Of an indication (an instance of a CIM class) ``provider`` is the class, and nothing but ``data`` is known besides.
    """

    computer: str | None = None
    channel: str | None = None
    event_id: int | None = None
    version: int | None = None
    level: int | None = None
    task: int | None = None
    opcode: int | None = None
    keywords: str | None = None
    provider: str | None = None
    provider_guid: str | None = None
    record: int | None = None
    time_ns: int | None = None
    user_sid: str | None = None
    process_id: int | None = None
    thread_id: int | None = None
    activity_id: str | None = None
    data: str = "{}"
    message: str | None = None
    level_word: str | None = None
    task_word: str | None = None
    culture: str | None = None
    whole: bool = True


class ForwardHalf(Struct, frozen=True, gc=False):
    """What one envelope says of event forwarding; ``kind`` is None in a response, which its request tells.

    ``subscription`` is the identifier that it carries, ``machine`` the source's own name (MachineID).
    """

    message: str
    exchange: str
    from_client: bool
    ts_ns: int
    packets: tuple[int, ...]
    kind: Kind | None
    subscription: str | None = None
    machine: str | None = None
    message_id: str | None = None
    bookmarks: tuple[Bookmark, ...] = ()
    asks: bool = False
    """It asks for an acknowledgement."""
    acknowledges: bool = False
    subscribed: tuple[Subscribed, ...] = ()
    events: tuple[LoggedEvent, ...] = ()
    context: str | None = None
    status: str | None = None
    """Of a SubscriptionEnd the reason; of DroppedEvents the number."""
    cut: bool = False
    limit: str | None = None


class Delivery(Struct, frozen=True, gc=False):
    """A request of event forwarding and what came back. ``id`` is its exchange's; ``source`` and ``collector`` are addresses.

    ``again``: the delivery whose events these are once more. ``path``: that of the request, which names the subscription where the body cannot be read.
    """

    id: str
    connection: str
    kind: Kind
    source: str
    collector: str
    machine: str | None
    subscription: str | None
    name: str | None
    path: str | None
    events: int
    bookmarks: tuple[Bookmark, ...]
    acknowledged: Acknowledged
    again: str | None
    reason: str | None
    compressed: bool
    protection: str | None
    status: int | None
    fault_code: str | None
    user: str | None
    first_ns: int
    last_ns: int
    capture: int
    packets: tuple[int, ...]
    answer_packets: tuple[int, ...] = ()
    cut: bool = False


class Subscription(Struct, frozen=True, gc=False):
    """A subscription as one source got it, with the exchanges in which it did. ``by_collector``: the collector subscribed at the source itself."""

    about: Subscribed
    source: str
    collector: str
    machine: str | None
    exchanges: tuple[str, ...]
    by_collector: bool
    first_ns: int
    capture: int
    packets: tuple[int, ...]


class ForwardedEvent(Struct, frozen=True, gc=False):
    """An event that was forwarded. ``id``: the delivery and which of its events, from 1.

    ``again``: the event that this one is once more (the same record in the same subscription). ``skipped``: how many record numbers lie between it and the
    nearest earlier record of that computer's log in that subscription that is in the captures; None for the first one.
    """

    id: str
    delivery: str
    event: LoggedEvent
    source: str
    collector: str
    subscription: str | None
    name: str | None
    sent_ns: int
    again: str | None
    skipped: int | None
    capture: int
    packets: tuple[int, ...]


class Forwarding(Struct, frozen=True, gc=False):
    """All of it, each in order of place."""

    deliveries: tuple[Delivery, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    events: tuple[ForwardedEvent, ...] = ()
