"""Requests without an answer: how far each one came, as packets tell it, and what ended the waiting."""

from enum import StrEnum

from msgspec import Struct

from analyzer.records.capture import IcmpError
from analyzer.records.transport import Closing, Unacked, ZeroWindow


class Stop(StrEnum):
    """What ended the waiting for an answer.

    reset, closed: a RST or FIN in the server's name. after_close: the request crossed the server's FIN, or was sent
    after it. dropped: it was repeated and never acknowledged. too_big: its large segments were not acknowledged while
    smaller ones were. window: the server closed its window. gave_up: the client's own FIN or RST. pending: nothing,
    until the capture ended.
    """

    RESET = "reset"
    CLOSED = "closed"
    AFTER_CLOSE = "after_close"
    DROPPED = "dropped"
    TOO_BIG = "too_big"
    WINDOW = "window"
    GAVE_UP = "gave_up"
    PENDING = "pending"


class Unanswered(Struct, frozen=True, gc=False):
    """A connection's request that got no answer, with nothing of the server missing in the capture. ``exchange`` is
    None for data inside TLS.

    ``asked_ns`` and ``sent_ns`` are when its first and its last byte were sent first, ``packet`` the key of its first
    packet. ``idle_ns`` is the time without any packet before it (0 for less than `Limits.pause_s`). ``waited_ns`` is
    from ``sent_ns`` to ``closing`` or to the end of the capture.
    """

    connection: str
    exchange: str | None
    stop: Stop
    asked_ns: int
    sent_ns: int
    packet: int
    size: int
    idle_ns: int
    waited_ns: int
    closing: Closing | None = None
    unacked: Unacked | None = None
    window: ZeroWindow | None = None
    icmp: IcmpError | None = None
    """An ICMP error about a segment of this direction, sent while it was waited for."""
    follows: str | None = None
    """The exchange on a proxy's other side, if what happened to it ended this one, or is told of it."""
