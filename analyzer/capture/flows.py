"""Flows and their rows: how rows are added, what is dropped when arrays are full, and the records of what was kept. The packet
kernel's third unit (`analyzer.capture.kernel`).
"""

from array import array
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from analyzer.capture.bits import (
    ACK,
    EARLIEST_NS,
    FLOW,
    FREE,
    HIGHER_AT,
    INFO,
    LATEST_NS,
    LOW,
    MASK,
    NUMBER,
    REEL,
    REJECTED,
    ROW,
    SPOOLED,
    STATE,
    UNDECIDED,
    VERDICTS,
    Bytes,
)
from analyzer.capture.slow import SlowPath
from analyzer.capture.table import longer, zeros
from analyzer.capture.verdicts import Verdicts
from analyzer.records.capture import Flow, Segments, paged
from analyzer.records.ids import packet_key
from analyzer.settings import Limits, Scope

if TYPE_CHECKING:
    from analyzer.system.pages import Pages

_PAGED, _OFTEN, _ZERO = 1 << 16, (1 << 10) - 1, array("q", (0,))
"""Rows by which a file grows; after so many rows what was touched of it is left; one number of a column."""
RISES = 1 << 16
"""Times that are kept of a file's beginning."""


def net_words(net: str) -> tuple[int, int, int, int, int]:
    """A network as packets are compared with it: 1 for IPv4, its address and its mask as the table has addresses."""
    from ipaddress import ip_network

    known = ip_network(net)
    address, mask = int(known.network_address), int(known.netmask)
    if known.version == 4:
        return 1, address, 0, mask, 0
    return 0, address >> 64, address & MASK, mask >> 64, mask & MASK


class Flows(Verdicts):
    """Keeps rows. ``spool`` takes bytes that must be kept outside of the capture's file; ``in_place`` says that payload can be read from the file again."""

    def __init__(
        self,
        capture: int,
        limits: Limits,
        slow: SlowPath,
        spool: Callable[[bytes], object],
        in_place: bool,  # noqa: FBT001
        all_http: bool,  # noqa: FBT001
        force: frozenset[int],
    ) -> None:
        super().__init__(limits, force, all_http)
        self.capture = capture
        self.slow = slow
        self.spool = spool
        self.in_place = 1 if in_place else 0
        self.tcp_packets = 0
        self.snapped = 0
        self.undecodable = 0
        self.given_up = 0
        self.backwards = 0
        self.unknown_links: dict[int, int] = {}
        self.datagrams: list[tuple[int, int, bytes]] = []
        """Kerberos messages over UDP: (packet number, time, IP packet)."""
        self.datagrams_over = 0
        self.naming: list[tuple[int, int, bytes]] = []
        """Messages over UDP that give addresses names, the same way."""
        self.naming_over = 0
        self.icmp: list[tuple[int, int, bytes]] = []
        """ICMP errors about TCP segments: (packet number, time, IP packet)."""
        self.icmp_over = 0
        self._base = 0
        self._timed = 0
        self._first_ns = 0
        self._last_ns = 0
        self._file_timed = 0
        self._file_first_ns = 0
        self._file_last_ns = 0
        self._view: Bytes = b""
        self._spooled = 0
        self._spool_limit = limits.spool_bytes
        self._spool_full = 0
        self._late_room = 1 << 6
        self._late_count = 0
        self._lates = zeros(self._late_room)
        self._out_room = 1 << 16
        self._out_count = 0
        self._out = bytearray(self._out_room)
        self._only = 0
        self.outside = 0
        """Packets before or after the scope's times."""
        self.elsewhere = 0
        """TCP packets of other hosts and ports than the scope's."""
        self._spanned = 0
        self._since = 0
        self._until = 0
        self._narrowed = 0
        self._nets = zeros(0)
        self._ports = zeros(0)
        self._alone_ns = 0
        self._alone_backwards = 0
        self._before = (0, 0, 0, 0)
        self.idle = 0
        """1 after a packet that changed nothing but counts."""
        self.noted = 0
        """After a packet that is reeled: the first packet of its rejected flow, whose later packets are left out; else 0."""
        self._reeling = 0
        self._reel_room = 0
        self._reel_count = 0
        self._reel = zeros(0)
        self._rise_room = 0
        self._rise_count = 0
        self._rises = zeros(0)
        self._paging: Callable[[], Pages] | None = None
        self._pages: Pages | None = None
        self._touched = 0

    # The scope

    def narrow(self, scope: Scope) -> None:
        """From here on only packets of the scope are looked at; those that are left out are numbered like the others."""
        self._spanned = 0 if scope.since_ns is None and scope.until_ns is None else 1
        self._since = EARLIEST_NS if scope.since_ns is None else scope.since_ns
        self._until = LATEST_NS if scope.until_ns is None else scope.until_ns
        self._narrowed = 1 if scope.nets or scope.ports else 0
        self._nets = array("Q", (word for net in scope.nets for word in net_words(net)))
        self._ports = array("Q", scope.ports)

    def _is_outside(self, ts_ns: int) -> int:
        """1, counted, for a time that the scope leaves out."""
        if self._since <= ts_ns <= self._until:
            return 0
        if not self._only:
            self.outside += 1
        return 1

    def _is_within(self, four: int, s0: int, s1: int, d0: int, d1: int, near: int, far: int) -> int:
        """1 for a packet from or to a host and a port of the scope."""
        found = 1
        if len(self._ports):
            found = 0
            for port in self._ports:
                if port == near or port == far:
                    found = 1
        if not found or not len(self._nets):
            return found
        nets = self._nets
        for net in range(len(nets) // 5):
            at = 5 * net
            if nets[at] != four:
                continue
            if s0 & nets[at + 3] == nets[at + 1] and s1 & nets[at + 4] == nets[at + 2]:
                return 1
            if d0 & nets[at + 3] == nets[at + 1] and d1 & nets[at + 4] == nets[at + 2]:
                return 1
        return 0

    def _is_ours(self, near: int, far: int) -> int:
        """1 for a port on which TLS is taken for WinRM's, or a port of WinRM."""
        for port in self._tls_ports:
            if port == near or port == far:
                return 1
        return 0

    # Headers that are rare

    def _is_error(self, protocol: int, t: int, end: int) -> int:
        """1 for an ICMP error that quotes TCP: unreachable or time exceeded (RFC 792), and those of ICMPv6 with packet too big (RFC 4443)."""
        if protocol == 1 and t + 28 <= end:
            return 1 if (self._view[t] == 3 or self._view[t] == 11) and self._view[t + 17] == 6 else 0
        if protocol == 58 and t + 48 <= end:
            return 1 if 1 <= self._view[t] <= 3 and self._view[t + 14] == 6 else 0
        return 0

    def _is_naming(self, near: int, far: int, t: int, end: int) -> int:
        """1 for what may give an address a name, told by its ports: answers of DNS, mDNS, LLMNR and NBNS, registrations of NBNS, and DHCP."""
        if near == 53 or near == 5353 or near == 5355:
            return (
                1 if t + 20 <= end and self._view[t + 10] & 0x80 and (self._view[t + 14] or self._view[t + 15]) else 0
            )  # QR, ANCOUNT (RFC 1035 section 4.1.1)
        if near == 137 or far == 137:  # RFC 1002 section 4.2.1: an answer, or the operation of a registration or a refresh
            return 1 if t + 20 <= end and (self._view[t + 10] & 0x80 or self._view[t + 10] & 0x78 >= 0x28) else 0
        return 1 if (near == 67 or near == 68) and (far == 67 or far == 68) and t + 248 <= end else 0

    def _scale(self, at: int, end: int) -> int:
        """1 more than the shift of a SYN's window scale option (RFC 7323 section 2.2), 0 without one."""
        while at + 2 < end:
            kind = self._view[at]
            if kind == 0:
                return 0
            size = 1 if kind == 1 else self._view[at + 1]
            if size == 0 or (kind != 1 and size < 2):
                return 0
            if kind == 3 and size == 3:
                return 1 + (self._view[at + 2] if self._view[at + 2] < 14 else 14)
            at += size
        return 0

    # Rows

    def _add(self, number: int, ts_ns: int, numbers: int, about: int, ident: int, at: int, size: int, wire_size: int, to_file: int) -> int:
        """One more row: ``number``, ``numbers``, ``about`` and ``ident`` are its words as `analyzer.capture.bits` tells them. The payload lies at ``at``;
        ``to_file`` added to that gives its place in the file, -1 says that it is not there as it is."""
        file_at = at + to_file
        if size and (to_file < 0 or self.in_place != 1):
            full = self._spooled + size > self._spool_limit
            if full and to_file >= 0 and self.in_place:
                pass
            elif full:  # the bytes are a hole
                about |= SPOOLED
                self._spool_full = 1
                size = file_at = 0
            else:
                about |= SPOOLED
                self._copy(at, size)
                file_at = self._spooled
                self._spooled += size
        base = self._row_count * ROW
        flow = (about >> 32) * FLOW
        self._rows[base] = number
        self._rows[base + 1] = ts_ns
        self._rows[base + 2] = numbers
        self._rows[base + 3] = about
        self._rows[base + 4] = size << 32 | wire_size
        self._rows[base + 5] = file_at
        self._rows[base + 6] = self._flows[flow + 6] << 32 | ident
        self._row_count += 1
        self._flows[flow + 6] = self._row_count
        self._flows[flow + 7] += 1
        return 0

    def room(self, size: int) -> None:
        """Makes room for one packet of ``size`` bytes: drops what is rejected, then lets arrays grow."""
        if self._row_count >= self._row_room:
            if self._dead_rows * 4 >= self._row_count:
                self._compact()
            if self._paging is not None:
                self._more_pages()
            elif self._row_count * 4 >= self._row_room * 3:
                self._row_room *= 2
                self._rows = longer(self._rows, self._row_room * ROW)
        if self._flow_count >= self._flow_room and not self._flow_free:
            self._more_flows()
        if not self._prefix_free:
            self._more_prefixes()
        if self._late_count >= self._late_room:
            self._late_room *= 2
            self._lates = longer(self._lates, self._late_room)
        if self._used * 8 >= self._slots * 5:
            self._more_slots()
        if self._reeling and self._reel_count >= self._reel_room:
            self._reel_room = max(2 * self._reel_room, 1 << 10)
            self._reel = longer(self._reel, self._reel_room * REEL)
        if self._out_count + size > self._out_room:
            self._flush()
            if size > self._out_room:
                self._out_room = size
                self._out = bytearray(size)

    def _more_pages(self) -> None:
        pages = self._pages
        if pages is None:
            pages = self._pages = self._paging()  # type: ignore[misc]  # who calls this has asked
            memoryview(pages.longer(self._row_room * ROW))[:] = memoryview(self._rows)
        self._row_room = max(self._row_room, self._row_count + _PAGED)
        self._rows = pages.longer(self._row_room * ROW)
        pages.leave()

    def _flush(self) -> None:
        if self._out_count:
            if self.spool(bytes(self._out[: self._out_count])) is False and self.in_place:
                self._spool_limit = 0  # what comes now stays where it is
            self._out_count = 0

    def _copy(self, at: int, size: int) -> None:
        """Takes payload to be spooled."""
        begin = self._out_count
        self._out[begin : begin + size] = self._view[at : at + size]
        self._out_count = begin + size

    def reels(self) -> None:
        """From here on it is noted which packets matter to flows (`reeled`), and the first times that were not earlier than one before (`risen`)."""
        self._reeling = 1
        self._rise_room = RISES
        self._rises = zeros(RISES)

    def risen(self) -> "array[int]":
        """Times in order, `RISES` of them at most."""
        return array("Q", self._rises[: self._rise_count])

    def reeled(self) -> "array[int]":
        """What was noted since the last time, six words each: number, time, place in the buffer, size, size when sent, and `noted`."""
        found = array("Q", self._reel[: self._reel_count * REEL])
        self._reel_count = 0
        return found

    def _note(self, number: int, ts_ns: int, at: int, size: int, wire_size: int) -> int:
        base = self._reel_count * REEL
        self._reel[base] = number
        self._reel[base + 1] = ts_ns
        self._reel[base + 2] = at
        self._reel[base + 3] = size
        self._reel[base + 4] = wire_size
        self._reel[base + 5] = self.noted
        self._reel_count += 1
        return 0

    def _more_flows(self) -> None:
        if self._flow_dead * 4 < self._flow_room and self._flow_room >= self.limits.undecided_flows:
            self._give_up()
        if self._flow_dead * 4 >= self._flow_room:
            self._compact()
            return
        self._flow_room *= 2
        self._flows = longer(self._flows, self._flow_room * FLOW)
        self._free_flows = longer(self._free_flows, self._flow_room)

    def _give_up(self) -> None:
        """Rejects the older half of the undecided flows; those on WinRM's ports only when there are no others."""
        flows = self._flows
        waiting = [flow for flow in range(self._flow_count) if flows[flow * FLOW + 5] & STATE == UNDECIDED]
        other = [flow for flow in waiting if not self._on_winrm_port(flow)]
        if len(other) * 4 >= self._flow_room:
            waiting = other
        waiting = [flow for _, flow in sorted([(self._first_packet(flow), flow) for flow in waiting])]
        for flow in waiting[: (len(waiting) + 1) // 2]:
            self._settle(flow, REJECTED)
            base = flow * FLOW
            at = self._find(flows[base], flows[base + 1], flows[base + 2], flows[base + 3], flows[base + 4])
            if self._table[at + 4] and self._table[at + 5] >> INFO == flow:
                self._table[at + 5] = (self._table[at + 5] & ~STATE) | REJECTED
            self.given_up += 1

    def _compact(self) -> None:
        """Drops the rows of rejected flows, and takes their places for new flows."""
        flows = self._flows
        rows = self._rows
        for flow in range(self._flow_count):
            flows[flow * FLOW + 6] = 0
        to = 0
        for row in range(self._row_count):
            if row & _OFTEN == 0 and self._pages is not None:
                self._pages.leave()
            base = row * ROW
            flow = rows[base + 3] >> 32
            if flows[flow * FLOW + 5] & STATE == REJECTED:
                continue
            into = to * ROW
            for word in range(6):
                rows[into + word] = rows[base + word]
            rows[into + 6] = (rows[base + 6] & LOW) | flows[flow * FLOW + 6] << 32
            to += 1
            flows[flow * FLOW + 6] = to
        self._row_count = to
        self._dead_rows = 0
        for flow in range(self._flow_count):
            if flows[flow * FLOW + 5] & STATE == REJECTED:
                flows[flow * FLOW + 5] = FREE
                self._free_flows[self._flow_free] = flow
                self._flow_free += 1
        self._flow_dead = 0

    def flows(self, host: Callable[[bytes], str]) -> tuple[Flow, ...]:
        """The kept flows in order of their first packet. ``host`` makes text of an address. Silent flows to a WinRM port are kept: nobody answered them."""
        self._flush()
        return tuple([self.flow(flow, host) for _, flow, state, payloads in self.open_flows() if self.is_kept(flow, state, payloads)])

    def open_flows(self) -> list[tuple[int, int, int, int]]:
        """(number of the first packet, flow, state, payloads that came before the verdict) of every flow that has rows, in order of their first packet."""
        words = self._flows
        found = []
        for flow in range(self._flow_count):
            about = words[flow * FLOW + 5]
            if about & STATE != REJECTED and about & STATE != FREE:
                found.append((words[flow * FLOW + 8], flow, about & STATE, about >> 8))
        found.sort()
        return found

    def is_kept(self, flow: int, state: int, payloads: int) -> bool:
        """True for flows with a verdict, and for those to a WinRM port that nobody answered."""
        return state != UNDECIDED or (payloads == 0 and self._on_winrm_port(flow) == 1)

    def flow(self, flow: int, host: Callable[[bytes], str], before: int = 0) -> Flow:
        """The record of a flow; ``before`` packets came before those that this kernel saw."""
        words = self._flows
        base = flow * FLOW
        one, other, two, other2, ports, info = words[base], words[base + 1], words[base + 2], words[base + 3], words[base + 4], words[base + 5]
        if ports >> 32 & 1:
            hosts = [host(one.to_bytes(4, "big")), host(two.to_bytes(4, "big"))]
        else:
            hosts = [host(one.to_bytes(8, "big") + other.to_bytes(8, "big")), host(two.to_bytes(8, "big") + other2.to_bytes(8, "big"))]
        numbers = [ports >> 16 & 0xFFFF, ports & 0xFFFF]
        if info >> HIGHER_AT & 1:
            hosts.reverse()
            numbers.reverse()
        ends = (hosts[0], hosts[1]), (numbers[0], numbers[1])
        if self._paging is None:
            return Flow(self.capture, *ends, VERDICTS[info & STATE], self.segments(flow, before))
        return paged(Flow(self.capture, *ends, VERDICTS[info & STATE], Segments()), partial(self.segments, flow, before))

    def segments(self, flow: int, before: int = 0) -> Segments:
        """The rows of a flow as columns."""
        rows = self._rows
        count = self._flows[flow * FLOW + 7]
        row = self._flows[flow * FLOW + 6]
        columns = [_ZERO * count for _ in range(13)]
        key, ts_ns, direction, seq, ack, flags, size, wire_size, source, file_at, ident, ttl, window = columns
        first_key = packet_key(self.capture, 0) + before
        place = count
        while row:
            self._touched += 1
            if self._touched & _OFTEN == 0 and self._pages is not None:
                self._pages.leave()
            place -= 1
            base = (row - 1) * ROW
            about = rows[base + 3]
            key[place] = first_key + (rows[base] & NUMBER)
            ts_ns[place] = rows[base + 1]
            direction[place] = about >> 8 & 1
            seq[place] = rows[base + 2] >> 32
            ack[place] = rows[base + 2] & LOW if about & ACK else -1
            flags[place] = about & 255
            size[place] = rows[base + 4] >> 32
            wire_size[place] = rows[base + 4] & LOW
            source[place] = 2 * self.capture + (about >> 9 & 1)
            file_at[place] = rows[base + 5]
            ident[place] = rows[base + 6] & LOW
            ttl[place] = about >> 10 & 255
            window[place] = (about >> 18 & 15) << 16 | rows[base] >> 48
            row = rows[base + 6] >> 32
        return Segments(*columns)

    def page(self, paging: "Callable[[], Pages]") -> None:
        """Rows, where they are many, lie in a file, and are read when a flow's are asked for; payload is spooled, as long as there is room, so that captures
        are read once. To be told before the first packet. ``paging`` makes the file."""
        self._paging = paging
        self.in_place *= 2

    def shed(self) -> None:
        """Nothing is left but rows, as nothing else will be asked for."""
        self._slots = self._used = 0
        self._table = self._free_flows = self._free_prefixes = zeros(0)
        self._prefixes = bytearray()

    def next_file(self, packets: int, *, in_place: bool) -> None:
        """What follows is another file's, behind ``packets`` packets of those before; flows go on. Packet numbers given out count through all files."""
        self._base = packets
        self.in_place = (1 if self._paging is None else 2) if in_place else 0
        self._file_timed = 0

    def counted(self) -> tuple[int, ...]:
        """What is counted of packets whatever flows they belong to, as `passed` takes it."""
        over = (self.icmp_over, self.datagrams_over, self.naming_over)
        return (self.tcp_packets, self.snapped, self.undecodable, *over, self.outside, self.elsewhere)

    def passed(self, counts: tuple[int, ...], times: tuple[int, int] | None, backwards: int) -> None:
        """Counts (`counted`) and times of all packets of a file of which this kernel got some; ``backwards``: earlier ones through all files."""
        self.tcp_packets += counts[0]
        self.snapped += counts[1]
        self.undecodable += counts[2]
        self.icmp_over += counts[3]
        self.datagrams_over += counts[4]
        self.naming_over += counts[5]
        self.outside += counts[6]
        self.elsewhere += counts[7]
        self.backwards = backwards
        if times is not None:
            self._file_first_ns, self._file_last_ns = times
            self._first_ns = min(self._first_ns, times[0]) if self._timed else times[0]
            self._last_ns = max(self._last_ns, times[1]) if self._timed else times[1]
            self._file_timed = self._timed = 1

    def is_patient(self, payloads: int) -> None:
        """Connections that began before this kernel's first packet are rejected later, until so many payloads were kept for that in all."""
        self._patience = payloads

    def goes_on(self) -> None:
        """From here on only flows that are wanted are looked at, and nothing is counted."""
        self._only = 1
        self._alone_ns = -1
        self._before = (self.tcp_packets, self.snapped, self.undecodable, self.backwards)

    def is_wanting(self, last_ns: int) -> bool:
        """True while going on may still tell something: a flow is wanted, or no time so far is as late as the latest before, ``last_ns``."""
        return self._wanted > 0 or self._alone_ns < last_ns

    def absorb(self, later: "Flows", packets: int) -> None:
        """Adds the counts of the half that follows ``packets`` packets."""
        more = 0
        if self._only:
            more = self.backwards - self._before[3] - self._alone_backwards
            self.tcp_packets, self.snapped, self.undecodable, self.backwards = self._before
        self.tcp_packets += later.tcp_packets
        self.snapped += later.snapped
        self.undecodable += later.undecodable
        self.backwards += later.backwards + more
        self.outside += later.outside
        self.elsewhere += later.elsewhere
        self._first_ns = min(self._first_ns, later._first_ns)  # noqa: SLF001  one of us
        self._last_ns = max(self._last_ns, later._last_ns)  # noqa: SLF001  one of us
        self._file_first_ns = self._first_ns
        self._file_last_ns = self._last_ns
        for link, count in later.unknown_links.items():
            self.unknown_links[link] = self.unknown_links.get(link, 0) + count
        room = self.limits.kdc_datagrams - len(self.datagrams)
        self.datagrams += [(number + packets, ts_ns, packet) for number, ts_ns, packet in later.datagrams[:room]]
        self.datagrams_over += later.datagrams_over + max(len(later.datagrams) - room, 0)
        room = self.limits.naming_datagrams - len(self.naming)
        self.naming += [(number + packets, ts_ns, packet) for number, ts_ns, packet in later.naming[:room]]
        self.naming_over += later.naming_over + max(len(later.naming) - room, 0)
        room = self.limits.icmp_errors - len(self.icmp)
        self.icmp += [(number + packets, ts_ns, packet) for number, ts_ns, packet in later.icmp[:room]]
        self.icmp_over += later.icmp_over + max(len(later.icmp) - room, 0)

    def is_plain(self) -> bool:
        """True when nothing was spooled, forgotten or given up: then flows do not depend on each other, and halves can be put together."""
        return not self._spooled and not self._out_count and not self.forgotten and not self.given_up and not self.slow.frames

    @property
    def first_ns(self) -> int | None:
        """The earliest time, None before the first packet."""
        return self._first_ns if self._timed else None

    @property
    def last_ns(self) -> int | None:
        """The latest time, None before the first packet."""
        return self._last_ns if self._timed else None

    @property
    def file_ns(self) -> tuple[int | None, int | None]:
        """The earliest and the latest time of the file that is read, None before its first packet."""
        return (self._file_first_ns, self._file_last_ns) if self._file_timed else (None, None)

    @property
    def late(self) -> frozenset[int]:
        """Rejected flows that showed WinRM later, by the number of their first packet."""
        return frozenset(self._lates[: self._late_count])

    @property
    def spool_full(self) -> bool:
        """True when payload was not kept because the spool's limit was reached."""
        return bool(self._spool_full)
