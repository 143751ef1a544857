"""The packet kernel: from the bytes of a capture to the rows of candidate flows. This is the one place where work is done per packet.

It walks ordinary records, decodes link, IP and TCP headers in place, finds the flow of a packet in an exact table of 4-tuples, and gives the flow a verdict
from its first payloads. Rows of kept and of undecided flows are appended to one array, rejected flows keep no rows. A SYN with a new initial sequence number
begins a new flow on a reused 4-tuple, as in Wireshark. What is not ordinary (damage, options, tunnels, fragments, rare links) is left to the caller, who
hands over such packets one at a time; payload that does not lie in the capture's file as it is gets spooled.

Four units, one above the other: `analyzer.capture.table`, `analyzer.capture.verdicts`, `analyzer.capture.flows`, and this
one, which has all that is done for each byte or packet, so that the compiler can put it into one piece of code.

One source, two ways to run: the .pxd files give the types for Cython's compiler, and without a compiler these files run as they
are. So they are written in integers and flat arrays of 64-bit words (`analyzer.capture.bits`), without an object per packet.
Arrays never grow while packets are walked: `Flows.room` is made before.
"""

from array import array
from collections.abc import Callable

try:
    import cython
except ImportError:
    from analyzer.capture import uncompiled as cython

from analyzer.capture.bits import (
    BEGUN,
    DATAGRAM,
    DONE,
    HELLO,
    HIGHER_AT,
    HTTP,
    ICMP,
    INFO,
    LATE,
    LATEST_NS,
    LOW,
    NAMING,
    NOTED,
    NS,
    REJECTED,
    SLOW,
    STATE,
    SYN,
    TO_THE_END,
    UNDECIDED,
    UNKNOWN,
    WANTED,
    Bytes,
)
from analyzer.capture.flows import Flows
from analyzer.capture.links import KINDS
from analyzer.capture.slow import Decoded, SlowPath
from analyzer.settings import Limits

COMPILED: bool = bool(cython.compiled)


def _starts_late(word: int) -> int:
    """The cheap test for a rejected flow: POST, HTTP, CONN, OPTI or GET could be one of interest."""
    return 1 if word == 0x504F5354 or word == 0x48545450 or word == 0x434F4E4E or word == 0x4F505449 or word == 0x47455420 else 0


def _has_comment(view: Bytes, at: int, end: int, big: int) -> int:
    """1 when a pcapng option list holds a comment, or is not sound."""
    while at + 4 <= end:
        first = view[at + 1] if big else view[at]
        second = view[at] if big else view[at + 1]
        code = second << 8 | first
        first = view[at + 3] if big else view[at + 2]
        second = view[at + 2] if big else view[at + 3]
        if code == 0:
            return 0
        if code == 1:
            return 1
        at += 4 + (((second << 8 | first) + 3) & ~3)
    return 0


class Kernel(Flows):
    """Feed it the packets of one capture in order, then take ``flows()``. ``force`` names flows, by the number of their first packet, to keep always.

    ``spool`` takes bytes that must be kept outside of the capture's file; ``in_place`` says that payload can be read from the file again. ``number`` is that of
    the last packet of a bulk, ``seconds`` and ``last_block_ns`` its time.
    """

    def __init__(
        self, capture: int, limits: Limits, slow: SlowPath, spool: Callable[[bytes], object], *, in_place: bool, all_http: bool, force: frozenset[int]
    ) -> None:
        super().__init__(capture, limits, slow, spool, in_place, all_http, force)
        self.number = 0
        self.seconds = 0
        self.last_block_ns = 0
        self._icmp_room = limits.icmp_errors
        self._datagram_room = limits.kdc_datagrams
        self._naming_room = limits.naming_datagrams
        self._record_size = limits.record_size_bytes
        self._payload_at = 0
        self._hungry = 0
        self._peeling = 0

    def _u16(self, at: int) -> int:
        return self._view[at] << 8 | self._view[at + 1]

    def _u32(self, at: int) -> int:
        word = self._view[at]  # in 64 bits before it is shifted
        word = word << 8 | self._view[at + 1]
        word = word << 8 | self._view[at + 2]
        return word << 8 | self._view[at + 3]

    def _u64(self, at: int) -> int:
        high = self._u32(at)
        low = self._u32(at + 4)
        return high << 32 | low

    def _file_u32(self, at: int, big: int) -> int:
        if big:
            return self._u32(at)
        word = self._view[at + 3]
        word = word << 8 | self._view[at + 2]
        word = word << 8 | self._view[at + 1]
        return word << 8 | self._view[at]

    def _no_room(self, size: int) -> int:
        """1 when the arrays may not take one more packet of ``size`` bytes."""
        if self._row_count >= self._row_room or (self._flow_count >= self._flow_room and not self._flow_free):
            return 1
        if not self._prefix_free or self._late_count >= self._late_room or self._used * 8 >= self._slots * 5:
            return 1
        if self._reeling and self._reel_count >= self._reel_room:
            return 1
        return 1 if self.in_place != 1 and self._out_count + size > self._out_room else 0

    def pcap(self, buffer: bytearray, span: tuple[int, int, int], number: int, layout: tuple[int, int, int], link: int) -> int:
        """Takes ordinary pcap records; gives the place where it stopped: at damage, at a packet for `packet`, or where a record is not whole.

        ``span``: the place of the next record in ``buffer``, that of the end, and what is added to a place to give the offset in the file. ``number`` counts
        the packets so far. ``layout``: 1 for big-endian, nanoseconds in a unit of the fraction, size of a record's header.
        """
        self._view = buffer
        at, end, to_file = span
        big, scale, header = layout
        kind = KINDS.get(link, 0)
        self.number = number
        self._hungry = 1
        while self._hungry:
            self.room(self._hungry)
            with cython.nogil:
                at = self._pcap(at, end, to_file, big, scale, header, kind)
        return at

    def _pcap(self, at: int, end: int, to_file: int, big: int, scale: int, header: int, kind: int) -> int:
        self._hungry = 0
        while at + header <= end:
            size = self._file_u32(at + 8, big)
            if size > self._record_size or at + header + size > end:
                break
            if self._no_room(size):
                self._hungry = size + 1
                break
            seconds = self._file_u32(at, big)
            ts_ns = seconds * NS + self._file_u32(at + 4, big) * scale
            if self._spanned and self._is_outside(ts_ns):
                pass
            elif self._packet(at + header, size, self._file_u32(at + 12, big), kind, self._base + self.number + 1, ts_ns, to_file):
                break
            else:
                self._time(ts_ns)
                if self._reeling and not self.idle:
                    self._note(self.number + 1, ts_ns, at + header, size, self._file_u32(at + 12, big))
            self.number += 1
            self.seconds = seconds
            at += header + size
        return at

    def pcapng(self, buffer: bytearray, span: tuple[int, int, int], number: int, big: int, interfaces: "array[int]") -> int:
        """As `pcap`, for enhanced packet blocks without comments. ``interfaces``, three words each: kind of link, nanoseconds in a unit of time (0 for
        those that are not ordinary), and whether packets were met.
        """
        self._view = buffer
        at, end, to_file = span
        known = interfaces
        self.number = number
        self._hungry = 1
        while self._hungry:
            self.room(self._hungry)
            with cython.nogil:
                at = self._pcapng(at, end, to_file, big, known)
        return at

    def _pcapng(self, at: int, end: int, to_file: int, big: int, known: "array[int]") -> int:
        self._hungry = 0
        count = len(known) // 3
        while at + 32 <= end:
            total = self._file_u32(at + 4, big)
            if self._file_u32(at, big) != 6 or total < 32 or total & 3 or total > self._record_size or at + total > end:
                break
            which = self._file_u32(at + 8, big)
            size = self._file_u32(at + 20, big)
            if self._file_u32(at + total - 4, big) != total or which >= count or size > total - 32:
                break
            scale = known[3 * which + 1]
            ticks = self._file_u32(at + 12, big) << 32 | self._file_u32(at + 16, big)
            if scale == 0 or ticks > LATEST_NS // scale or _has_comment(self._view, at + 28 + ((size + 3) & ~3), at + total - 4, big):
                break
            if self._no_room(size):
                self._hungry = size + 1
                break
            if self._spanned and self._is_outside(ticks * scale):
                pass
            elif self._packet(at + 28, size, self._file_u32(at + 24, big), known[3 * which], self._base + self.number + 1, ticks * scale, to_file):
                break
            else:
                self._time(ticks * scale)
                if self._reeling and not self.idle:
                    self._note(self.number + 1, ticks * scale, at + 28, size, self._file_u32(at + 24, big))
            known[3 * which + 2] = 1
            self.number += 1
            self.last_block_ns = ticks * scale
            at += total
        return at

    def replay(self, buffer: bytes, begin: int, columns: "tuple[array[int], ...]", row: int, end: int) -> int:
        """Takes ordinary packets of a reel (`analyzer.capture.reels`), rows ``row`` to ``end``; gives the row where it stopped: one for `packet`,
        ``end``, or, as -1 - row, one that it took, is noted, and changed something.

        ``columns``: number, time, kind of link, size, size on the wire, offset in the file, noted, offset in the reel, of which ``buffer`` has the bytes from
        ``begin`` on.
        """
        self._view = buffer
        numbers, times, kinds, sizes = columns[0], columns[1], columns[2], columns[3]
        wires, places, noted, ats = columns[4], columns[5], columns[6], columns[7]
        self._hungry = 1
        while self._hungry:
            self.room(self._hungry)
            with cython.nogil:
                row = self._replay(begin, numbers, times, kinds, sizes, wires, places, noted, ats, row, end)
        return row

    def _replay(
        self,
        begin: int,
        numbers: "array[int]",
        times: "array[int]",
        kinds: "array[int]",
        sizes: "array[int]",
        wires: "array[int]",
        places: "array[int]",
        noted: "array[int]",
        ats: "array[int]",
        row: int,
        end: int,
    ) -> int:
        self._hungry = 0
        while row < end:
            at = ats[row] - begin
            if kinds[row] <= 0:
                break
            if self._no_room(sizes[row]):
                self._hungry = sizes[row] + 1
                break
            if self._spanned and self._is_outside(times[row]):
                row += 1
                continue
            if self._packet(at, sizes[row], wires[row], kinds[row], self._base + numbers[row], times[row], places[row] - at):
                break
            self._time(times[row])
            if noted[row] and not self.idle:
                return -1 - row
            row += 1
        return row

    def packet(self, number: int, ts_ns: int, link: int, buffer: bytes | bytearray, at: int, size: int, wire_size: int, file_at: int) -> None:
        """One packet of any kind. ``file_at`` is where byte ``at`` of ``buffer`` lies in the capture's file."""
        self.idle = 1
        self.noted = 0
        if self._spanned and self._is_outside(ts_ns):
            return
        self._view = buffer
        number += self._base
        kind = KINDS.get(link, 0)
        self._time(ts_ns)
        if kind == 0:
            self.unknown_links[link] = self.unknown_links.get(link, 0) + 1
            return
        self.room(size)
        code = self._packet(at, size, wire_size, kind, number, ts_ns, file_at - at)
        if code != DONE:
            self.idle = 0
        if code & ICMP:
            self._icmp_room -= 1
            self.icmp.append((number, ts_ns, bytes(buffer[self._payload_at : at + size])))
        if code & DATAGRAM:
            self._datagram_room -= 1
            self.datagrams.append((number, ts_ns, bytes(buffer[self._payload_at : at + size])))
        if code & NAMING:
            self._naming_room -= 1
            self.naming.append((number, ts_ns, bytes(buffer[self._payload_at : at + size])))
        if code & SLOW:
            self._peeling = 1
            for segment in self.slow.decode(bytes(buffer[at : at + size]), link, wire_size, ts_ns, number):
                self._peeled(number, ts_ns, segment)
            self._peeling = self.idle = 0

    def _peeled(self, number: int, ts_ns: int, segment: Decoded) -> None:
        """A TCP segment out of a tunnel or of fragments: its bytes are in memory, so its payload is spooled when it is kept."""
        source, destination, ident, tcp, wire_size, ttl = segment
        if len(tcp) < 20:
            self.undecodable += 1
            return
        self._view = tcp
        self.room(len(tcp))
        ends = [int.from_bytes(address[part : part + 8], "big") for address in (source, destination) for part in (0, 8)]
        four = 1 if len(source) == 4 else 0
        self._tcp(number, ts_ns, four, ends[0], ends[1], ends[2], ends[3], ttl << 32 | ident << 16, 0, len(tcp), wire_size, -1)

    def _time(self, ts_ns: int) -> None:
        if self._only:
            if ts_ns >= self._alone_ns:
                self._alone_ns = ts_ns
            else:
                self._alone_backwards += 1
        if self._rise_count < self._rise_room and ts_ns >= 0 and (not self._timed or ts_ns >= self._last_ns):
            self._rises[self._rise_count] = ts_ns
            self._rise_count += 1
        if not self._file_timed:
            self._file_timed = 1
            self._file_first_ns = self._file_last_ns = ts_ns
        elif ts_ns > self._file_last_ns:
            self._file_last_ns = ts_ns
        elif ts_ns < self._file_first_ns:
            self._file_first_ns = ts_ns
        if not self._timed:
            self._timed = 1
            self._first_ns = self._last_ns = ts_ns
        elif ts_ns > self._last_ns:
            self._last_ns = ts_ns
        elif ts_ns < self._last_ns:
            self.backwards += 1
            self._first_ns = min(self._first_ns, ts_ns)

    def _packet(self, at: int, size: int, wire_size: int, kind: int, number: int, ts_ns: int, to_file: int) -> int:
        """What is left to do for this packet outside (flags); nothing was changed when it is not `DONE`."""
        self.idle = 1
        self.noted = 0
        end = at + size
        if kind == 6:
            return SLOW
        if kind < 1 or kind > 6:
            return UNKNOWN
        link = self._link(at, end, kind)
        p = link >> 16
        ethertype = link & 0xFFFF
        if ethertype == 0x0800:
            return self._ipv4(p, end, at + wire_size, number, ts_ns, to_file)
        if ethertype == 0x86DD:
            return self._ipv6(p, end, at + wire_size, number, ts_ns, to_file)
        if ethertype == 0x8847 or ethertype == 0x8848 or ethertype == 0x8864 or ethertype == 0x6558:
            return SLOW
        if ethertype < 0x600 and kind == 1 and p + 2 <= end and self._view[p] == 0xAA and self._view[p + 1] == 0xAA:  # SNAP
            return SLOW
        return DONE

    def _link(self, at: int, end: int, kind: int) -> int:
        """Where the network header begins, shifted by 16, and its Ethertype; the end and 0 where there is none."""
        ethertype = 0
        p = at
        if kind == 1 or kind == 2:  # Ethernet, Linux cooked
            p = at + (14 if kind == 1 else 16)
            if p > end:
                return end << 16
            ethertype = self._u16(p - 2)
            while (ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100) and p + 4 <= end:
                ethertype = self._u16(p + 2)
                p += 4
        elif kind == 3:  # Linux cooked, version 2
            p = at + 20
            if p > end:
                return end << 16
            ethertype = self._u16(at)
        elif kind == 4:
            if at < end:
                ethertype = 0x0800 if self._view[at] >> 4 == 4 else 0x86DD if self._view[at] >> 4 == 6 else 0
        else:
            p = at + 4
            if p > end:
                return end << 16
            family = self._file_u32(at, 0 if self._view[at] else 1)
            ethertype = 0x0800 if family == 2 else 0x86DD if family == 10 or family == 24 or family == 28 or family == 30 else 0
        return p << 16 | ethertype

    def _ipv4(self, p: int, end: int, frame_end: int, number: int, ts_ns: int, to_file: int) -> int:
        """An IPv4 header at ``p`` (RFC 791 section 3.1); ``frame_end``: where the frame ended as it was sent."""
        if end - p < 20 or self._view[p] >> 4 != 4:
            self.undecodable += 1
            return DONE
        t = p + ((self._view[p] & 15) << 2)
        protocol = self._view[p + 9]
        if self._u16(p + 6) & 0x3FFF:
            return SLOW if protocol == 6 or protocol == 17 or protocol == 4 or protocol == 41 or protocol == 47 else DONE
        if protocol != 6:
            return self._other(protocol, p, t, end)
        if t < p + 20 or end - t < 20:
            self.undecodable += 1
            return DONE
        total = self._u16(p + 2)
        ip_end = p + total if total else frame_end  # a total of 0: TCP segmentation offload, frame over 64 KiB
        hops = self._view[p + 8]
        ident = hops << 32 | self._u16(p + 4) << 16
        return self._tcp(number, ts_ns, 1, self._u32(p + 12), 0, self._u32(p + 16), 0, ident, t, end, ip_end, to_file)

    def _ipv6(self, p: int, end: int, frame_end: int, number: int, ts_ns: int, to_file: int) -> int:
        """An IPv6 header at ``p`` and its extension headers (RFC 8200 sections 3 and 4)."""
        if end - p < 40 or self._view[p] >> 4 != 6:
            self.undecodable += 1
            return DONE
        protocol = self._view[p + 6]
        total = self._u16(p + 4)
        ip_end = p + 40 + total if total else frame_end
        t = p + 40
        while (protocol == 0 or protocol == 43 or protocol == 51 or protocol == 60 or protocol == 135) and t + 8 <= end:
            step = (self._view[t + 1] + 2) << 2 if protocol == 51 else (self._view[t + 1] + 1) << 3
            protocol = self._view[t]
            t += step
        if protocol == 44:
            return SLOW
        if protocol != 6:
            return self._other(protocol, p, t, end)
        if end - t < 20:
            self.undecodable += 1
            return DONE
        hops = self._view[p + 7]
        ident = hops << 32
        return self._tcp(number, ts_ns, 0, self._u64(p + 8), self._u64(p + 16), self._u64(p + 24), self._u64(p + 32), ident, t, end, ip_end, to_file)

    def _other(self, protocol: int, p: int, t: int, end: int) -> int:
        """Not TCP: tunnels go to the slow path, Kerberos messages, names and ICMP errors are kept, everything else is none of our business."""
        code = DONE
        if protocol == 4 or protocol == 41 or protocol == 47 or protocol == 51:
            code = SLOW
        elif protocol == 17 and t + 4 <= end:
            near = self._u16(t)
            far = self._u16(t + 2)
            if far == 4789 or far == 8472 or far == 6081 or far == 4754 or far == 2152 or near == 4789:
                code = SLOW
            if (near == 88 or far == 88) and t + 8 < end and self._is_kdc(self._view[t + 8]) and not self._only and not self._is_elsewhere(p, near, far):
                if self._datagram_room > 0:
                    self._payload_at = p
                    code |= DATAGRAM
                else:
                    self.datagrams_over += 1
            elif self._is_naming(near, far, t, end) and not self._only and not self._is_elsewhere(p, near, far):
                if self._naming_room > 0:
                    self._payload_at = p
                    code |= NAMING
                else:
                    self.naming_over += 1
        elif self._is_error(protocol, t, end) and not self._only:
            if self._icmp_room > 0:
                self._payload_at = p
                code = ICMP
            else:
                self.icmp_over += 1
        return code

    def _is_elsewhere(self, p: int, near: int, far: int) -> int:
        """1 when the scope leaves out what has an IP header at ``p`` and these ports."""
        if not self._narrowed:
            return 0
        if self._view[p] >> 4 == 4:
            return 1 - self._is_within(1, self._u32(p + 12), 0, self._u32(p + 16), 0, near, far)
        return 1 - self._is_within(0, self._u64(p + 8), self._u64(p + 16), self._u64(p + 24), self._u64(p + 32), near, far)

    def _tcp(
        self,
        number: int,
        ts_ns: int,
        four: int,
        s0: int,
        s1: int,
        d0: int,
        d1: int,
        ident: int,
        t: int,
        end: int,
        ip_end: int,
        to_file: int,
    ) -> int:
        """``to_file`` added to a buffer offset gives the file offset; -1 when the bytes are not in the file as they are."""
        near = self._u16(t)
        far = self._u16(t + 2)
        if self._narrowed and not self._is_within(four, s0, s1, d0, d1, near, far):
            if not self._only:
                self.elsewhere += 1
            return DONE
        self.tcp_packets += 1
        offset = (self._view[t + 12] >> 4) << 2
        if offset < 20:
            self.undecodable += 1
            return DONE
        payload_at = t + offset
        wire_payload = ip_end - payload_at
        if wire_payload < 0:
            if ip_end < t + 20:
                self.undecodable += 1
                return DONE
            wire_payload = 0
        size = end - payload_at
        if size < 0:
            size = 0
        if size > wire_payload:
            size = wire_payload
        if size < wire_payload:
            self.snapped += 1
        seq = self._u32(t + 4)
        flags = self._view[t + 13]
        # The flow: both directions have the same slot.
        swapped = 1 if s0 > d0 or (s0 == d0 and (s1 > d1 or (s1 == d1 and near > far))) else 0
        if swapped:
            s0, d0 = d0, s0
            s1, d1 = d1, s1
            near, far = far, near
        ports = (four + 2) << 32 | near << 16 | far
        at = self._find(s0, s1, d0, d1, ports)
        info = self._table[at + 5]
        if self._only and not info & WANTED:
            return DONE
        if not self._table[at + 4]:
            self._used += 1
            self._table[at] = s0
            self._table[at + 1] = s1
            self._table[at + 2] = d0
            self._table[at + 3] = d1
            self._table[at + 4] = ports
            info = self._new(at, number, swapped, seq, flags)
        elif flags & SYN:
            info = self._syn(at, info, number, swapped, seq, flags)
        self._table[at + 7] = (self._table[at + 7] & ~0xFFFF) | self._epoch
        direction = swapped ^ (info >> HIGHER_AT & 1)
        state = info & STATE
        head = size if size < self._prefix_size else self._prefix_size
        if state == REJECTED or state == LATE:
            if state == REJECTED and size >= 4 and _starts_late(self._u32(payload_at)) and self._judge(self._view, payload_at, head, ports) == HTTP:
                self._table[at + 5] = (info & ~STATE) | LATE
                self._lates[self._late_count] = self._table[at + 7] >> 16
                self._late_count += 1
                self.idle = 0
            elif self._reeling and (flags & SYN or (not info & BEGUN and self._is_ours(near, far))):
                self.idle = 0  # it may begin a flow, or lie in the middle of one of WinRM's
            elif self._reeling and not info & NOTED and not self._peeling:
                self._table[at + 5] = info | NOTED
                self.noted = self._table[at + 7] >> 16
                self.idle = 0
            return DONE
        self.idle = 0
        flow = info >> INFO
        if size and state == UNDECIDED:
            state = self._decide(self._view, flow, direction, payload_at, head, ports)
            if state != UNDECIDED:
                info = (info & ~STATE) | state
                if self._only and (state == REJECTED or not info & TO_THE_END):
                    info &= ~WANTED
                    self._wanted -= 1
                if state == REJECTED and self._is_hello(self._view, payload_at, head):
                    info |= HELLO
                self._table[at + 5] = info
                if state == REJECTED:
                    return DONE
        window = self._u16(t + 14)
        scale = self._scale(t + 20, payload_at if payload_at < end else end) if flags & SYN else 0
        about = flow << 32 | scale << 18 | (ident >> 32) << 10 | direction << 8 | flags
        self._add(window << 48 | number, ts_ns, seq << 32 | self._u32(t + 8), about, (ident & LOW) | self._u16(t + 16), payload_at, size, wire_payload, to_file)
        return DONE
