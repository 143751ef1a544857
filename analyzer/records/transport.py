"""Connections and their two byte streams. A stream is a map of where its bytes lie, not a copy (law 2)."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr

from analyzer.records.arrays import Ints
from analyzer.records.prefaces import Preface
from analyzer.records.tls import Alert, Certificate, ClearAnswer, ClientCertificate, Reached


def host_port(host: str, port: int | None) -> str:
    """A host and its port (None: not known) as URIs have them (RFC 3986 section 3.2.2): an IPv6 address stands in brackets."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


class Endpoint(Struct, frozen=True, gc=False):
    """A host (textual IP address) and TCP port; as text both, an IPv6 address in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        host = self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"  # as `host_port`: it is asked of every connection


class End(StrEnum):
    """How a connection ended in the capture."""

    FIN = "fin"
    RESET = "reset"
    OPEN = "open"


class Side(StrEnum):
    """Who did it."""

    CLIENT = "client"
    SERVER = "server"


class Extents(Struct, frozen=True, gc=False):
    """Where the bytes of a stream lie: parallel arrays, sorted by ``stream_at``, without overlap; what no extent covers is a gap.

    ``packet`` is a packet key; ``acked`` is how many bytes of the other direction the sender had received when it sent this (stream offset, -1 unknown).
    """

    stream_at: Ints
    size: Ints
    source: Ints
    file_at: Ints
    packet: Ints
    ts_ns: Ints
    acked: Ints


class Loan(Struct, frozen=True, gc=False):
    """Bytes [``stream_at``, ``stream_at`` + ``size``) of a stream that this connection's packets lack: where they lie, and the packet (key) that brought them
    on another connection."""

    stream_at: int
    size: int
    source: int
    file_at: int
    packet: int


class Gap(Struct, frozen=True, gc=False):
    """Bytes that were sent and are not in the capture. ``why``: not_captured, snaplen or over_limit."""

    stream_at: int
    size: int
    why: str


class Unacked(Struct, frozen=True, gc=False):
    """The end of a direction that was sent and that the receiver never acknowledged, from offset ``at`` on, ``size`` bytes as far as they were sent.

    ``tries`` is how often its first byte was sent, in ``packets`` (keys, at most 16), from ``first_ns`` to ``last_ns``; ``segment`` the payload bytes of
    the last of them. ``passed`` is the largest segment of this direction that was acknowledged, 0 without one. ``heard`` counts packets of the receiver
    after the first try, resets left out, the last of them ``heard_packet``: it lives, and what it sends arrives.
    """

    at: int
    size: int
    segment: int
    tries: int
    packets: tuple[int, ...]
    first_ns: int
    last_ns: int
    passed: int
    heard: int = 0
    heard_packet: int | None = None


class Choice(StrEnum):
    """Why one of two contents for the same place of a stream was used."""

    ACKNOWLEDGED = "acknowledged"
    """The receiver's acknowledgements show that it had not got the first one when the second was sent, or had got the first."""
    FIRST = "first"
    """Nothing shows which one the receiver took; the first one captured was used, as most receivers do."""
    OWN = "own_capture"
    """Two capture points have different bytes; each one's own were used."""


class Conflict(Struct, frozen=True, gc=False):
    """Two contents for the bytes [``stream_at``, ``stream_at`` + ``size``) of a stream: the range in which they differ.

    ``used`` and ``other`` are at most `Limits.conflict_bytes` of each, ``used_packet`` and ``other_packet`` (keys) brought them.
    """

    stream_at: int
    size: int
    used: bytes
    other: bytes
    used_packet: int
    other_packet: int
    choice: Choice


class Stream(Struct, frozen=True, gc=False):
    """One direction's bytes. ``size`` counts from the first byte sent (or seen, when ``begins`` is false) to the last one known, gaps included."""

    extents: Extents
    gaps: tuple[Gap, ...]
    size: int
    conflicts: int = 0
    begins: bool = True
    """True when the SYN was captured, so that offset 0 is the first byte ever sent."""
    retransmitted: int = 0
    out_of_order: int = 0
    acked: int = -1
    """The highest offset of this stream that the receiver acknowledged, -1 when unknown."""
    differing: tuple[Conflict, ...] = ()
    """The contents of ``conflicts``, the first ones (`Limits.conflicts`), by place."""
    healed: int = 0
    """Bytes that this connection's packets lack, and another capture point or the other side of a proxy has: their extents lie there."""
    unacked: Unacked | None = None
    """What was sent and never acknowledged; None when all was, or that is not known."""


class Closing(Struct, frozen=True, gc=False):
    """One FIN or RST: in whose name it was sent, when, in which packet (key), and how many bytes of its own stream and of the peer's it knew.

    ``ttl`` is the time to live or hop limit and ``ident`` the IPv4 identification of its packet, -1 unknown. ``went_on`` counts packets that the same side sent
    later all the same, which a host that has reset a connection does not do; the first of them is ``went_on_packet``.
    """

    kind: End
    side: Side
    ts_ns: int
    packet: int
    stream_at: int
    acked: int
    ttl: int = -1
    ident: int = -1
    fits: bool | None = None
    """``ttl`` is one of those of the same side's other packets, or next to one; None unknown. One that does not fit was sent elsewhere on the path."""
    went_on: int = 0
    went_on_packet: int | None = None


class Pause(Struct, frozen=True, gc=False):
    """A time without any packet on a connection. ``packet`` (key) ended it; ``survived``: both sides sent packets later, resets left out."""

    since_ns: int
    until_ns: int
    packet: int
    survived: bool


class ZeroWindow(Struct, frozen=True, gc=False):
    """A time in which one side told the other to send nothing (window 0), of a second or more.

    It began with ``packet`` (key) at ``since_ns``; ``last_packet`` at ``last_ns`` said so last. ``until_ns`` is when a window opened again, None when none did.
    """

    side: Side
    packet: int
    since_ns: int
    last_packet: int
    last_ns: int
    until_ns: int | None = None


class TlsFacts(Struct, frozen=True, gc=False):
    """What a TLS handshake tells. ``certificates`` (SHA-256 of the chain, leaf first) and what follows travel in clear up to TLS 1.2, then under its keys."""

    server_name: str | None
    client_random: bytes | None
    version: int | None
    cipher_suite: int | None
    ja3: str | None
    ja4: str | None
    certificates: tuple[bytes, ...] = ()
    channel_binding: bytes | None = None
    """What a client that binds its NTLM logon to this server's certificate sends as MsvAvChannelBindings (RFC 5929 section 4, MS-NLMP 2.2.2.1)."""
    application_protocol: str | None = None
    """What the server chose by ALPN (RFC 7301): ``http/1.1``, ``h2``; None when it chose nothing, or that cannot be seen."""
    offered_versions: tuple[str, ...] = ()
    offered_ciphers: tuple[str, ...] = ()
    """What the client offered, by IANA's names, in its order."""
    version_name: str | None = None
    cipher_name: str | None = None
    """What the server chose."""
    reached: Reached = Reached.CLIENT_HELLO
    alerts: tuple[Alert, ...] = ()
    """In order of time; those that are encrypted only where a key log opened them, or the record's type shows that it
    is one (up to TLS 1.2)."""
    leaf: Certificate | None = None
    """The server's certificate."""
    leaf_packet: int | None = None
    """The packet in which it ended; None where it is encrypted (TLS 1.3)."""
    client_certificate: ClientCertificate | None = None
    """Of TLS 1.3 without a key log it is told by the sizes of the client's records; None when neither shows it."""
    client_leaf: Certificate | None = None
    wanted_name: str | None = None
    """The name that the client wants to talk to: SNI, else what its CONNECT or SOCKS request named."""
    name_matches: bool | None = None
    """``leaf`` is valid for ``wanted_name`` (RFC 9525); None when one of them is not known."""
    clear_answer: ClearAnswer | None = None
    """The server answered in clear HTTP: it speaks no TLS on this port."""
    hello_size: int = 0
    """Bytes of the client's stream up to the end of its ClientHello; 0 when that is not wholly in the capture."""
    hello_packets: tuple[int, ...] = ()
    client_encrypted: tuple[int, ...] = ()
    server_encrypted_after: tuple[int, ...] = ()
    """Sizes of the first encrypted records of the client, and of those that the server sent when it had them (TLS 1.3):
    an alert has a size of its own."""


class Connection(Struct, frozen=True, gc=False):
    """One TCP connection, or (``tunnel_of``) the one carried inside a CONNECT tunnel. A reused 4-tuple is a new connection.

    ``end``/``ended_by`` tell the first FIN or RST; ``closings`` all of them in order of time. ``packets`` are packet keys, duplicates left out.
    """

    id: str
    capture: int
    client: Endpoint
    server: Endpoint
    first_ns: int
    last_ns: int
    packets: Ints
    to_server: Stream
    to_client: Stream
    end: End
    ended_by: Side | None
    closings: tuple[Closing, ...]
    protocol: str
    """http, tls, connect or other."""
    syn: int | None = None
    """Packet key of the client's SYN."""
    established: bool = True
    """A SYN/ACK or any later packet of the server was seen."""
    duplicates: int = 0
    tunnel_of: str | None = None
    bases: tuple[int, int] = (-1, -1)
    """TCP sequence numbers of offset 0 of the streams to the server and to the client, -1 unknown: address translation leaves them, a proxy does not."""
    tls: TlsFacts | None = None
    tls_opened: bool = False
    """The streams are the application data inside TLS, decrypted with a key log or a server's RSA key."""
    tls_secret: str | None = None
    """The tag of what it was decrypted with."""
    twin_of: str | None = None
    """The same connection seen at another capture point: that connection's id."""
    ttls: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    """Times to live (hop limits) met in the packets of the client and of the server, resets left out, in order of size."""
    pauses: tuple[Pause, ...] = ()
    """Times without any packet, those that are long (`Limits.pause_s`), in order."""
    zero_windows: tuple[ZeroWindow, ...] = ()
    prefaces: tuple[Preface, ...] = ()
    """What was said before the protocol proper, in order: requests to SOCKS proxies, PROXY headers. The streams begin
    behind them."""
    point: int = -1
    """The capture point, named by the lowest ordinal of its files; ``capture`` is the file of the first packet."""

    def __post_init__(self) -> None:
        """A file by itself is its own capture point."""
        if self.point < 0:
            force_setattr(self, "point", self.capture)
