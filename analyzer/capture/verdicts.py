"""The verdict on a flow, by its first payloads: the packet kernel's second unit (`analyzer.capture.kernel`).

WinRM is found by content on any port; only TLS, whose content cannot be seen, needs a port. A flow is kept when it shows
WS-Management (target, content type, user agent), when it authenticates over HTTP (a proxy's 407 may travel on a connection of
its own), or when it is a CONNECT. Plain web traffic is rejected.
"""

from array import array
from collections.abc import Iterable

from analyzer.capture.bits import DEAD, FLOW, HTTP, KDC, KNOWN, LOW, REJECTED, STATE, TLS, UNDECIDED, WINRM_PORTS, Bytes
from analyzer.capture.table import Table, longer
from analyzer.settings import Limits

_WORDS = (
    b"OPTIONS GET HEAD POST PUT DELETE TRACE CONNECT PATCH HTTP/1. /wsman/powershell\nauthorization:\nproxy-authorization:\nwww-authenticate:"
    b"\nproxy-authenticate:\nwsmanidentify:application/soap+xmlmultipart/encryptedmultipart/x-multi-encryptedmicrosoft winrm client"
)

_RANDOM = 11
"""Where the random of a ClientHello stands in a record of TLS (RFC 8446 sections 4.1.2 and 5.1)."""
_SOCKS_MORE, _SOCKS_SIZE = 4, 515
"""Further payloads that a SOCKS dialog is given, and the size of its largest message (user name and password)."""


def _spans(*words: bytes) -> "array[int]":
    return array("Q", [number for word in words for number in (_WORDS.index(word), len(word))])


_METHODS = _spans(b"OPTIONS ", b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"TRACE ", b"CONNECT ", b"PATCH ", b"HTTP/1.")
_TARGETS = _spans(b"/wsman", b"/powershell")
_FIELDS = _spans(b"\nauthorization:", b"\nproxy-authorization:", b"\nwww-authenticate:", b"\nproxy-authenticate:", b"\nwsmanidentify:")
_TYPES_A = _spans(b"application/soap+xml")
_TYPES_M = _spans(b"multipart/encrypted", b"multipart/x-multi-encrypted", b"microsoft winrm client")


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
        have = min(have, size)
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
        return min(size, i)
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


class Verdicts(Table):
    """Tells what a flow is. ``all_http``: everything that is HTTP is kept."""

    def __init__(self, limits: Limits, force: frozenset[int], all_http: bool) -> None:  # noqa: FBT001  the compiler's units know no keywords
        super().__init__(limits, force)
        self.all_http = 1 if all_http else 0
        self._undecided_payloads = limits.undecided_payload_packets
        self._patience = 0
        self._words = bytearray(_WORDS)
        self._methods = _METHODS
        self._targets = _TARGETS
        self._fields = _FIELDS
        self._types_a = _TYPES_A
        self._types_m = _TYPES_M
        self._tls_ports = array("Q", sorted({*limits.tls_ports, *WINRM_PORTS}))
        self._randoms = array("Q")
        self._known_randoms = 0
        # First bytes of directions that are cut into small segments.
        self._prefix_size = limits.undecided_prefix_bytes
        self._prefix_room = 16
        self._prefix_free = self._prefix_room
        self._prefixes = bytearray(self._prefix_room * self._prefix_size)
        self._free_prefixes = array("Q", range(self._prefix_room))

    def _decide(self, view: Bytes, flow: int, direction: int, at: int, size: int, ports: int) -> int:
        """The state after one more payload: by how the segment begins, else by how the direction began (starts cut into small segments)."""
        base = flow * FLOW
        self._flows[base + 5] += 256
        count = self._flows[base + 5] >> 8
        shift = 32 * direction
        slot = (self._flows[base + 9] >> shift) & LOW
        have = (self._flows[base + 10] >> shift) & LOW
        state = self._judge(view, at, size, ports)
        growing = 0
        if slot != DEAD and state == UNDECIDED:
            if slot == 0:
                growing = self._growing(view, at, size)
                if growing:
                    self._prefix_free -= 1
                    slot = self._free_prefixes[self._prefix_free] + 1
                    self._add_to_prefix(slot - 1, 0, view, at, size)
                    have = size
            else:
                more = self._prefix_size - have
                more = min(more, size)
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
                slot = DEAD
            self._flows[base + 9] = (self._flows[base + 9] & ~(LOW << shift)) | slot << shift
            self._flows[base + 10] = (self._flows[base + 10] & ~(LOW << shift)) | have << shift
        if state == UNDECIDED and count >= self._undecided_payloads and growing != 2:
            # In the middle of a connection a body may hide what it is; a TLS record does not.
            tls = size > 1 and 20 <= view[at] <= 23 and view[at + 1] == 3
            # A SOCKS dialog (RFC 1928, RFC 1929) has up to six payloads before what it carries.
            socks = count < self._undecided_payloads + _SOCKS_MORE and size <= _SOCKS_SIZE and (view[at] == 5 or view[at] == 1)
            if socks:
                state = UNDECIDED
            elif self._patience > 0 and not self._flows[base + 5] & KNOWN and not tls:
                self._patience -= 1
            else:
                state = REJECTED
        if state != UNDECIDED:
            self._settle(flow, state)
        return state

    def know(self, randoms: Iterable[bytes]) -> None:
        """TLS whose ClientHello has one of these randoms is kept on any port: a key log decrypts it."""
        known = {*self._randoms, *(int.from_bytes(one[:8], "big") for one in randoms if len(one) >= 8)}
        self._randoms = array("Q", sorted(known))
        self._known_randoms = len(known)

    def _is_known(self, view: Bytes, at: int) -> int:
        """1 when the random of the ClientHello at ``at`` is one that was told: its first eight bytes are looked for."""
        word = 0
        for i in range(8):
            word = word << 8 | view[at + _RANDOM + i]
        low = 0
        high = self._known_randoms
        while low < high:
            middle = (low + high) >> 1
            if self._randoms[middle] < word:
                low = middle + 1
            else:
                high = middle
        return 1 if low < self._known_randoms and self._randoms[low] == word else 0

    def _is_hello(self, view: Bytes, at: int, size: int) -> int:
        """1 for a hello of TLS, also behind a PROXY header."""
        first = view[at]
        if first == 80 or first == 13:
            skip = _proxy_header(view, at, size)
            if skip:
                return self._is_hello(view, at + skip, size - skip) if skip < size else 0
        return 1 if first == 22 and size > 5 and view[at + 1] == 3 and 1 <= view[at + 5] <= 2 else 0

    def _settle(self, flow: int, state: int) -> None:
        """The flow has its verdict."""
        base = flow * FLOW
        self._flows[base + 5] = (self._flows[base + 5] & ~STATE) | state
        for shift in range(0, 64, 32):
            slot = (self._flows[base + 9] >> shift) & LOW
            if slot and slot != DEAD:
                self._free_prefixes[self._prefix_free] = slot - 1
                self._prefix_free += 1
        self._flows[base + 9] = 0
        if state == REJECTED:
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
        return 1 if size < 6 or (view[at] == 22 and size < _RANDOM + 8) else 0

    def _more_prefixes(self) -> None:
        old = self._prefixes
        self._prefixes = bytearray(2 * self._prefix_room * self._prefix_size)
        self._prefixes[: self._prefix_room * self._prefix_size] = old
        self._free_prefixes = longer(array("Q", range(self._prefix_room, 2 * self._prefix_room)), 2 * self._prefix_room)
        self._prefix_free = self._prefix_room
        self._prefix_room *= 2

    def _judge(self, view: Bytes, at: int, size: int, ports: int) -> int:
        """The verdict on bytes that begin a segment (or a direction); `UNDECIDED` when they tell nothing."""
        near = ports >> 16 & 0xFFFF
        far = ports & 0xFFFF
        if (near == 88 or far == 88) and size > 4 and self._is_kdc(view[at + 4]):  # RFC 4120 section 7.2.2: a length of four bytes, then the message
            return KDC
        first = view[at]
        if first == 80 or first == 13:  # perhaps a PROXY header: what stands behind it tells
            skip = _proxy_header(view, at, size)
            if skip:
                return self._judge(view, at + skip, size - skip, ports) if skip < size else UNDECIDED
        if 65 <= first <= 90:
            method = _word_at(view, at, at + size, self._words, self._methods, 0)
            if method:
                return HTTP if self.all_http or method == 8 or self._interesting(view, at, at + size, method) else UNDECIDED
        elif first == 22 and size > 5 and view[at + 1] == 3 and 1 <= view[at + 5] <= 2:
            for port in self._tls_ports:
                if port == near or port == far:
                    return TLS
            if self._known_randoms and view[at + 5] == 1:
                if size < _RANDOM + 8:
                    return UNDECIDED
                if self._is_known(view, at):
                    return TLS
            return REJECTED
        elif (first == 4 or first == 5) and _asks_socks(view, at, size):
            return HTTP
        return UNDECIDED

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

    def _is_kdc(self, tag: int) -> int:
        """1 for AS-REQ, AS-REP, TGS-REQ, TGS-REP and KRB-ERROR (RFC 4120 section 5.10)."""
        return 1 if 0x6A <= tag <= 0x6D or tag == 0x7E else 0
