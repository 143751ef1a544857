"""The packet kernel: from rows of a capture to the rows of candidate flows. This is the one place where work is done per packet.

A packet's link, IP and TCP headers are decoded in place; its 4-tuple finds the flow; the flow's first payloads give it a verdict. Rows of kept and of
undecided flows are appended to arrays, rejected flows keep no rows. A SYN with a new initial sequence number begins a new flow on a reused 4-tuple, as in
Wireshark. What the fast path cannot read (tunnels, fragments, rare links) goes to the slow path, whose payload is spooled.

Written so that a compiler for typed Python can take it as it is: integers, bytes and arrays, no objects per packet.
"""

from collections.abc import Callable
from struct import Struct

from analyzer.capture.links import BY_NUMBER
from analyzer.capture.slow import Decoded, SlowPath
from analyzer.capture.verdict import KDC_TAGS, judge, late_start, looks_http, may_become_http
from analyzer.records.capture import Flow, Segments, Verdict
from analyzer.records.ids import packet_key
from analyzer.settings import Limits

_TCP = Struct(">HHIIBBHH").unpack_from
_U16 = Struct(">H").unpack_from
_IP, _IP6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
_SLOW_ETHERTYPES = (0x8847, 0x8848, 0x8864, 0x6558)
_SLOW_PROTOCOLS = (4, 41, 47)
_VXLAN = 4789
_KDC_PORT = 88
_TUNNEL_PORTS = (4789, 8472, 6081, 4754, 2152)
_IP6_HEADERS = (0, 43, 51, 60, 135)
_SNAP = b"\xaa\xaa"
_NULL_IP6 = (10, 24, 28, 30)
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_UNDECIDED, _HTTP, _TLS, _REJECTED, _KDC = range(5)
_VERDICTS = (Verdict.UNDECIDED, Verdict.HTTP, Verdict.TLS, Verdict.REJECTED, Verdict.KDC)
_CODES = {verdict: code for code, verdict in enumerate(_VERDICTS)}
_WINRM_PORTS = (5985, 5986, 47001)
_LATE_SYN_WINDOW = 1 << 16


class _Open:
    """A flow that is kept or undecided: its rows, and what the verdict still needs."""

    __slots__ = ("hosts", "payloads", "ports", "prefix", "segments")

    def __init__(self, hosts: tuple[bytes, bytes], ports: tuple[int, int]) -> None:
        self.hosts = hosts
        self.ports = ports
        self.segments = Segments()
        self.payloads = 0
        self.prefix = [b"", b""]


class Kernel:
    """Feed it every packet of one capture in order, then take ``flows()``. ``force`` names flows (by index) to keep whatever they look like.

    ``spool`` is None when payload stays where it is in the capture's file; else it takes bytes and gives the offset at which it wrote them,
    or -1 when it takes no more.
    """

    def __init__(
        self, capture: int, limits: Limits, slow: SlowPath, spool: Callable[[bytes], int], *, in_place: bool, all_http: bool, force: frozenset[int]
    ) -> None:
        self.capture = capture
        self.limits = limits
        self.slow = slow
        self.spool = spool
        self.in_place = in_place
        self.all_http = all_http
        self.force = force
        self.tcp_packets = 0
        self.snapped = 0
        self.undecodable = 0
        self.unknown_links: dict[int, int] = {}
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.backwards = 0
        self.late: set[int] = set()
        self.datagrams: list[tuple[int, bytes]] = []
        """Kerberos messages over UDP: (time, message)."""
        self._table: dict[bytes, int] = {}
        self._state = bytearray()
        self._isn: list[int] = []
        self._open: dict[int, _Open] = {}

    def packet(self, number: int, ts_ns: int, link: int, buffer: bytes, at: int, size: int, wire_size: int, file_at: int) -> None:
        """One packet. ``file_at`` is where byte ``at`` of ``buffer`` lies in the capture's file."""
        if self.first_ns is None:
            self.first_ns = self.last_ns = ts_ns
        elif self.last_ns is not None:
            if ts_ns > self.last_ns:
                self.last_ns = ts_ns
            elif ts_ns < self.last_ns:
                self.backwards += 1
                self.first_ns = min(ts_ns, self.first_ns)
        end = at + size
        row = BY_NUMBER.get(link)
        kind = "none" if row is None else row.kind
        ethertype = 0
        p = end
        if kind == "ether":
            if size >= 14:
                ethertype = buffer[at + 12] << 8 | buffer[at + 13]
                p = at + 14
                while ethertype in _TAGS and p + 4 <= end:
                    ethertype = buffer[p + 2] << 8 | buffer[p + 3]
                    p += 4
        elif kind == "sll":
            if size >= 16:
                ethertype = buffer[at + 14] << 8 | buffer[at + 15]
                p = at + 16
                while ethertype in _TAGS and p + 4 <= end:
                    ethertype = buffer[p + 2] << 8 | buffer[p + 3]
                    p += 4
        elif kind == "sll2":
            if size >= 20:
                ethertype = buffer[at] << 8 | buffer[at + 1]
                p = at + 20
        elif kind == "raw":
            p = at
            if size:
                ethertype = {4: _IP, 6: _IP6}.get(buffer[at] >> 4, 0)
        elif kind == "null":
            p = at + 4
            if size >= 4:
                family = int.from_bytes(buffer[at:p], "little") if buffer[at] else int.from_bytes(buffer[at:p], "big")
                ethertype = _IP if family == 2 else _IP6 if family in _NULL_IP6 else 0
        elif kind == "slow":
            self._slow(number, ts_ns, link, buffer[at:end], wire_size)
            return
        else:
            self.unknown_links[link] = self.unknown_links.get(link, 0) + 1
            return
        if ethertype == _IP:
            self._ip4(number, ts_ns, link, buffer, at, p, end, wire_size, file_at)
        elif ethertype == _IP6:
            self._ip6(number, ts_ns, link, buffer, at, p, end, wire_size, file_at)
        elif ethertype in _SLOW_ETHERTYPES or (ethertype < 0x600 and buffer[p : p + 2] == _SNAP and kind == "ether"):
            self._slow(number, ts_ns, link, buffer[at:end], wire_size)

    def _ip4(self, number: int, ts_ns: int, link: int, buffer: bytes, at: int, p: int, end: int, wire_size: int, file_at: int) -> None:
        if end - p < 20 or buffer[p] >> 4 != 4:
            self.undecodable += 1
            return
        header = (buffer[p] & 15) << 2
        protocol = buffer[p + 9]
        fragment = (buffer[p + 6] << 8 | buffer[p + 7]) & 0x3FFF
        if fragment:
            if protocol in (6, 17) or protocol in _SLOW_PROTOCOLS:
                self._slow(number, ts_ns, link, buffer[at:end], wire_size)
            return
        t = p + header
        if protocol != 6:
            self._other(protocol, number, ts_ns, link, buffer, at, t, end, wire_size)
            return
        if header < 20 or end - t < 20:
            self.undecodable += 1
            return
        total = buffer[p + 2] << 8 | buffer[p + 3]
        ip_end = p + total if total else at + wire_size  # a total of 0: TCP segmentation offload, frame over 64 KiB
        ident = buffer[p + 4] << 24 | buffer[p + 5] << 16
        key = buffer[p + 12 : p + 20] + buffer[t : t + 4]
        self._tcp(number, ts_ns, key, ident, buffer, t, end, ip_end, file_at - at)

    def _ip6(self, number: int, ts_ns: int, link: int, buffer: bytes, at: int, p: int, end: int, wire_size: int, file_at: int) -> None:
        if end - p < 40 or buffer[p] >> 4 != 6:
            self.undecodable += 1
            return
        following = buffer[p + 6]
        total = buffer[p + 4] << 8 | buffer[p + 5]
        ip_end = p + 40 + total if total else at + wire_size
        t = p + 40
        while following in _IP6_HEADERS and t + 8 <= end:
            size = (buffer[t + 1] + 2) << 2 if following == 51 else (buffer[t + 1] + 1) << 3
            following = buffer[t]
            t += size
        if following == 44:
            self._slow(number, ts_ns, link, buffer[at:end], wire_size)
            return
        if following != 6:
            self._other(following, number, ts_ns, link, buffer, at, t, end, wire_size)
            return
        if end - t < 20:
            self.undecodable += 1
            return
        key = buffer[p + 8 : p + 40] + buffer[t : t + 4]
        self._tcp(number, ts_ns, key, 0, buffer, t, end, ip_end, file_at - at)

    def _other(self, protocol: int, number: int, ts_ns: int, link: int, buffer: bytes, at: int, t: int, end: int, wire_size: int) -> None:
        """Not TCP: tunnels go to the slow path, everything else is none of our business."""
        tunnel = protocol in _SLOW_PROTOCOLS or protocol == 51
        if protocol == 17 and t + 4 <= end:
            near, far = _U16(buffer, t)[0], _U16(buffer, t + 2)[0]
            tunnel = far in _TUNNEL_PORTS or near == _VXLAN
            if _KDC_PORT in (near, far) and t + 8 < end and buffer[t + 8] in KDC_TAGS and len(self.datagrams) < self.limits.kdc_datagrams:
                self.datagrams.append((ts_ns, buffer[t + 8 : end]))
        if tunnel:
            self._slow(number, ts_ns, link, buffer[at:end], wire_size)

    def _slow(self, number: int, ts_ns: int, link: int, frame: bytes, wire_size: int) -> None:
        for segment in self.slow.decode(frame, link, wire_size, ts_ns, number):
            self._decoded(number, ts_ns, segment)

    def _decoded(self, number: int, ts_ns: int, segment: Decoded) -> None:
        """A TCP segment out of a tunnel or of fragments: its bytes are in memory, so its payload is spooled when it is kept."""
        tcp = segment.tcp
        if len(tcp) < 20:
            self.undecodable += 1
            return
        key = segment.source + segment.destination + tcp[:4]
        self._tcp(number, ts_ns, key, segment.ident << 16, tcp, 0, len(tcp), segment.wire_size, -1)

    def _tcp(self, number: int, ts_ns: int, key: bytes, ident: int, buffer: bytes, t: int, end: int, ip_end: int, to_file: int) -> None:
        """``to_file`` added to a buffer offset gives the file offset; -1 when the bytes are not in the file as they are."""
        self.tcp_packets += 1
        _, _, seq, ack, offset, flags, _, checksum = _TCP(buffer, t)
        offset = (offset >> 4) << 2
        if offset < 20:
            self.undecodable += 1
            return
        payload_at = t + offset
        wire_payload = ip_end - payload_at
        if wire_payload < 0:
            if ip_end < t + 20:
                self.undecodable += 1
                return
            wire_payload = 0
        payload_size = min(wire_payload, max(end - payload_at, 0))
        if payload_size < wire_payload:
            self.snapped += 1
        slot, direction = self._slot(key, seq, flags)
        state = self._state[slot]
        if state == _REJECTED:
            if payload_size and late_start(buffer[payload_at : payload_at + 4]):
                self._late(slot, key, buffer[payload_at : payload_at + min(payload_size, self.limits.undecided_prefix_bytes)])
            return
        flow = self._open[slot]
        if payload_size and state == _UNDECIDED:
            state = self._decide(slot, flow, direction, buffer[payload_at : payload_at + min(payload_size, self.limits.undecided_prefix_bytes)])
            if state == _REJECTED:
                return
        rows = flow.segments
        source = self.capture * 2
        if payload_size and (to_file < 0 or not self.in_place):
            source += 1
            file_at = self.spool(buffer[payload_at : payload_at + payload_size])
            if file_at < 0:  # the spool is full: the bytes are a hole
                payload_size = file_at = 0
        else:
            file_at = payload_at + to_file
        rows.key.append(packet_key(self.capture, number))
        rows.ts_ns.append(ts_ns)
        rows.direction.append(direction)
        rows.seq.append(seq)
        rows.ack.append(ack if flags & _ACK else -1)
        rows.flags.append(flags)
        rows.size.append(payload_size)
        rows.wire_size.append(wire_payload)
        rows.source.append(source)
        rows.file_at.append(file_at)
        rows.ident.append(ident | checksum)

    def _slot(self, key: bytes, seq: int, flags: int) -> tuple[int, int]:
        """The flow's index and the direction of this packet in it; a new flow where the 4-tuple is new or reused."""
        entry = self._table.get(key)
        if entry is None:
            return self._new(key, seq, flags), 0
        slot, direction = entry >> 1, entry & 1
        if flags & (_SYN | _RST) == _SYN and not flags & _ACK:
            isn = self._isn[2 * slot + direction]
            if isn != seq and (isn >= 0 or not self._late_syn(slot, direction, seq)):
                return self._new(key, seq, flags), 0
            self._isn[2 * slot + direction] = seq
        elif flags & _SYN and self._isn[2 * slot + direction] < 0:
            self._isn[2 * slot + direction] = seq
        return slot, direction

    def _late_syn(self, slot: int, direction: int, seq: int) -> bool:
        """A SYN without a known predecessor belongs to the flow when it fits just below what the flow has sent so far (packets out of order)."""
        flow = self._open.get(slot)
        if flow is None:
            return False
        rows = flow.segments
        sent = [(s - seq) & 0xFFFFFFFF for s, d in zip(rows.seq, rows.direction, strict=True) if d == direction]
        acked = [(a - seq) & 0xFFFFFFFF for a, d in zip(rows.ack, rows.direction, strict=True) if d != direction and a >= 0]
        distances = sent or acked
        return bool(distances) and max(distances) <= _LATE_SYN_WINDOW

    def _new(self, key: bytes, seq: int, flags: int) -> int:
        slot = len(self._state)
        half = (len(key) - 4) // 2
        self._table[key] = slot << 1
        self._table[key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]] = slot << 1 | 1
        self._state.append(_HTTP if slot in self.force else _UNDECIDED)
        self._isn.extend((seq if flags & _SYN else -1, -1))
        ports = (key[-4] << 8 | key[-3], key[-2] << 8 | key[-1])
        self._open[slot] = _Open((key[:half], key[half : 2 * half]), ports)
        return slot

    def _decide(self, slot: int, flow: _Open, direction: int, payload: bytes) -> int:
        """The verdict after one more payload: by how the segment begins, else by how the direction began (starts cut into small segments)."""
        limits = self.limits
        flow.payloads += 1
        prefix = flow.prefix[direction]
        if len(prefix) < limits.undecided_prefix_bytes:
            prefix = flow.prefix[direction] = prefix + payload[: limits.undecided_prefix_bytes - len(prefix)]
        verdict = judge(payload, flow.ports, limits.tls_ports, all_http=self.all_http)
        if verdict == Verdict.UNDECIDED and len(prefix) > len(payload):
            verdict = judge(prefix, flow.ports, limits.tls_ports, all_http=self.all_http)
        if verdict == Verdict.UNDECIDED and flow.payloads >= limits.undecided_payload_packets and not self._growing(prefix):
            verdict = Verdict.REJECTED
        code = _CODES[verdict]
        if code != _UNDECIDED:
            self._state[slot] = code
            flow.prefix = [b"", b""]
            if code == _REJECTED:
                del self._open[slot]
        return code

    def _growing(self, prefix: bytes) -> bool:
        """True while a direction's first bytes come in small pieces and may yet become a start line with its headers."""
        return len(prefix) < self.limits.undecided_prefix_bytes and b"\r\n\r\n" not in prefix and (may_become_http(prefix) or looks_http(prefix))

    def _late(self, slot: int, key: bytes, payload: bytes) -> None:
        ports = (key[-4] << 8 | key[-3], key[-2] << 8 | key[-1])
        if judge(payload, ports, self.limits.tls_ports, all_http=self.all_http) == Verdict.HTTP:
            self.late.add(slot)

    def flows(self, host: Callable[[bytes], str]) -> tuple[Flow, ...]:
        """The kept flows in order of their first packet. ``host`` makes text of an address. Silent flows to a WinRM port are kept: nobody answered them."""
        kept = []
        for slot, flow in self._open.items():
            state = self._state[slot]
            silent = state == _UNDECIDED and not flow.payloads and any(port in _WINRM_PORTS for port in flow.ports)
            if state in (_HTTP, _TLS, _KDC) or silent:
                hosts = (host(flow.hosts[0]), host(flow.hosts[1]))
                kept.append(Flow(self.capture, hosts, flow.ports, _VERDICTS[state], flow.segments))
        return tuple(kept)
