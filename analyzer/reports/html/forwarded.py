"""In the section *Transcript*: event forwarding, each delivery with the first events that it brought."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.reports.facts import counted
from analyzer.reports.html.source import Room, Row, Source, text

_EVENTS, _PIECE = 10, 1000
"""Events of one delivery that are shown, and characters of one."""
_WORDS = {
    "subscriptions": "asks for its subscriptions",
    "subscribe": "the collector subscribes",
    "pull": "the collector fetches events",
    "dropped_events": "events were left out",
    "subscription_end": "ends the subscription",
    "unread": "a message that could not be read",
}
_ANSWERS = {"yes": "acknowledged", "refused": "not acknowledged", "other": "the answer has no acknowledgement", "not_seen": "no answer in the capture"}


class Forwarded(NamedTuple):
    """The deliveries that are shown, each with its pieces (label, class, text), and how many there are."""

    rows: tuple[tuple[Row, tuple[tuple[str, str, str], ...]], ...]
    total: int


def forwarded(source: Source, room: Room) -> Forwarded:
    """Deliveries in order of time, subscriptions before them."""
    events: dict[str, list[Row]] = {}
    for row in source.rows("events"):
        events.setdefault(text(row, "delivery_id"), []).append(row)
    offered: dict[str, list[Row]] = {}
    for row in source.rows("subscriptions"):
        offered.setdefault(text(row, "exchanges").partition(",")[0], []).append(row)
    rows = source.rows("deliveries")
    made = ((row, tuple(_pieces(row, offered.get(text(row, "delivery_id"), []), events.get(text(row, "delivery_id"), [])))) for row in rows[: room.findings])
    return Forwarded(tuple(made), len(rows))


def _pieces(row: Row, offered: list[Row], events: list[Row]) -> Iterator[tuple[str, str, str]]:
    kind, name = text(row, "kind"), text(row, "subscription")
    what = counted(int(row["events"] or 0), "event") if kind in ("events", "pull") else _WORDS.get(kind, kind)
    about = f" of {name}" if name and kind != "subscriptions" else ""
    again = f"; the same as in {row['again']}" if row["again"] else ""
    answer = _ANSWERS.get(text(row, "acknowledged"), "")
    yield "EVENTS" if kind in ("events", "pull") else "TELL", "run", f"{what}{about}{again}{f'; {answer}' if answer else ''}"
    for one in offered:
        yield (
            "SUBS",
            "other",
            f"subscription {text(one, 'subscription') or text(one, 'subscription_id')}, mode {text(one, 'delivery_mode')}: {text(one, 'query')}",
        )
    for one in events[:_EVENTS] if not row["again"] else []:
        record = f" record {one['record']}" if one["record"] is not None else ""
        words = f"{text(one, 'channel')} {one['event_id']}{record} on {text(one, 'computer')}: {text(one, 'data')}"
        yield "", "out", words if len(words) <= _PIECE else f"{words[:_PIECE]} … ({len(words) - _PIECE:,} more characters)"
    if len(events) > _EVENTS and not row["again"]:
        yield "", "out", f"and {counted(len(events) - _EVENTS, 'more event')}; the table events has all"
