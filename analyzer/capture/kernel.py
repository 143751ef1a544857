"""The packet kernel: from the bytes of a capture to the rows of candidate flows. This is the one place where work is done per packet.

It walks ordinary records, decodes link, IP and TCP headers in place, finds the flow of a packet in an exact table of 4-tuples, and gives the flow a verdict
from its first payloads. Rows of kept and of undecided flows are appended to one array, rejected flows keep no rows. A SYN with a new initial sequence number
begins a new flow on a reused 4-tuple, as in Wireshark. What is not ordinary (damage, options, tunnels, fragments, rare links) is left to the caller, who
hands over such packets one at a time; payload that does not lie in the capture's file as it is gets spooled.

The verdict: WinRM is found by content on any port; only TLS, whose content cannot be seen, needs a port. A flow is kept when it shows WS-Management (target,
content type, user agent), when it authenticates over HTTP (a proxy's 407 may travel on a connection of its own), or when it is a CONNECT. Plain web traffic
is rejected; a rejected flow that later shows one of these is named ``late`` and the file is read again.

One source, two ways to run: kernel.pxd gives the types for Cython's compiler, and without a compiler this file runs as it is. So it is written in integers and
flat arrays of 64-bit words, without an object per packet. Arrays never grow while packets are walked: `Kernel.room` is made before.
"""

import os
from array import array
from collections.abc import Callable

try:
    import cython
except ImportError:
    from analyzer.capture import uncompiled as cython

from analyzer.capture.links import KINDS
from analyzer.capture.slow import Decoded, SlowPath
from analyzer.records.capture import Flow, Segments, Verdict
from analyzer.records.ids import packet_key
from analyzer.settings import Limits

Bytes = bytes | bytearray
COMPILED: bool = bool(cython.compiled)
_MASK = 0xFFFFFFFFFFFFFFFF
_LOW = 0xFFFFFFFF
_NUMBER = 0xFFFFFFFFFFFF
_NS = 1_000_000_000
_LATEST_NS = (1 << 63) - 1
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_UNDECIDED, _HTTP, _TLS, _REJECTED, _KDC, _LATE = range(6)
_VERDICTS = (Verdict.UNDECIDED, Verdict.HTTP, Verdict.TLS, Verdict.REJECTED, Verdict.KDC)
_FREE = 7
_DONE, _SLOW, _DATAGRAM, _UNKNOWN, _ICMP = 0, 1, 2, 4, 8
_DEAD = 0xFFFFFFFF
_WINRM_PORTS = (5985, 5986, 47001)
_LATE_SYN_WINDOW = 1 << 16
_FIRST_ROWS, _LAST_ROWS = 8, 4096
"""Packets of a connection in the next file, and those here that they are compared with."""
_OPENING = 3
"""Packets that open a connection; its SYN may be sent again before there are more."""
_FAR = 1 << 20
"""Bytes that a segment sent again may lie behind others."""
_MIX = 0x9E3779B97F4A7C15
_MIX2 = 0xC2B2AE3D27D4EB4F
_MIX3 = 0x165667B19E3779F9
_SLOT, _FLOW, _ROW = 8, 11, 7
"""Words of a slot of the table, of a flow with rows, of a row."""
_FORCED, _REUSED, _BEGUN, _GUESSED, _WANTED, _TO_THE_END = 64, 128, 256, 512, 1024, 2048
_INFO = 12
"""A slot's state word: 3 bits of state, 8 when the first sender is the higher end, 16 and 32 for the initial sequence numbers known, then these flags (kept by
force, and as easily forgotten as in the first reading; on a 4-tuple used before; begun by a SYN; a SYN without a known predecessor came; see `Kernel.goes_on`),
and from bit `_INFO` on the flow."""
_WORDS = (
    b"OPTIONS GET HEAD POST PUT DELETE TRACE CONNECT PATCH HTTP/1. /wsman/powershell\nauthorization:\nproxy-authorization:\nwww-authenticate:"
    b"\nproxy-authenticate:\nwsmanidentify:application/soap+xmlmultipart/encryptedmultipart/x-multi-encryptedmicrosoft winrm client"
)


def _spans(*words: bytes) -> "array[int]":
    return array("Q", [number for word in words for number in (_WORDS.index(word), len(word))])


_METHODS = _spans(b"OPTIONS ", b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"TRACE ", b"CONNECT ", b"PATCH ", b"HTTP/1.")
_TARGETS = _spans(b"/wsman", b"/powershell")
_FIELDS = _spans(b"\nauthorization:", b"\nproxy-authorization:", b"\nwww-authenticate:", b"\nproxy-authenticate:", b"\nwsmanidentify:")
_TYPES_A = _spans(b"application/soap+xml")
_TYPES_M = _spans(b"multipart/encrypted", b"multipart/x-multi-encrypted", b"microsoft winrm client")


def _zeros(count: int) -> "array[int]":
    return array("Q", bytes(8 * count))


def _longer(old: "array[int]", count: int) -> "array[int]":
    """A copy with zeros behind it, ``count`` words in all."""
    longer = _zeros(count)
    into = longer
    into[: len(old)] = old
    return longer


def _word_at(view: Bytes, at: int, end: int, words: bytearray, spans: "array[int]", folded: int) -> int:
    """The number from 1 of the word that stands at ``at``, else 0. ``folded``: letters of either case (the words are in small letters)."""
    for which in range(len(spans) // 2):
        begin = spans[2 * which]
        size = spans[2 * which + 1]
        if at + size > end:
            continue
        i = 0
        while i < size:
            byte = view[at + i]
            if folded and 65 <= byte <= 90:
                byte = byte + 32
            if byte != words[begin + i]:
                break
            i += 1
        if i == size:
            return which + 1
    return 0


def _may_become(view: Bytes, at: int, size: int, words: bytearray, spans: "array[int]") -> int:
    """1 when more bytes could still make this an HTTP/1 start line."""
    for which in range(len(spans) // 2):
        begin = spans[2 * which]
        have = spans[2 * which + 1]
        if have > size:
            have = size
        i = 0
        while i < have and view[at + i] == words[begin + i]:
            i += 1
        if i == have:
            return 1
    return 0


def _head_end(view: Bytes, at: int, end: int) -> int:
    """Where the blank line begins, or ``end``."""
    i = at
    while i + 4 <= end:
        if view[i] == 13 and view[i + 1] == 10 and view[i + 2] == 13 and view[i + 3] == 10:
            return i
        i += 1
    return end


def _is_kdc(tag: int) -> int:
    """1 for AS-REQ, AS-REP, TGS-REQ, TGS-REP and KRB-ERROR (RFC 4120 section 5.10)."""
    return 1 if 0x6A <= tag <= 0x6D or tag == 0x7E else 0


def _proxy_header(view: Bytes, at: int, size: int) -> int:
    """The size of the PROXY header (haproxy's proxy-protocol.txt) that stands at ``at``, at most ``size``; 0 when none
    does."""
    i = 0
    if size >= 8 and view[at] == 80 and view[at + 1] == 82 and view[at + 2] == 79 and view[at + 3] == 88:
        while i < size and i < 107:
            i += 1
            if view[at + i - 1] == 10:
                return i
        return 0
    if size >= 16 and view[at] == 13 and view[at + 1] == 10 and view[at + 4] == 0 and view[at + 7] == 81:
        i = 16 + (view[at + 14] << 8 | view[at + 15])
        return i if i < size else size
    return 0


def _asks_socks(view: Bytes, at: int, size: int) -> int:
    """1 for a SOCKS request to connect to a port of WinRM (RFC 1928 section 4; SOCKS 4: the port before the
    address)."""
    port = 0
    i = 0
    if size >= 9 and view[at] == 4 and view[at + 1] == 1:
        port = view[at + 2] << 8 | view[at + 3]
    elif size >= 8 and view[at] == 5 and view[at + 1] == 1 and view[at + 2] == 0:
        i = 8 if view[at + 3] == 1 else 20 if view[at + 3] == 4 else 5 + view[at + 4] if view[at + 3] == 3 else size
        if i + 2 <= size:
            port = view[at + i] << 8 | view[at + i + 1]
    return 1 if port == 5985 or port == 5986 or port == 47001 else 0


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


def _status_asks(view: Bytes, at: int, end: int) -> int:
    """1 for a status line of 401 or 407."""
    if at + 12 > end or view[at + 7] >> 1 != 24 or view[at + 8] != 32 or view[at + 9] != 52 or view[at + 10] != 48:
        return 0
    if view[at + 11] != 49 and view[at + 11] != 55:
        return 0
    if at + 12 == end:
        return 1
    after = view[at + 12]
    return 0 if 48 <= after <= 57 or 65 <= after <= 90 or 97 <= after <= 122 or after == 95 else 1


class Kernel:
    """Feed it the packets of one capture in order, then take ``flows()``. ``force`` names flows, by the number of their first packet, to keep always.

    ``spool`` takes bytes that must be kept outside of the capture's file; ``in_place`` says that payload can be read from the file again. ``number`` is that of
    the last packet of a bulk, ``seconds`` and ``last_block_ns`` its time.
    """

    def __init__(
        self, capture: int, limits: Limits, slow: SlowPath, spool: Callable[[bytes], object], *, in_place: bool, all_http: bool, force: frozenset[int]
    ) -> None:
        self.capture = capture
        self.limits = limits
        self.slow = slow
        self.spool = spool
        self.in_place = 1 if in_place else 0
        self.all_http = 1 if all_http else 0
        self.tcp_packets = 0
        self.snapped = 0
        self.undecodable = 0
        self.forgotten = 0
        self.given_up = 0
        self.backwards = 0
        self.number = 0
        self.seconds = 0
        self.unknown_links: dict[int, int] = {}
        self.datagrams: list[tuple[int, int, bytes]] = []
        """Kerberos messages over UDP: (packet number, time, IP packet)."""
        self.datagrams_over = 0
        self.icmp: list[tuple[int, int, bytes]] = []
        """ICMP errors about TCP segments: (packet number, time, IP packet)."""
        self.icmp_over = 0
        self._icmp_room = limits.icmp_errors
        self._datagram_room = limits.kdc_datagrams
        self._base = 0
        self._timed = 0
        self._first_ns = 0
        self._last_ns = 0
        self._file_timed = 0
        self._file_first_ns = 0
        self._file_last_ns = 0
        self._spooled = 0
        self._spool_limit = limits.spool_bytes
        self._spool_full = 0
        self._record_size = limits.record_size_bytes
        self._undecided_payloads = limits.undecided_payload_packets
        self._prefix_size = limits.undecided_prefix_bytes
        self._words = bytearray(_WORDS)
        self._methods = _METHODS
        self._targets = _TARGETS
        self._fields = _FIELDS
        self._types_a = _TYPES_A
        self._types_m = _TYPES_M
        self._tls_ports = array("Q", sorted({*limits.tls_ports, *_WINRM_PORTS}))
        self._force = array("Q", sorted(force))
        self._forces = len(self._force)
        self._next_force = 0
        # The table of 4-tuples, open addressing. A slot: addresses (4 words, lower end first), ports and family, state, initial sequence numbers, first packet.
        self._slots = 1 << 10
        self._used = 0
        self._epoch = 0
        self._table = _zeros(self._slots * _SLOT)
        # Flows with rows: addresses and ports as in the table, state, last row, count of rows, first packet, prefixes, sizes of the prefixes.
        self._flow_room = 1 << 8
        self._flow_count = 0
        self._flow_free = 0
        self._flow_dead = 0
        self._flows = _zeros(self._flow_room * _FLOW)
        self._free_flows = _zeros(self._flow_room)
        # Rows: window and number, time, seq and ack, flow with window scale, TTL and flags, sizes, place, ident and the flow's row before.
        self._row_room = 1 << 10
        self._row_count = 0
        self._rows = _zeros(self._row_room * _ROW)
        # First bytes of directions that are cut into small segments.
        self._prefix_room = 16
        self._prefix_free = self._prefix_room
        self._prefixes = bytearray(self._prefix_room * self._prefix_size)
        self._free_prefixes = array("Q", range(self._prefix_room))
        self._late_room = 1 << 6
        self._late_count = 0
        self._lates = _zeros(self._late_room)
        self._out_room = 1 << 16
        self._out_count = 0
        self._out = bytearray(self._out_room)
        self._payload_at = 0
        self._view: Bytes = b""
        self._seed = int.from_bytes(os.urandom(8), "little")  # nobody can prepare a capture of which all flows meet in one slot
        self._dead_rows = 0
        self._hungry = 0
        self.last_block_ns = 0
        self._only = 0
        self._wanted = 0
        self._patience = 0
        self._alone_ns = 0
        self._alone_backwards = 0
        self._before = (0, 0, 0, 0)

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

    # Numbers in the packet, and in the file's own byte order

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

    # The files of one capture point, one after the other (see analyzer.capture.chains)

    def next_file(self, packets: int, *, in_place: bool) -> None:
        """What follows is another file's, behind ``packets`` packets of those before; flows go on. Packet numbers given out count through all files."""
        self._base = packets
        self.in_place = 1 if in_place else 0
        self._file_timed = 0

    def in_common(self, later: "Kernel", loosely: bool = False) -> tuple[int, int]:  # noqa: FBT001, FBT002  the compiler knows no keywords
        """Of the first packets of each connection that ``later`` kept: how many belong to connections that have rows here, too, and how many of these are here
        already, equal in all numbers: one packet, captured twice. ``loosely``: with bytes also where identification and checksum differ, which what stands
        between two capture points may write anew."""
        known = 0
        copies = 0
        for at, there in self.meeting(later):
            info = self._table[at + 5]
            state = info & 7
            if state == _REJECTED or state == _LATE:
                continue
            later_info = later._table[there + 5]  # noqa: SLF001  one of us
            first = later.first_rows(later_info >> _INFO, later_info >> 3 & 1)
            if later_info & _BEGUN:
                isn = later._table[there + 6] & _LOW  # noqa: SLF001  one of us
                way = (info >> 3 & 1) ^ (later_info >> 3 & 1)
                own_isn = (self._table[at + 6] >> (32 * way)) & _LOW if info >> (4 + way) & 1 else isn
                flow = (info >> _INFO) * _FLOW
                answered = info >> (5 - way) & 1 or self._flows[flow + 5] >> 8  # else all that is here is one SYN, sent again and again
                if own_isn == isn and answered and self._flows[flow + 7] > _OPENING:  # it shows how a connection began that is in its middle here
                    known += len(first) // 4
                    copies += len(first) // 4
                    continue
                if own_isn != isn:  # another use of the ports
                    continue
            known += len(first) // 4
            copies += self._copies(info >> _INFO, info >> 3 & 1, first, loosely)
        return known, copies

    def first_rows(self, flow: int, flipped: int) -> "array[int]":
        """The first packets of a flow, four words each, by what a packet has wherever it is captured: flags and 1 for the lower end's, sequence and
        acknowledgement numbers, size, identification and checksum."""
        rows = self._rows
        found = _zeros(4 * _FIRST_ROWS)
        into = found
        count = self._flows[flow * _FLOW + 7]
        row = self._flows[flow * _FLOW + 6]
        while row:
            count -= 1
            base = (row - 1) * _ROW
            if count < _FIRST_ROWS:
                into[4 * count] = (rows[base + 3] & 255) << 1 | (rows[base + 3] >> 8 & 1) ^ flipped
                into[4 * count + 1] = rows[base + 2]
                into[4 * count + 2] = rows[base + 4] & _LOW
                into[4 * count + 3] = rows[base + 6] & _LOW
            row = rows[base + 6] >> 32
        count = self._flows[flow * _FLOW + 7]
        return found[: 4 * count] if count < _FIRST_ROWS else found

    def _copies(self, flow: int, flipped: int, first: "array[int]", loosely: bool) -> int:  # noqa: FBT001  as above
        """How many of these packets are among the last rows of the flow; those that lie far before all of them are taken for copies, too."""
        rows = self._rows
        words = first
        copies = 0
        for one in range(0, len(first), 4):
            if words[one + 2] == 0 and words[one + 3] >> 16 == 0 and not words[one] & _SYN << 1:
                continue  # without bytes and identification, two packets are easily alike
            way = words[one] & 1
            left = _LAST_ROWS
            near = 0
            row = self._flows[flow * _FLOW + 6]
            while row and left:
                base = (row - 1) * _ROW
                if ((rows[base + 3] >> 8 & 1) ^ flipped) == way:
                    alike = rows[base + 2] == words[one + 1] and (rows[base + 4] & _LOW) == words[one + 2]
                    if alike and ((rows[base + 6] & _LOW) == words[one + 3] or (loosely and words[one + 2] != 0)):
                        break
                    if (((words[one + 1] >> 32) - (rows[base + 2] >> 32) + _FAR) & _LOW) < _LOW >> 1:
                        near = 1
                row = rows[base + 6] >> 32
                left -= 1
            if (row and left) or (not left and not near):
                copies += 1
        return copies

    def addresses(self) -> list[tuple[tuple[int, int, int, int, int], int, int, int]]:
        """((addresses and ports as in the table), state, number of the first packet, payloads before a verdict) of every connection in the table."""
        found = []
        table = self._table
        for slot in range(self._slots):
            base = slot * _SLOT
            if table[base + 4]:
                ends = (table[base], table[base + 1], table[base + 2], table[base + 3], table[base + 4])
                state = table[base + 5] & 7
                payloads = self._flows[(table[base + 5] >> _INFO) * _FLOW + 5] >> 8 if state == _UNDECIDED else 0
                found.append((ends, state, table[base + 7] >> 16, payloads))
        return found

    # Bulks of ordinary records

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
            ts_ns = seconds * _NS + self._file_u32(at + 4, big) * scale
            if self._packet(at + header, size, self._file_u32(at + 12, big), kind, self._base + self.number + 1, ts_ns, to_file):
                break
            self._time(ts_ns)
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
            if scale == 0 or ticks > _LATEST_NS // scale or _has_comment(self._view, at + 28 + ((size + 3) & ~3), at + total - 4, big):
                break
            if self._no_room(size):
                self._hungry = size + 1
                break
            if self._packet(at + 28, size, self._file_u32(at + 24, big), known[3 * which], self._base + self.number + 1, ticks * scale, to_file):
                break
            self._time(ticks * scale)
            known[3 * which + 2] = 1
            self.number += 1
            self.last_block_ns = ticks * scale
            at += total
        return at

    # One packet

    def packet(self, number: int, ts_ns: int, link: int, buffer: bytes | bytearray, at: int, size: int, wire_size: int, file_at: int) -> None:
        """One packet of any kind. ``file_at`` is where byte ``at`` of ``buffer`` lies in the capture's file."""
        self._view = buffer
        number += self._base
        kind = KINDS.get(link, 0)
        self._time(ts_ns)
        if kind == 0:
            self.unknown_links[link] = self.unknown_links.get(link, 0) + 1
            return
        self.room(size)
        code = self._packet(at, size, wire_size, kind, number, ts_ns, file_at - at)
        if code & _ICMP:
            self._icmp_room -= 1
            self.icmp.append((number, ts_ns, bytes(buffer[self._payload_at : at + size])))
        if code & _DATAGRAM:
            self._datagram_room -= 1
            self.datagrams.append((number, ts_ns, bytes(buffer[self._payload_at : at + size])))
        if code & _SLOW:
            for segment in self.slow.decode(bytes(buffer[at : at + size]), link, wire_size, ts_ns, number):
                self._peeled(number, ts_ns, segment)

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
            if ts_ns < self._first_ns:
                self._first_ns = ts_ns

    def _packet(self, at: int, size: int, wire_size: int, kind: int, number: int, ts_ns: int, to_file: int) -> int:
        """What is left to do for this packet outside (flags); nothing was changed when it is not `_DONE`."""
        end = at + size
        ethertype = 0
        p = end
        if kind == 1 or kind == 2:  # Ethernet, Linux cooked
            p = at + (14 if kind == 1 else 16)
            if p > end:
                return _DONE
            ethertype = self._u16(p - 2)
            while (ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100) and p + 4 <= end:
                ethertype = self._u16(p + 2)
                p += 4
        elif kind == 3:  # Linux cooked, version 2
            p = at + 20
            if p > end:
                return _DONE
            ethertype = self._u16(at)
        elif kind == 4:
            p = at
            if size:
                ethertype = 0x0800 if self._view[at] >> 4 == 4 else 0x86DD if self._view[at] >> 4 == 6 else 0
        elif kind == 5:
            p = at + 4
            if p > end:
                return _DONE
            family = self._file_u32(at, 0 if self._view[at] else 1)
            ethertype = 0x0800 if family == 2 else 0x86DD if family == 10 or family == 24 or family == 28 or family == 30 else 0
        elif kind == 6:
            return _SLOW
        else:
            return _UNKNOWN
        if ethertype == 0x0800:
            if end - p < 20 or self._view[p] >> 4 != 4:
                self.undecodable += 1
                return _DONE
            t = p + ((self._view[p] & 15) << 2)
            protocol = self._view[p + 9]
            if self._u16(p + 6) & 0x3FFF:
                return _SLOW if protocol == 6 or protocol == 17 or protocol == 4 or protocol == 41 or protocol == 47 else _DONE
            if protocol != 6:
                return self._other(protocol, p, t, end)
            if t < p + 20 or end - t < 20:
                self.undecodable += 1
                return _DONE
            total = self._u16(p + 2)
            ip_end = p + total if total else at + wire_size  # a total of 0: TCP segmentation offload, frame over 64 KiB
            hops = self._view[p + 8]
            ident = hops << 32 | self._u16(p + 4) << 16
            return self._tcp(number, ts_ns, 1, self._u32(p + 12), 0, self._u32(p + 16), 0, ident, t, end, ip_end, to_file)
        if ethertype == 0x86DD:
            if end - p < 40 or self._view[p] >> 4 != 6:
                self.undecodable += 1
                return _DONE
            protocol = self._view[p + 6]
            total = self._u16(p + 4)
            ip_end = p + 40 + total if total else at + wire_size
            t = p + 40
            while (protocol == 0 or protocol == 43 or protocol == 51 or protocol == 60 or protocol == 135) and t + 8 <= end:
                step = (self._view[t + 1] + 2) << 2 if protocol == 51 else (self._view[t + 1] + 1) << 3
                protocol = self._view[t]
                t += step
            if protocol == 44:
                return _SLOW
            if protocol != 6:
                return self._other(protocol, p, t, end)
            if end - t < 20:
                self.undecodable += 1
                return _DONE
            hops = self._view[p + 7]
            ident = hops << 32
            return self._tcp(number, ts_ns, 0, self._u64(p + 8), self._u64(p + 16), self._u64(p + 24), self._u64(p + 32), ident, t, end, ip_end, to_file)
        if ethertype == 0x8847 or ethertype == 0x8848 or ethertype == 0x8864 or ethertype == 0x6558:
            return _SLOW
        if ethertype < 0x600 and kind == 1 and p + 2 <= end and self._view[p] == 0xAA and self._view[p + 1] == 0xAA:  # SNAP
            return _SLOW
        return _DONE

    def _other(self, protocol: int, p: int, t: int, end: int) -> int:
        """Not TCP: tunnels go to the slow path, Kerberos messages and ICMP errors are kept, everything else is none of our business."""
        code = _DONE
        if protocol == 4 or protocol == 41 or protocol == 47 or protocol == 51:
            code = _SLOW
        elif protocol == 17 and t + 4 <= end:
            near = self._u16(t)
            far = self._u16(t + 2)
            if far == 4789 or far == 8472 or far == 6081 or far == 4754 or far == 2152 or near == 4789:
                code = _SLOW
            if (near == 88 or far == 88) and t + 8 < end and _is_kdc(self._view[t + 8]) and not self._only:
                if self._datagram_room > 0:
                    self._payload_at = p
                    code |= _DATAGRAM
                else:
                    self.datagrams_over += 1
        elif self._is_error(protocol, t, end) and not self._only:
            if self._icmp_room > 0:
                self._payload_at = p
                code = _ICMP
            else:
                self.icmp_over += 1
        return code

    def _is_error(self, protocol: int, t: int, end: int) -> int:
        """1 for an ICMP error that quotes TCP: unreachable or time exceeded (RFC 792), and those of ICMPv6 with packet too big (RFC 4443)."""
        if protocol == 1 and t + 28 <= end:
            return 1 if (self._view[t] == 3 or self._view[t] == 11) and self._view[t + 17] == 6 else 0
        if protocol == 58 and t + 48 <= end:
            return 1 if 1 <= self._view[t] <= 3 and self._view[t + 14] == 6 else 0
        return 0

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
        self.tcp_packets += 1
        offset = (self._view[t + 12] >> 4) << 2
        if offset < 20:
            self.undecodable += 1
            return _DONE
        payload_at = t + offset
        wire_payload = ip_end - payload_at
        if wire_payload < 0:
            if ip_end < t + 20:
                self.undecodable += 1
                return _DONE
            wire_payload = 0
        size = end - payload_at
        if size < 0:
            size = 0
        if size > wire_payload:
            size = wire_payload
        if size < wire_payload:
            self.snapped += 1
        near = self._u16(t)
        far = self._u16(t + 2)
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
        if self._only and not info & _WANTED:
            return _DONE
        if not self._table[at + 4]:
            self._used += 1
            self._table[at] = s0
            self._table[at + 1] = s1
            self._table[at + 2] = d0
            self._table[at + 3] = d1
            self._table[at + 4] = ports
            info = self._new(at, number, swapped, seq, flags)
        else:
            way = swapped ^ (info >> 3 & 1)
            known = info >> (4 + way) & 1
            if flags & 22 == _SYN:  # neither RST nor ACK
                isn = (self._table[at + 6] >> (32 * way)) & _LOW
                if (known and isn != seq) or (not known and not self._late_syn(info, way, seq)):
                    info = self._new(at, number, swapped, seq, flags)
                else:
                    info = self._isn(at, info if known else info | _GUESSED, way, seq)
            elif flags & _SYN and not known:
                info = self._isn(at, info, way, seq)
        self._table[at + 7] = (self._table[at + 7] & ~0xFFFF) | self._epoch
        direction = swapped ^ (info >> 3 & 1)
        state = info & 7
        head = size if size < self._prefix_size else self._prefix_size
        if state == _REJECTED or state == _LATE:
            if state == _REJECTED and size >= 4 and _starts_late(self._u32(payload_at)) and self._judge(self._view, payload_at, head, ports) == _HTTP:
                self._table[at + 5] = (info & ~7) | _LATE
                self._lates[self._late_count] = self._table[at + 7] >> 16
                self._late_count += 1
            return _DONE
        flow = info >> _INFO
        if size and state == _UNDECIDED:
            state = self._decide(self._view, flow, direction, payload_at, head, ports)
            if state != _UNDECIDED:
                info = (info & ~7) | state
                if self._only and (state == _REJECTED or not info & _TO_THE_END):
                    info &= ~_WANTED
                    self._wanted -= 1
                self._table[at + 5] = info
                if state == _REJECTED:
                    return _DONE
        spooled = 0
        file_at = payload_at + to_file
        if size and (to_file < 0 or not self.in_place):
            spooled = 1
            if self._spooled + size > self._spool_limit:  # the bytes are a hole
                self._spool_full = 1
                size = file_at = 0
            else:
                self._copy(payload_at, size)
                file_at = self._spooled
                self._spooled += size
        base = self._row_count * _ROW
        window = self._u16(t + 14)
        scale = self._scale(t + 20, payload_at if payload_at < end else end) if flags & _SYN else 0
        self._rows[base] = window << 48 | number
        self._rows[base + 1] = ts_ns
        self._rows[base + 2] = seq << 32 | self._u32(t + 8)
        self._rows[base + 3] = flow << 32 | scale << 18 | (ident >> 32) << 10 | spooled << 9 | direction << 8 | flags
        self._rows[base + 4] = size << 32 | wire_payload
        self._rows[base + 5] = file_at
        self._rows[base + 6] = self._flows[flow * _FLOW + 6] << 32 | (ident & _LOW) | self._u16(t + 16)
        self._row_count += 1
        self._flows[flow * _FLOW + 6] = self._row_count
        self._flows[flow * _FLOW + 7] += 1
        return _DONE

    # The table of 4-tuples

    def _find(self, s0: int, s1: int, d0: int, d1: int, ports: int) -> int:
        """The place in the table of these ends' slot, or of the empty slot that is theirs to take."""
        last = self._slots - 1
        mixed = ((s0 ^ self._seed) * _MIX + (d0 ^ ports) * _MIX2 + (s1 ^ (d1 << 1 & _MASK)) * _MIX3) & _MASK
        mixed = ((mixed ^ mixed >> 32) * _MIX) & _MASK
        slot = (mixed ^ mixed >> 29) & last
        while True:
            at = slot * _SLOT
            if self._table[at + 4] == 0:
                return at
            if self._table[at] == s0 and self._table[at + 2] == d0 and self._table[at + 4] == ports and self._table[at + 1] == s1 and self._table[at + 3] == d1:
                return at
            slot = (slot + 1) & last

    def _new(self, at: int, number: int, swapped: int, seq: int, flags: int) -> int:
        """A new flow in the slot at ``at``; gives its state word: state, 8 when its first sender is the higher end, numbers known, flow."""
        if self._flow_free:
            self._flow_free -= 1
            flow = self._free_flows[self._flow_free]
        else:
            flow = self._flow_count
            self._flow_count += 1
        state = _UNDECIDED
        while self._next_force < self._forces and self._force[self._next_force] < number:
            self._next_force += 1
        if self._next_force < self._forces and self._force[self._next_force] == number:
            state = _HTTP
        base = flow * _FLOW
        for word in range(5):
            self._flows[base + word] = self._table[at + word]
        self._flows[base + 5] = state | swapped << 3 | (16 if flags & 22 == _SYN else 0)
        self._flows[base + 6] = self._flows[base + 7] = self._flows[base + 9] = self._flows[base + 10] = 0
        self._flows[base + 8] = number
        info = flow << _INFO | state | swapped << 3
        if self._table[at + 5]:
            info |= _REUSED
        if state == _HTTP:
            info |= _FORCED
        if flags & _SYN:
            info |= 16 if flags & _ACK else 16 | _BEGUN
        self._table[at + 5] = info
        self._table[at + 6] = seq
        self._table[at + 7] = number << 16
        return info

    def _isn(self, at: int, info: int, way: int, seq: int) -> int:
        """Notes a direction's initial sequence number."""
        info |= 16 << way
        self._table[at + 5] = info
        if way:
            self._table[at + 6] = (self._table[at + 6] & _LOW) | seq << 32
        else:
            self._table[at + 6] = (self._table[at + 6] & ~_LOW) | seq
        return info

    def _late_syn(self, info: int, way: int, seq: int) -> int:
        """1 when a SYN without a known predecessor fits just below what the flow has sent so far (packets out of order): then it belongs to the flow."""
        state = info & 7
        if state == _REJECTED or state == _LATE:
            return 0
        rows = self._rows
        sent = acked = far_sent = far_acked = 0
        row = self._flows[(info >> _INFO) * _FLOW + 6]
        while row:
            base = (row - 1) * _ROW
            if (rows[base + 3] >> 8 & 1) == way:
                sent = 1
                if (((rows[base + 2] >> 32) - seq) & _LOW) > _LATE_SYN_WINDOW:
                    far_sent = 1
            elif rows[base + 3] & _ACK:
                acked = 1
                if (((rows[base + 2] & _LOW) - seq) & _LOW) > _LATE_SYN_WINDOW:
                    far_acked = 1
            row = rows[base + 6] >> 32
        return 1 - far_sent if sent else acked & (1 - far_acked)

    # The verdict

    def _decide(self, view: Bytes, flow: int, direction: int, at: int, size: int, ports: int) -> int:
        """The state after one more payload: by how the segment begins, else by how the direction began (starts cut into small segments)."""
        base = flow * _FLOW
        self._flows[base + 5] += 256
        count = self._flows[base + 5] >> 8
        shift = 32 * direction
        slot = (self._flows[base + 9] >> shift) & _LOW
        have = (self._flows[base + 10] >> shift) & _LOW
        state = self._judge(view, at, size, ports)
        growing = 0
        if slot != _DEAD and state == _UNDECIDED:
            if slot == 0:
                growing = self._growing(view, at, size)
                if growing:
                    self._prefix_free -= 1
                    slot = self._free_prefixes[self._prefix_free] + 1
                    self._add_to_prefix(slot - 1, 0, view, at, size)
                    have = size
            else:
                more = self._prefix_size - have
                if more > size:
                    more = size
                begin = (slot - 1) * self._prefix_size
                self._add_to_prefix(slot - 1, have, view, at, more)
                have += more
                if have > size:
                    state = self._judge(self._prefixes, begin, have, ports)
                growing = self._growing(self._prefixes, begin, have)
                if not growing:
                    self._free_prefixes[self._prefix_free] = slot - 1
                    self._prefix_free += 1
            if not growing:
                slot = _DEAD
            self._flows[base + 9] = (self._flows[base + 9] & ~(_LOW << shift)) | slot << shift
            self._flows[base + 10] = (self._flows[base + 10] & ~(_LOW << shift)) | have << shift
        if state == _UNDECIDED and count >= self._undecided_payloads and growing != 2:
            # In the middle of a connection a body may hide what it is; a TLS record does not.
            tls = size > 1 and 20 <= view[at] <= 23 and view[at + 1] == 3
            if self._patience > 0 and not self._flows[base + 5] & 16 and not tls:
                self._patience -= 1
            else:
                state = _REJECTED
        if state != _UNDECIDED:
            self._settle(flow, state)
        return state

    def _settle(self, flow: int, state: int) -> None:
        """The flow has its verdict."""
        base = flow * _FLOW
        self._flows[base + 5] = (self._flows[base + 5] & ~7) | state
        for shift in range(0, 64, 32):
            slot = (self._flows[base + 9] >> shift) & _LOW
            if slot and slot != _DEAD:
                self._free_prefixes[self._prefix_free] = slot - 1
                self._prefix_free += 1
        self._flows[base + 9] = 0
        if state == _REJECTED:
            self._dead_rows += self._flows[base + 7]
            self._flow_dead += 1

    def _add_to_prefix(self, slot: int, have: int, view: Bytes, at: int, size: int) -> None:
        begin = slot * self._prefix_size + have
        for i in range(size):
            self._prefixes[begin + i] = view[at + i]

    def _growing(self, view: Bytes, at: int, size: int) -> int:
        """2 while a direction's first bytes come in small pieces and may yet become a start line with its headers; 1 when more bytes may tell anything."""
        if size < self._prefix_size and _may_become(view, at, size, self._words, self._methods) and _head_end(view, at, at + size) == at + size:
            return 2
        return 1 if size < 6 else 0

    def _judge(self, view: Bytes, at: int, size: int, ports: int) -> int:
        """The verdict on bytes that begin a segment (or a direction); `_UNDECIDED` when they tell nothing."""
        near = ports >> 16 & 0xFFFF
        far = ports & 0xFFFF
        if (near == 88 or far == 88) and size > 4 and _is_kdc(view[at + 4]):  # RFC 4120 section 7.2.2: a length of four bytes, then the message
            return _KDC
        first = view[at]
        if first == 80 or first == 13:  # perhaps a PROXY header: what stands behind it tells
            skip = _proxy_header(view, at, size)
            if skip:
                return self._judge(view, at + skip, size - skip, ports) if skip < size else _UNDECIDED
        if 65 <= first <= 90:
            method = _word_at(view, at, at + size, self._words, self._methods, 0)
            if method:
                return _HTTP if self.all_http or method == 8 or self._interesting(view, at, at + size, method) else _UNDECIDED
        elif first == 22 and size > 5 and view[at + 1] == 3 and 1 <= view[at + 5] <= 2:
            for port in self._tls_ports:
                if port == near or port == far:
                    return _TLS
            return _REJECTED
        elif (first == 4 or first == 5) and _asks_socks(view, at, size):
            return _HTTP
        return _UNDECIDED

    def _interesting(self, view: Bytes, at: int, end: int, method: int) -> int:
        """1 for a head that shows WS-Management or authentication."""
        words = self._words
        if method == 10 and _status_asks(view, at, end):
            return 1
        i = at
        while i < end and view[i] != 10:
            i += 1
        line_end = i
        i = at
        while i < line_end:
            if view[i] == 47 and _word_at(view, i, line_end, words, self._targets, 1):
                return 1
            i += 1
        end = _head_end(view, at, end)
        i = at
        while i < end:
            byte = view[i]
            if byte == 10 and _word_at(view, i, end, words, self._fields, 1):
                return 1
            if (byte == 97 or byte == 65) and _word_at(view, i, end, words, self._types_a, 1):
                return 1
            if (byte == 109 or byte == 77) and _word_at(view, i, end, words, self._types_m, 1):
                return 1
            i += 1
        return 0

    # Room

    def _no_room(self, size: int) -> int:
        """1 when the arrays may not take one more packet of ``size`` bytes."""
        if self._row_count >= self._row_room or (self._flow_count >= self._flow_room and not self._flow_free):
            return 1
        if not self._prefix_free or self._late_count >= self._late_room or self._used * 8 >= self._slots * 5:
            return 1
        return 1 if not self.in_place and self._out_count + size > self._out_room else 0

    def room(self, size: int) -> None:
        """Makes room for one packet of ``size`` bytes: drops what is rejected, then lets arrays grow."""
        if self._row_count >= self._row_room:
            if self._dead_rows * 4 >= self._row_count:
                self._compact()
            if self._row_count * 4 >= self._row_room * 3:
                self._row_room *= 2
                self._rows = _longer(self._rows, self._row_room * _ROW)
        if self._flow_count >= self._flow_room and not self._flow_free:
            self._more_flows()
        if not self._prefix_free:
            self._more_prefixes()
        if self._late_count >= self._late_room:
            self._late_room *= 2
            self._lates = _longer(self._lates, self._late_room)
        if self._used * 8 >= self._slots * 5:
            self._more_slots()
        if self._out_count + size > self._out_room:
            self._flush()
            if size > self._out_room:
                self._out_room = size
                self._out = bytearray(size)

    def _flush(self) -> None:
        if self._out_count:
            self.spool(bytes(self._out[: self._out_count]))
            self._out_count = 0

    def _copy(self, at: int, size: int) -> None:
        """Takes payload to be spooled."""
        begin = self._out_count
        self._out[begin : begin + size] = self._view[at : at + size]
        self._out_count = begin + size

    def _more_prefixes(self) -> None:
        old = self._prefixes
        self._prefixes = bytearray(2 * self._prefix_room * self._prefix_size)
        self._prefixes[: self._prefix_room * self._prefix_size] = old
        self._free_prefixes = _longer(array("Q", range(self._prefix_room, 2 * self._prefix_room)), 2 * self._prefix_room)
        self._prefix_free = self._prefix_room
        self._prefix_room *= 2

    def _more_flows(self) -> None:
        if self._flow_dead * 4 < self._flow_room and self._flow_room >= self.limits.undecided_flows:
            self._give_up()
        if self._flow_dead * 4 >= self._flow_room:
            self._compact()
            return
        self._flow_room *= 2
        self._flows = _longer(self._flows, self._flow_room * _FLOW)
        self._free_flows = _longer(self._free_flows, self._flow_room)

    def _give_up(self) -> None:
        """Rejects the older half of the undecided flows; those on WinRM's ports only when there are no others."""
        flows = self._flows
        waiting = [flow for flow in range(self._flow_count) if flows[flow * _FLOW + 5] & 7 == _UNDECIDED]
        other = [flow for flow in waiting if not self._on_winrm_port(flow)]
        if len(other) * 4 >= self._flow_room:
            waiting = other
        waiting = [flow for _, flow in sorted([(self._first_packet(flow), flow) for flow in waiting])]
        for flow in waiting[: (len(waiting) + 1) // 2]:
            self._settle(flow, _REJECTED)
            base = flow * _FLOW
            at = self._find(flows[base], flows[base + 1], flows[base + 2], flows[base + 3], flows[base + 4])
            if self._table[at + 4] and self._table[at + 5] >> _INFO == flow:
                self._table[at + 5] = (self._table[at + 5] & ~7) | _REJECTED
            self.given_up += 1

    def _on_winrm_port(self, flow: int) -> int:
        ports = self._flows[flow * _FLOW + 4]
        return 1 if (ports & 0xFFFF) in _WINRM_PORTS or (ports >> 16 & 0xFFFF) in _WINRM_PORTS else 0

    def _first_packet(self, flow: int) -> int:
        return self._flows[flow * _FLOW + 8]

    def _compact(self) -> None:
        """Drops the rows of rejected flows, and takes their places for new flows."""
        flows = self._flows
        rows = self._rows
        for flow in range(self._flow_count):
            flows[flow * _FLOW + 6] = 0
        to = 0
        for row in range(self._row_count):
            base = row * _ROW
            flow = rows[base + 3] >> 32
            if flows[flow * _FLOW + 5] & 7 == _REJECTED:
                continue
            into = to * _ROW
            for word in range(6):
                rows[into + word] = rows[base + word]
            rows[into + 6] = (rows[base + 6] & _LOW) | flows[flow * _FLOW + 6] << 32
            to += 1
            flows[flow * _FLOW + 6] = to
        self._row_count = to
        self._dead_rows = 0
        for flow in range(self._flow_count):
            if flows[flow * _FLOW + 5] & 7 == _REJECTED:
                flows[flow * _FLOW + 5] = _FREE
                self._free_flows[self._flow_free] = flow
                self._flow_free += 1
        self._flow_dead = 0

    def _more_slots(self) -> None:
        """Twice the slots; at the limit, rejected flows are forgotten instead: those that were not met since the last time, and all when that is too little."""
        oldest_only = 1
        if self._slots * 2 <= self.limits.flow_table_slots:
            self._rehash(self._slots * 2, 0, 0)
            return
        if self._droppable(1) * 4 < self._used:
            oldest_only = 0
        slots = self._slots if self._droppable(oldest_only) * 4 >= self._used else self._slots * 2
        self._rehash(slots, 1, oldest_only)
        self._epoch = (self._epoch + 1) & 0xFFFF

    def _is_droppable(self, at: int, oldest_only: int) -> int:
        state = self._table[at + 5] & 7
        if state != _REJECTED and state != _LATE and not self._table[at + 5] & _FORCED:
            return 0
        return 0 if oldest_only and self._table[at + 7] & 0xFFFF == self._epoch else 1

    def _droppable(self, oldest_only: int) -> int:
        count = 0
        for slot in range(self._slots):
            if self._table[slot * _SLOT + 4] and self._is_droppable(slot * _SLOT, oldest_only):
                count += 1
        return count

    def _rehash(self, slots: int, drop: int, oldest_only: int) -> None:
        old = self._table
        old_slots = self._slots
        dropped = bytearray(old_slots)
        gone = dropped
        if drop:
            for slot in range(old_slots):
                if old[slot * _SLOT + 4] and self._is_droppable(slot * _SLOT, oldest_only):
                    gone[slot] = 1
                    self.forgotten += 1
        self._table = _zeros(slots * _SLOT)
        self._slots = slots
        self._used = 0
        for slot in range(old_slots):
            base = slot * _SLOT
            if old[base + 4] and not gone[slot]:
                at = self._find(old[base], old[base + 1], old[base + 2], old[base + 3], old[base + 4])
                for word in range(_SLOT):
                    self._table[at + word] = old[base + word]
                self._used += 1

    # What was found

    def flows(self, host: Callable[[bytes], str]) -> tuple[Flow, ...]:
        """The kept flows in order of their first packet. ``host`` makes text of an address. Silent flows to a WinRM port are kept: nobody answered them."""
        self._flush()
        return tuple([self.flow(flow, host) for _, flow, state, payloads in self.open_flows() if self.is_kept(flow, state, payloads)])

    def open_flows(self) -> list[tuple[int, int, int, int]]:
        """(number of the first packet, flow, state, payloads that came before the verdict) of every flow that has rows, in order of their first packet."""
        words = self._flows
        found = []
        for flow in range(self._flow_count):
            about = words[flow * _FLOW + 5]
            if about & 7 != _REJECTED and about & 7 != _FREE:
                found.append((words[flow * _FLOW + 8], flow, about & 7, about >> 8))
        found.sort()
        return found

    def is_kept(self, flow: int, state: int, payloads: int) -> bool:
        """True for flows with a verdict, and for those to a WinRM port that nobody answered."""
        return state != _UNDECIDED or (payloads == 0 and self._on_winrm_port(flow) == 1)

    def flow(self, flow: int, host: Callable[[bytes], str], before: int = 0) -> Flow:
        """The record of a flow; ``before`` packets came before those that this kernel saw."""
        words = self._flows
        base = flow * _FLOW
        one, other, two, other2, ports, info = words[base], words[base + 1], words[base + 2], words[base + 3], words[base + 4], words[base + 5]
        if ports >> 32 & 1:
            hosts = [host(one.to_bytes(4, "big")), host(two.to_bytes(4, "big"))]
        else:
            hosts = [host(one.to_bytes(8, "big") + other.to_bytes(8, "big")), host(two.to_bytes(8, "big") + other2.to_bytes(8, "big"))]
        numbers = [ports >> 16 & 0xFFFF, ports & 0xFFFF]
        if info >> 3 & 1:
            hosts.reverse()
            numbers.reverse()
        return Flow(self.capture, (hosts[0], hosts[1]), (numbers[0], numbers[1]), _VERDICTS[info & 7], self._segments(flow, before))

    def _segments(self, flow: int, before: int) -> Segments:
        rows = self._rows
        count = self._flows[flow * _FLOW + 7]
        row = self._flows[flow * _FLOW + 6]
        columns = [array("q", bytes(8 * count)) for _ in range(13)]
        key, ts_ns, direction, seq, ack, flags, size, wire_size, source, file_at, ident, ttl, window = columns
        first_key = packet_key(self.capture, 0) + before
        place = count
        while row:
            place -= 1
            base = (row - 1) * _ROW
            about = rows[base + 3]
            key[place] = first_key + (rows[base] & _NUMBER)
            ts_ns[place] = rows[base + 1]
            direction[place] = about >> 8 & 1
            seq[place] = rows[base + 2] >> 32
            ack[place] = rows[base + 2] & _LOW if about & _ACK else -1
            flags[place] = about & 255
            size[place] = rows[base + 4] >> 32
            wire_size[place] = rows[base + 4] & _LOW
            source[place] = 2 * self.capture + (about >> 9 & 1)
            file_at[place] = rows[base + 5]
            ident[place] = rows[base + 6] & _LOW
            ttl[place] = about >> 10 & 255
            window[place] = (about >> 18 & 15) << 16 | rows[base] >> 48
            row = rows[base + 6] >> 32
        return Segments(*columns)

    # Two halves of one capture (see analyzer.capture.halves)

    def rejected_at(self, hosts: frozenset[tuple[int, int]], ports: tuple[int, ...]) -> list[int]:
        """First packets of rejected flows that a SYN began to one of these addresses (as two words of the table; none: to any) and ports."""
        found = []
        table = self._table
        for slot in range(self._slots):
            base = slot * _SLOT
            info = table[base + 5]
            if not table[base + 4] or info & 7 != _REJECTED or not info & _BEGUN:
                continue
            end = base if info >> 3 & 1 else base + 2  # the one that did not send the SYN
            port = table[base + 4] >> 16 & 0xFFFF if info >> 3 & 1 else table[base + 4] & 0xFFFF
            if port in ports and (not hosts or (table[end], table[end + 1]) in hosts):
                found.append(table[base + 7] >> 16)
        return found

    def is_patient(self, payloads: int) -> None:
        """Connections that began before this kernel's first packet are rejected later, until so many payloads were kept for that in all."""
        self._patience = payloads

    def meeting(self, later: "Kernel") -> list[tuple[int, int]]:
        """The slots of 4-tuples that both kernels met: (slot here, slot there)."""
        found = []
        there = later._table  # noqa: SLF001  one of us
        for slot in range(later._slots):  # noqa: SLF001  one of us
            base = slot * _SLOT
            if there[base + 4]:
                at = self._find(there[base], there[base + 1], there[base + 2], there[base + 3], there[base + 4])
                if self._table[at + 4]:
                    found.append((at, base))
        return found

    def slot(self, at: int) -> tuple[int, int, int, int, int, int]:
        """(state, state word, initial sequence number of the first sender, of the other, number of the first packet, flow) of a slot."""
        info = self._table[at + 5]
        return info & 7, info, self._table[at + 6] & _LOW, self._table[at + 6] >> 32, self._table[at + 7] >> 16, info >> _INFO

    def payloads(self, flow: int) -> int:
        """How many payloads of a flow came before its verdict."""
        return self._flows[flow * _FLOW + 5] >> 8

    def want(self, at: int, to_the_end: int) -> None:
        """`goes_on` will look at this slot's flow: until it has its verdict, or, when that is to keep it, to the end."""
        self._table[at + 5] |= _WANTED | _TO_THE_END if to_the_end else _WANTED
        self._wanted += 1

    def goes_on(self) -> None:
        """From here on only flows that are wanted are looked at, and nothing is counted."""
        self._only = 1
        self._alone_ns = -1
        self._before = (self.tcp_packets, self.snapped, self.undecodable, self.backwards)

    def is_wanting(self, last_ns: int) -> bool:
        """True while going on may still tell something: a flow is wanted, or no time so far is as late as the latest before, ``last_ns``."""
        return self._wanted > 0 or self._alone_ns < last_ns

    def absorb(self, later: "Kernel", packets: int) -> None:
        """Adds the counts of the half that follows ``packets`` packets."""
        more = 0
        if self._only:
            more = self.backwards - self._before[3] - self._alone_backwards
            self.tcp_packets, self.snapped, self.undecodable, self.backwards = self._before
        self.tcp_packets += later.tcp_packets
        self.snapped += later.snapped
        self.undecodable += later.undecodable
        self.backwards += later.backwards + more
        self._first_ns = min(self._first_ns, later._first_ns)  # noqa: SLF001  one of us
        self._last_ns = max(self._last_ns, later._last_ns)  # noqa: SLF001  one of us
        self._file_first_ns = self._first_ns
        self._file_last_ns = self._last_ns
        for link, count in later.unknown_links.items():
            self.unknown_links[link] = self.unknown_links.get(link, 0) + count
        room = self.limits.kdc_datagrams - len(self.datagrams)
        self.datagrams += [(number + packets, ts_ns, packet) for number, ts_ns, packet in later.datagrams[:room]]
        self.datagrams_over += later.datagrams_over + max(len(later.datagrams) - room, 0)
        room = self.limits.icmp_errors - len(self.icmp)
        self.icmp += [(number + packets, ts_ns, packet) for number, ts_ns, packet in later.icmp[:room]]
        self.icmp_over += later.icmp_over + max(len(later.icmp) - room, 0)

    def is_plain(self) -> bool:
        """True when nothing was spooled, forgotten or given up: then flows do not depend on each other, and halves can be put together."""
        return not self._spooled and not self._out_count and not self.forgotten and not self.given_up and not self.slow.frames
