"""What the capture stage gives: the files, and the candidate flows as rows of arrays (law 1: packets are rows, there are 10^7 of them)."""

from array import array
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import force_setattr

from analyzer.records.arrays import Ints
from analyzer.records.ids import key_capture


class Drop(Struct, frozen=True, gc=False):
    """A packet that Windows dropped, as pktmon saw it: its number in the capture, when, why (``code`` and its name
    ``reason``), the line of code (``location``), and where: ``component`` of the network stack and its name (empty where
    the trace does not tell it). ``direction`` is ``in`` or ``out``, or another word of pktmon's."""

    packet: int
    ts_ns: int
    code: int
    reason: str
    location: int
    component: int
    name: str
    direction: str


class Identity(Struct, frozen=True, gc=False):
    """A regular file as the system tells it: where it lies, its size in bytes, and when it was written to last (nanoseconds since 1970)."""

    device: int
    inode: int
    size: int
    modified_ns: int


class Capture(Struct, frozen=True, gc=False):
    """One input file (or standard input). ``ordinal`` is its place on the command line from 0; ``name`` is unique in a run; times are None when it is empty.

    ``point`` names the capture point by the lowest ordinal of its files: rotated files that follow each other have one, else each file is one.
    """

    ordinal: int
    path: str
    name: str
    format: str
    size: int
    link_types: tuple[str, ...] = ()
    packets: int = 0
    tcp_packets: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    snaplen: int | None = None
    clock_offset_ns: int = 0
    """How far its clock is ahead of the reference capture's, when its first exchange was seen at both points."""
    clock_drift: float = 0.0
    """Seconds that the offset grows each second."""
    clock_error_ns: int | None = None
    """How wrong the offset may be; None where nothing was compared."""
    sha256: str | None = None
    """Of the file as it lies on disk, or of what came through a pipe, taken while it was read; None where it is still to be taken, or cannot be."""
    identity: Identity | None = None
    """The file when it was opened; None for a pipe, and of a case that was read from its folder."""
    flows: int = 0
    secrets: tuple[tuple[int, int, int], ...] = ()
    """pcapng decryption-secrets blocks: (secrets type, offset in the file, size)."""
    comments: tuple[tuple[int, str], ...] = ()
    """pcapng packet comments: (packet number, text)."""
    drops: tuple[Drop, ...] = ()
    """What pktmon says of packets that Windows dropped, in order of time."""
    tls_elsewhere: tuple[tuple[str, int, int], ...] = ()
    """TLS that was not kept, as its port is none of WinRM's: (server, port, connections), the most frequent first. WinRM over HTTPS may be among it."""
    tls_elsewhere_total: int = 0
    """Connections of it in all; the list is bounded."""
    point: int = -1
    point_last_ns: int | None = None
    """The latest time in any file of its capture point."""
    sensor: str = ""
    """The name that the user gave its capture point; empty without one."""

    def __post_init__(self) -> None:
        """A file by itself is its own capture point."""
        if self.point < 0:
            force_setattr(self, "point", self.ordinal)
        if self.point_last_ns is None:
            force_setattr(self, "point_last_ns", self.last_ns)


class Verdict(StrEnum):
    """What a flow's first payloads are."""

    UNDECIDED = "undecided"
    HTTP = "http"
    TLS = "tls"
    REJECTED = "rejected"
    KDC = "kdc"
    """Kerberos with a key distribution center: no connection of ours, but it may tell keys."""


def _q() -> Ints:
    return array("q")


class Segments(Struct, frozen=True, gc=False):
    """TCP segments of one flow in capture order, one array per column, all of equal length.

    ``direction`` is 0 for the sender of the flow's first packet and 1 for the other. ``size`` is the payload captured, ``wire_size`` the payload sent
    (they differ when the snap length cut the frame). ``flags`` is the TCP flags byte. ``file_at`` is where the payload lies in ``source``: source
    2n is capture n's file, 2n+1 its spool file. ``ident`` is IPv4 identification << 16 | TCP checksum: equal for two copies of one packet.
    """

    key: Ints = field(default_factory=_q)
    ts_ns: Ints = field(default_factory=_q)
    direction: Ints = field(default_factory=_q)
    seq: Ints = field(default_factory=_q)
    ack: Ints = field(default_factory=_q)
    flags: Ints = field(default_factory=_q)
    size: Ints = field(default_factory=_q)
    wire_size: Ints = field(default_factory=_q)
    source: Ints = field(default_factory=_q)
    file_at: Ints = field(default_factory=_q)
    ident: Ints = field(default_factory=_q)
    ttl: Ints = field(default_factory=_q)
    """IPv4 time to live or IPv6 hop limit, as captured."""
    window: Ints = field(default_factory=_q)
    """The window field as sent; of a SYN, bits 16 on are 1 more than the shift of its window scale option, 0 without one."""


class Flow(Struct, frozen=True, gc=False):
    """One use of a TCP 4-tuple that may carry WinRM. ``hosts``/``ports``: index 0 is the sender of the first packet captured.

    ``capture`` is the file of that packet, ``point`` its capture point: later rows may lie in later files of the point.
    """

    capture: int
    hosts: tuple[str, str]
    ports: tuple[int, int]
    verdict: Verdict
    segments: Segments
    point: int = -1

    def __post_init__(self) -> None:
        """A file by itself is its own capture point."""
        if self.point < 0:
            force_setattr(self, "point", self.capture)


_ELSEWHERE = Segments()
"""The place of segments that lie in a file."""
_own_segments = Flow.segments


class PagedFlow(Flow, frozen=True, gc=False):
    """A flow whose segments lie in a file: ``rows`` reads them, each time that somebody asks for them. Segments that replace them stay in memory."""

    rows: Callable[[], Segments] | None = None

    @property  # type: ignore[misc]  # a field of the class above
    def segments(self) -> Segments:
        """Made anew each time: whoever goes through them keeps them meanwhile."""
        own: Segments = _own_segments.__get__(self)  # type: ignore[attr-defined]  # a descriptor, once the class is made
        return self.rows() if own is _ELSEWHERE and self.rows is not None else own


def paged(flow: Flow, rows: Callable[[], Segments]) -> PagedFlow:
    """The flow with segments that ``rows`` reads."""
    return PagedFlow(flow.capture, flow.hosts, flow.ports, flow.verdict, _ELSEWHERE, flow.point, rows)


class IcmpKind(StrEnum):
    """What an ICMP error says of the packet that it quotes."""

    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    TOO_BIG = "too_big"
    TIME_EXCEEDED = "time_exceeded"


class IcmpError(Struct, frozen=True, gc=False):
    """One ICMP or ICMPv6 error about a TCP segment: who sent it (``router``), what it says, and the segment that it quotes.

    ``packet`` is a packet key, ``version`` 4 or 6 (ICMP or ICMPv6), ``meaning`` the name of type and code. ``mtu`` is the next hop's in bytes, None where it
    is not told. ``source`` and ``target`` are host and port of the quoted segment, ``seq`` its sequence number, ``size`` the size of its IP packet in bytes.
    """

    packet: int
    ts_ns: int
    router: str
    kind: IcmpKind
    meaning: str
    version: int
    type: int
    code: int
    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    size: int
    mtu: int | None = None
    point: int = -1
    """The capture point that saw it."""

    def __post_init__(self) -> None:
        """A file by itself is its own capture point."""
        if self.point < 0:
            force_setattr(self, "point", key_capture(self.packet))
