"""A large capture scanned by two threads, each one half of it; the result is that of one thread, or it is given up and one thread does the work.

The second half begins where a chain of plausible records begins. That this is a record's beginning is proved afterwards: the walk over the first half must end
there exactly. Flows do not depend on each other, so only 4-tuples that both halves met need care: a flow's verdict falls by its first payloads, which may lie
in the first half. Where the first half left it open, or kept what the second half rejected, the first half's kernel goes on into the second half, for these
flows only, until each has its verdict. Anything rarer (forgotten flows, tunnels, 4-tuples used again across the middle) is not worth a proof: `None`.
"""

import os
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from msgspec import Struct

from analyzer.capture.bits import BEGUN, GUESSED, HIGHER, HTTP, KDC, KNOWN, KNOWN_OTHER, LATE, REJECTED, REUSED, TLS, UNDECIDED, VERDICTS
from analyzer.capture.containers import rows
from analyzer.capture.kernel import Kernel
from analyzer.capture.pcap import HEADER_SIZE, PcapHead, pcap_head
from analyzer.capture.pcapng import PCAPNG_MAGIC, PcapngHead
from analyzer.capture.window import Row, Walk
from analyzer.records.capture import Flow, Segments
from analyzer.records.ids import packet_key
from analyzer.settings import Limits

Host = Callable[[bytes], str]
_CHAIN = 64
_CHAIN_AT_END = 8
_TAIL = 1 << 20
_SEARCHED = 8 << 20
_PATIENCE = 1 << 16
"""Payloads, of all connections, that the second half keeps of what it would have rejected: most bodies that lie across the middle end before."""
_KEPT = (HTTP, TLS, KDC)


class Halves(Struct, frozen=True, gc=False):
    """What both halves gave together: the kernel that has the counts, the walk, the flows, and the flows that showed WinRM late."""

    kernel: Kernel
    walk: Walk
    flows: tuple[Flow, ...]
    late: frozenset[int]
    later: tuple[Kernel, int]
    """The second half's kernel, and how many packets came before it."""


class _Meeting(Struct, frozen=True, gc=False):
    """A flow of the first half that goes on in the second: its slot and flow here, its flow there, and whether the ends are named the other way round."""

    at: int
    flow: int
    later: int
    later_state: int
    flipped: bool


class _Joined(Struct, frozen=True, gc=False):
    """Flow to flow that goes on; flows of either half that the other's verdict drops; flows that need a second look; what is late, by first packet."""

    on: dict[int, _Meeting]
    dropped: set[int]
    dropped_later: set[int]
    open: list[_Meeting]
    late: set[int]


class _DoubtError(Exception):
    """The halves cannot be put together with certainty."""


class _Later(threading.Thread):
    """The scan of the second half. ``failed`` is why it was not finished, and None when it was; ``wanted`` is no longer true when the first half failed."""

    def __init__(self, file: "_File", limits: Limits, walk: Walk, kernel: Kernel) -> None:
        super().__init__(daemon=True)
        self.file = file
        self.found = file.head.rows(self._fill, limits, walk, file.middle, kernel)
        self.kernel = kernel
        self.wanted = True
        self.failed: OSError | _DoubtError | None = None

    def _fill(self, buffer: memoryview) -> int:
        return (self.file.second.readinto(buffer) or 0) if self.wanted else 0

    def run(self) -> None:
        """Takes every packet."""
        self.failed = _DoubtError("not finished")  # stays when anything unforeseen ends the thread
        try:
            _feed(self.found, self.kernel)
            self.failed = None
        except (OSError, _DoubtError) as error:
            self.failed = error


def scanned(path: str, limits: Limits, kernel: Callable[[], Kernel], host: Host, seen: Callable[[int], None]) -> Halves | None:
    """The scan of a plain file in two halves. ``kernel`` makes kernels, ``seen`` is told how many bytes were read. None: let one thread do it."""
    with Path(path).open("rb", buffering=0) as first, Path(path).open("rb", buffering=0) as second:
        head = _head(first, limits)
        middle = first.seek(0, os.SEEK_END) // 8 * 4
        first.seek(0)
        second.seek(middle)
        begin = None if head is None else head.begins(second.read(_SEARCHED), _CHAIN)
        if head is None or begin is None:
            return None
        middle += begin
        second.seek(middle)
        try:
            return _both(_File(first, second, middle, head), limits, (kernel(), kernel()), host, seen)
        except _DoubtError:
            return None


def _head(file: FileIO, limits: Limits) -> PcapHead | PcapngHead | None:
    """What the beginning of the file says of its packets; None when it is too strange for two."""
    first = file.read(HEADER_SIZE)
    head = pcap_head(first)
    if head is not None or not first.startswith(PCAPNG_MAGIC):  # other formats would be read to their end to give one packet
        return head
    file.seek(0)
    walk = Walk()
    next(rows(lambda buffer: file.readinto(buffer) or 0, limits, walk), None)
    return PcapngHead(walk.order, tuple(walk.interfaces), walk.snaplen) if walk.interfaces and not walk.problems else None


def ends_about(path: str, limits: Limits) -> int | None:
    """The latest time in the last bytes of a plain file, None when they tell none."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            head = _head(file, limits)
            place = max(file.seek(0, os.SEEK_END) - _TAIL, HEADER_SIZE)
            file.seek(place)
            tail = file.read(_TAIL)
            begin = None if head is None else head.begins(tail, _CHAIN_AT_END)
            if head is None or begin is None:
                return None
            file.seek(place + begin)
            found = head.rows(lambda buffer: file.readinto(buffer) or 0, limits, head.walk(), place + begin)
            return max((row.ts_ns for row in found), default=None)
    except OSError:
        return None


class _File(Struct, frozen=True, gc=False):
    """The capture, opened twice, and where its second half begins."""

    first: FileIO
    second: FileIO
    middle: int
    head: PcapHead | PcapngHead


def _both(file: _File, limits: Limits, kernels: tuple[Kernel, Kernel], host: Host, seen: Callable[[int], None]) -> Halves:
    one, two = kernels
    walks = (Walk(), file.head.walk())
    two.is_patient(_PATIENCE)

    def fill(buffer: memoryview) -> int:
        place = file.first.tell()
        seen(2 * place)
        return file.first.readinto(buffer[: file.middle - place]) or 0 if place < file.middle else 0

    later = _Later(file, limits, walks[1], two)
    later.start()
    done = False
    try:
        _feed(rows(fill, limits, walks[0], one), one)
        done = True
    finally:
        later.wanted = done  # an interrupted first half does not wait for the second
        later.join()
    if later.failed is not None:
        raise later.failed
    damaged = bool(walks[0].problems) or any(code != "capture.cut" for code, _, _ in walks[1].problems)
    if damaged or walks[1].borrowed or not file.head.holds(walks[0]) or one.first_ns is None or two.first_ns is None:
        raise _DoubtError
    return _together(one, two, walks, host, limits.undecided_payload_packets, lambda: _go_on(file, limits, one, walks[0].packets))


def _feed(found: Iterator[Row], kernel: Kernel) -> None:
    for row in found:
        kernel.packet(*row)
        if not kernel.is_plain():
            raise _DoubtError
    if not kernel.is_plain():
        raise _DoubtError


def _go_on(file: _File, limits: Limits, kernel: Kernel, packets: int) -> None:
    """The first half's kernel looks into the second half."""
    last_ns = kernel.last_ns or 0
    file.first.seek(file.middle)
    kernel.goes_on()

    def fill(buffer: memoryview) -> int:
        return (file.first.readinto(buffer) or 0) if kernel.is_wanting(last_ns) else 0

    _feed(file.head.rows(fill, limits, file.head.walk(packets), file.middle, kernel), kernel)


def _together(one: Kernel, two: Kernel, walks: tuple[Walk, Walk], host: Host, limit: int, go_on: Callable[[], None]) -> Halves:
    packets = walks[0].packets
    joined = _joined(one, two, packets, limit)
    for meeting in joined.open:
        one.want(meeting.at, 1 if meeting.later_state in (REJECTED, LATE) else 0)
    last_ns, first_ns = one.last_ns, two.first_ns
    if joined.open or (last_ns is not None and first_ns is not None and first_ns < last_ns):
        go_on()
        _settle(one, joined)
    flows = _flows(one, two, joined, packets, host, limit)
    one.absorb(two, packets)
    walk = walks[0]
    walk.comments += [(number + walk.packets, text) for number, text in walks[1].comments]
    walk.secrets += walks[1].secrets
    walk.packets += walks[1].packets
    walk.links |= walks[1].links
    walk.problems += walks[1].problems
    walk.snaplen = walks[1].snaplen
    return Halves(one, walk, flows, frozenset(joined.late), (two, packets))


def _joined(one: Kernel, two: Kernel, packets: int, limit: int) -> _Joined:
    """Which flows go on, by the verdicts of both halves; ``limit`` is the number of payloads after which one kernel would have rejected."""
    found = _Joined({}, set(), set(), [], {*one.late, *(number + packets for number in two.late)})
    for at, there in one.meeting(two):
        state, info, own, other, first, flow = one.slot(at)
        later_state, later_info, later_isn, _, later_first, later_flow = two.slot(there)
        if later_info & (REUSED | GUESSED):
            raise _DoubtError
        flipped = (info ^ later_info) & HIGHER != 0
        if later_info & BEGUN:
            if not info & (KNOWN_OTHER if flipped else KNOWN):
                raise _DoubtError
            if (other if flipped else own) != later_isn:
                continue  # a new flow
        meeting = _Meeting(at, flow, later_flow, later_state, flipped)
        _decide(one, two, meeting, state, found, limit)
        if later_state == LATE:
            found.late.discard(later_first + packets)
            if state in (REJECTED, UNDECIDED) and meeting not in found.open:
                found.late.add(first)
    return found


def _decide(one: Kernel, two: Kernel, meeting: _Meeting, state: int, found: _Joined, limit: int) -> None:
    rejected_later = meeting.later_state in (REJECTED, LATE)
    if state in (REJECTED, LATE):
        if state == REJECTED and meeting.later_state in _KEPT:
            raise _DoubtError
        if not rejected_later:
            found.dropped_later.add(meeting.later)
    elif state == UNDECIDED and not one.payloads(meeting.flow):
        if rejected_later:
            found.dropped.add(meeting.flow)
        elif two.payloads(meeting.later) >= limit:
            found.open.append(meeting)
        else:
            found.on[meeting.flow] = meeting
    elif not rejected_later and (state != UNDECIDED or (meeting.later_state == UNDECIDED and not two.payloads(meeting.later))):
        found.on[meeting.flow] = meeting
    else:
        found.open.append(meeting)


def _settle(one: Kernel, joined: _Joined) -> None:
    """What the second look told of the flows that were open."""
    for meeting in joined.open:
        state, _, _, _, first, _ = one.slot(meeting.at)
        rejected_later = meeting.later_state in (REJECTED, LATE)
        if state == REJECTED:
            if meeting.later_state in _KEPT:
                raise _DoubtError
            if meeting.later_state == LATE:
                joined.late.add(first)
            joined.dropped.add(meeting.flow)
        elif not rejected_later:
            joined.on[meeting.flow] = meeting
        if not rejected_later and meeting.flow not in joined.on:
            joined.dropped_later.add(meeting.later)


def _flows(one: Kernel, two: Kernel, joined: _Joined, packets: int, host: Host, limit: int) -> tuple[Flow, ...]:
    """The flows of both halves in order of their first packet."""
    later = {flow: (state, payloads) for _, flow, state, payloads in two.open_flows()}
    found: list[tuple[int, int, Flow]] = []
    for first, flow, state, payloads in one.open_flows():
        if flow in joined.dropped:
            continue
        meeting = joined.on.get(flow)
        if meeting is None:
            if one.is_kept(flow, state, payloads):
                found.append((first, flow, one.flow(flow, host)))
            continue
        later_state, later_payloads = later[meeting.later]
        verdict = state if state != UNDECIDED else later_state
        if one.is_kept(flow, verdict, payloads + later_payloads):
            begun = one.flow(flow, host)
            rest = two.flow(meeting.later, host, packets).segments
            segments = _added(begun.segments, rest, packet_key(begun.capture, packets), flipped=meeting.flipped)
            found.append((first, flow, Flow(begun.capture, begun.hosts, begun.ports, VERDICTS[verdict], segments)))
    gone = joined.dropped_later | {meeting.later for meeting in joined.on.values()}
    for first, flow, state, payloads in two.open_flows():
        if flow not in gone and two.is_kept(flow, state, payloads):
            if payloads > limit:
                raise _DoubtError
            found.append((first + packets, flow, two.flow(flow, host, packets)))
    return tuple(flow for _, _, flow in sorted(found, key=lambda item: item[:2]))


def _added(segments: Segments, more: Segments, last: int, *, flipped: bool) -> Segments:
    """The rows of the first half, up to the packet ``last``, and those of the second with the directions of the first."""
    kept = bisect_right(segments.key, last)
    columns = {name: getattr(segments, name)[:kept] + getattr(more, name) for name in Segments.__struct_fields__}
    if flipped:
        columns["direction"][kept:] = array("q", [1 - way for way in more.direction])
    return Segments(**columns)
