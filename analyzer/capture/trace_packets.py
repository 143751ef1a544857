"""Makes packets of the events of a trace: puts them in order of time, joins the parts of a frame, counts a packet once however many parts of the network stack
logged it, and notes which ones Windows dropped, where and why.

A packet that pktmon logged only when it was dropped is a packet like the others: it came to that place. Its number, as that of
all packets, counts each packet once, in order of the first sight of it.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.capture.drop_reasons import reason
from analyzer.capture.trace_events import NDIS, component, decrypted, is_fragment, piece, sent_size, sight
from analyzer.capture.window import Row, Walk
from analyzer.records.capture import Drop
from analyzer.settings import Limits

_OVERHEAD = 300
"""Bytes that a packet takes in memory besides its own."""
_MOST_PARTS = 4096
"""A frame is not joined of more events."""
_REMEMBERED = 1 << 18
"""Packets of pktmon that are known again: one passes the network stack in milliseconds."""
_KINDS_OF_DROPS = 256
_HEADERS_ONLY = (120, 130, 140, 150)

Key = tuple[int, int]
"""Group and number of a packet of pktmon."""


class Event(NamedTuple):
    """An event of a provider of packets; ``place`` is where its data lie in the file, None where they were compressed."""

    provider: bytes
    number: int
    keywords: int
    thread: int
    ticks: int
    data: bytes
    place: int | None


class _Held(NamedTuple):
    """A frame, or a part of one, that waits for its place in time. ``wire_size`` is None where the trace does not tell it."""

    ticks: int
    order: int
    frame: bytes
    link: int
    place: int
    wire_size: int | None
    start: bool = True
    end: bool = True
    owner: Key = (0, 0)
    """Who logs the parts of a frame: thread and interface."""
    key: Key | None = None
    drop: tuple[int, int, int, str] | None = None
    """Reason, location, component, direction."""


class Packets:
    """The packets of one trace, as its events come."""

    def __init__(self, limits: Limits, walk: Walk) -> None:
        self._limits = limits
        self._walk = walk
        self._held: list[_Held] = []
        self._order = 0
        self._first: OrderedDict[Key, int] = OrderedDict()
        self._numbers: OrderedDict[Key, int] = OrderedDict()
        self._parts: OrderedDict[Key, list[_Held]] = OrderedDict()
        self._drops: dict[tuple[int, int], list[int]] = {}
        self._counts: Counter[str] = Counter()
        self.size = 0
        """Bytes that wait."""
        self.any = False
        """True when there is a packet."""
        self.components: dict[int, str] = {}
        self.headers = 0
        """Events that tell addresses and ports of a packet, next to its frame or without it."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def first_ticks(self) -> int:
        """The earliest time of those that wait."""
        return min((held.ticks for held in self._held), default=0)

    def take(self, event: Event) -> None:
        """One event."""
        if event.provider == NDIS:
            self._ndis(event)
        else:
            self._pktmon(event)

    def _ndis(self, event: Event) -> None:
        if not is_fragment(event.number):
            return
        found = piece(event.number, event.keywords, event.data)
        if found is None:
            self._counts["unread"] += 1
            return
        frame = event.data[found.at : found.at + found.size]
        place = -1 if event.place is None else event.place + found.at
        owner = (event.thread, found.interface)
        self._hold(_Held(event.ticks, self._order, frame, found.link, place, None, found.start, found.end, owner))

    def _pktmon(self, event: Event) -> None:
        named = component(event.number, event.data)
        if named is not None:
            self.components[named[0]] = named[1]
            return
        found = sight(event.number, event.data)
        if found is None:
            self.headers += event.number in _HEADERS_ONLY
            return
        if found.link is None:
            self._counts["no frame"] += 1
            return
        key = (found.group, found.number)
        drop = None if found.reason is None else (found.reason, found.location, found.component, found.direction)
        first = self._first.get(key)
        if first is not None:
            self._counts["again"] += drop is None
            if drop is None and first <= event.ticks:
                return
        if first is None or event.ticks < first:
            self._first[key] = event.ticks
            if len(self._first) > _REMEMBERED:
                self._first.popitem(last=False)
        frame = event.data[found.at : found.at + found.size]
        place = -1 if event.place is None else event.place + found.at
        self._hold(_Held(event.ticks, self._order, frame, found.link, place, found.wire_size, key=key, drop=drop))

    def _hold(self, held: _Held) -> None:
        self._held.append(held)
        self._order += 1
        self.size += len(held.frame) + _OVERHEAD
        self.any = True

    def out(self, ns: Callable[[int], int], count: int) -> Iterator[Row]:
        """The ``count`` earliest, as packets; ``ns`` makes times of ticks."""
        self._held.sort()
        going, self._held = self._held[:count], self._held[count:]
        for held in going:
            self.size -= len(held.frame) + _OVERHEAD
            if held.key is not None:
                yield from self._seen(held, ns)
            elif held.start and held.end:
                yield self._row(held, held.frame, ns)
            else:
                yield from self._part(held, ns)

    def rest(self, ns: Callable[[int], int]) -> Iterator[Row]:
        """What is left at the end of the trace, frames without their end among it; then what was odd is told."""
        yield from self.out(ns, len(self._held))
        for parts in list(self._parts.values()):
            yield self._cut(parts, ns)
        self._parts.clear()
        drops = self._walk.drops  # a long trace may name its components after packets went out
        drops[:] = [drop if drop.name else replace(drop, name=self._name(drop.component)) for drop in drops]
        self._tell()

    def _row(self, held: _Held, frame: bytes, ns: Callable[[int], int]) -> Row:
        walk = self._walk
        walk.packets += 1
        walk.links.add(held.link)
        frame = decrypted(held.link, frame)
        sent = sent_size(held.link, frame) if held.wire_size is None else held.wire_size
        return Row(walk.packets, ns(held.ticks), held.link, bytearray(frame), 0, len(frame), max(sent, len(frame)), held.place)

    def _seen(self, held: _Held, ns: Callable[[int], int]) -> Iterator[Row]:
        """A packet of pktmon: the first sight of it is the packet."""
        key = held.key or (0, 0)
        number = self._numbers.get(key)
        if number is None:
            row = self._row(held, held.frame, ns)
            number = self._numbers[key] = row.number
            if len(self._numbers) > _REMEMBERED:
                self._numbers.popitem(last=False)
            yield row
        if held.drop is not None:
            self._dropped(number, ns(held.ticks), *held.drop)

    def _dropped(self, number: int, ts_ns: int, code: int, location: int, part: int, direction: str) -> None:
        kind = (code, part) if len(self._drops) < _KINDS_OF_DROPS or (code, part) in self._drops else (-1, -1)
        known = self._drops.setdefault(kind, [0, number])
        known[0] += 1
        if len(self._walk.drops) < self._limits.dropped_packets:
            self._walk.drops.append(Drop(number, ts_ns, code, reason(code), location, part, self._name(part), direction))
        else:
            self._counts["drops over"] += 1

    def _name(self, part: int) -> str:
        return self.components.get(part, "")

    def _part(self, held: _Held, ns: Callable[[int], int]) -> Iterator[Row]:
        """A part of a frame: parts come one after the other from one thread, the first and the last one say that they are."""
        parts = self._parts.get(held.owner)
        if held.start:
            if parts:
                yield self._cut(parts, ns)
            if len(self._parts) >= self._limits.fragment_packets and held.owner not in self._parts:
                yield self._cut(self._parts.popitem(last=False)[1], ns)
            self._parts[held.owner] = [held]
            return
        if parts is None:
            self._counts["without start"] += held.end
            return
        parts.append(held)
        if held.end:
            del self._parts[held.owner]
            joined = b"".join(one.frame for one in parts)
            yield self._row(held._replace(link=parts[0].link, place=-1), joined, ns)
        elif len(parts) == _MOST_PARTS:
            del self._parts[held.owner]
            yield self._cut(parts, ns)

    def _cut(self, parts: list[_Held], ns: Callable[[int], int]) -> Row:
        """A frame whose last part is missing: what is there."""
        row = self._row(parts[-1]._replace(link=parts[0].link, place=-1), b"".join(one.frame for one in parts), ns)
        self._walk.problems.append(("capture.damaged-record", "the end of a frame that lies in several events is not in the trace", row.number))
        return row

    def _tell(self) -> None:
        counts, problems = self._counts, self._walk.problems
        for (code, part), (count, number) in self._drops.items():
            where = f" at {self._name(part) or 'component'} ({part})" if part >= 0 else ""
            what = f"{reason(code)} ({code})" if code >= 0 else "for further reasons"
            problems.append(("capture.dropped", f"{count} {'packet' if count == 1 else 'packets'}: {what}{where}", number))
        if counts["drops over"]:
            detail = f"dropped_packets={self._limits.dropped_packets}: {counts['drops over']} later drops are counted only"
            problems.append(("capture.limit", detail, None))
        if counts["again"]:
            problems.append(("capture.duplicate-packets", f"{counts['again']} sights of packets at further parts of the network stack", None))
        if counts["without start"]:
            detail = f"{counts['without start']} frames lie in several events, and their beginning is not in the trace"
            problems.append(("capture.damaged-record", detail, None))
        if counts["unread"]:
            problems.append(("capture.damaged-record", f"{counts['unread']} events of the virtual switch could not be read", None))
        if counts["no frame"]:
            problems.append(("capture.unknown-link", f"{counts['no frame']} packets of pktmon are not of Ethernet, Wi-Fi or IP", None))
