"""Limits, each with a name and a unit. A limit that is reached leaves an issue, never an exception and never a silent loss."""

from collections.abc import Callable

from msgspec import Struct

Spent = Callable[[], bool]
"""Whether the seconds of a run that this part of the work may take are over."""


def never() -> bool:
    """`Spent` of a run without a limit in seconds."""
    return False


class Limits(Struct, frozen=True, gc=False):
    """What a run may use. The defaults are what people run with."""

    read_size_bytes: int = 1 << 20
    """Bytes of a capture that are read at a time."""
    parallel_bytes: int = 64 << 20
    """Plain files from this size on are scanned by two threads."""
    fork_bytes: int = 4 << 20
    """Bytes in connections of interest from which on they are read, and judged, by a process for each core."""
    record_size_bytes: int = 16 << 20
    """A capture record larger than this is damage (frames that a network card cuts into segments reach 256 KiB)."""
    undecided_payload_packets: int = 5
    """Payload-carrying packets after which a flow that shows nothing of interest is rejected."""
    undecided_prefix_bytes: int = 2048
    """Bytes of an undecided flow's beginning that are held in memory."""
    spool_bytes: int = 8 << 30
    """Payload of compressed captures, and with a limit of memory of all, that is kept in a temporary file."""
    flow_table_slots: int = 1 << 18
    """Slots of the table of connections (64 bytes each); where they are full, rejected connections are forgotten, those not met for longest first."""
    open_points: int = 64
    """Capture points whose files may go on in one that comes next; those that ended first are closed."""
    open_files: int = 64
    """Captures that are open at a time while bytes are read back."""
    undecided_flows: int = 1 << 16
    """Connections whose first packets have not told yet what they are."""
    fragment_packets: int = 4096
    """IP packets in fragments that wait for the rest at a time."""
    fragment_age_s: float = 60.0
    """How long they wait."""
    packed_bytes: int = 256 << 20
    """What one compressed capture (gzip, zstd, xz, bzip2, a ZIP archive's member) may become in any case."""
    packed_ratio: int = 100
    """How many times larger than what was read of it a compressed capture may become besides; captures become 2 to 20 times larger."""
    packed_run_bytes: int = 2 << 30
    """What the compressed captures of one run may become together in any case: of more of them each may become its share, and ``packed_ratio`` besides."""
    netmon_bytes: int = 1 << 30
    """Of a file of Network Monitor, which is read as a whole."""
    trace_bytes: int = 512 << 20
    """Packets of an event trace that are held to be put in order of time."""
    trace_ratio: int = 64
    """How many times larger the compressed buffers of an event trace may become, beyond its first 64 MiB; packets
    compress to a tenth."""
    dropped_packets: int = 10_000
    """Packets that Windows dropped, as pktmon tells, that are kept."""
    archive_members: int = 10_000
    """Files of one ZIP archive that are looked at."""
    kdc_datagrams: int = 10_000
    """Kerberos messages over UDP that are kept, for the keys and the users they may tell."""
    kdc_messages: int = 20_000
    """Kerberos messages with a key distribution center, over UDP and TCP, that are read."""
    naming_datagrams: int = 20_000
    """Answers of DNS, mDNS, LLMNR and NBNS, and messages of DHCP, that are kept, for the names they give to addresses."""
    host_events: int = 500_000
    """Events of host logs, of the kinds that are looked at, that are read."""
    forwarded_events: int = 200_000
    """Events that sources sent to collectors that are kept; more are counted."""
    icmp_errors: int = 10_000
    """ICMP errors about TCP segments that are kept, to be joined to the connections that they quote."""
    duplicate_window_s: float = 60.0
    """Two packets with equal identification, checksum, numbers and size within this time are one packet captured twice."""
    views: int = 8
    """Other capture points' views of a connection that its holes are filled from."""
    conflicts: int = 1000
    """Places of one stream with two contents that are listed; more are counted."""
    conflict_bytes: int = 4096
    """How much of each content is kept."""
    overlaps: int = 500_000
    """Pieces of one stream that repeated segments are compared with; later repeats are not compared."""
    window_bytes: int = 1 << 30
    """A segment further than this from the stream's position is passed over."""
    pause_s: float = 10.0
    """A time without packets from which on it is kept as a pause of its connection."""
    lost_tries: int = 3
    """How often a segment was sent without an acknowledgement to be called lost for good."""
    crossing_s: float = 0.05
    """A FIN this soon after a request was on its way, whatever the request says."""
    large_segment_bytes: int = 1000
    """A lost segment from this size on, larger than all that passed, may have been too large for the path."""
    tls_request_bytes: int = 64
    """Less than this inside TLS is no request: the alert that closes a session has 24 to 53 bytes."""
    start_line_bytes: int = 64 << 10
    """A start line of HTTP."""
    head_bytes: int = 512 << 10
    """A header block; Windows' default MaxTokenSize alone is 48,000 bytes (64,000 in base64)."""
    headers: int = 1000
    """Field lines of one message."""
    chunks: int = 500_000
    """Chunks of one body."""
    http2_frames: int = 1_000_000
    """Frames of one direction of an HTTP/2 connection."""
    seconds: float = 0.0
    """Seconds of the processor that a run may take, about: connections are read until two fifths of them are over, bodies are decrypted until three fifths
    are, and what was read is judged in the rest. 0 for as many as it needs."""
    connections: int = 5_000
    """Connections of a run that are read in any case; of more those with the fewest bytes are left out."""
    connection_bytes: int = 1_000
    """Payload of a run for each further connection; a logon that fails has about twice as much."""
    exchanges: int = 20_000
    """Requests of a run that are read however small they are."""
    exchange_bytes: int = 256
    """Payload of a connection for each further exchange; WinRM's have 700 bytes and more."""
    tunnel_depth: int = 2
    """CONNECT tunnels inside each other."""
    prefaces: int = 4
    """SOCKS requests and PROXY headers, one after the other, at the beginning of a connection."""
    token_bytes: int = 256 << 10
    """A token of an authentication field."""
    envelope_bytes: int = 4 << 20
    """How much of a clear-text SOAP envelope is looked at for its header fields."""
    field_characters: int = 2048
    """A header field of an envelope; a longer one is passed over."""
    selector_characters: int = 128
    """A selector, and the id of a command."""
    settings: int = 128
    """Settings of WinRM's configuration that one message changes."""
    fault_text_characters: int = 2000
    """How much is kept of each text of a fault."""
    page_bytes: int = 64 << 10
    """How much of a page (an error page, a login page) is looked at for its title and text."""
    page_text_characters: int = 300
    """How much of that text is kept."""
    sealed_parts: int = 1024
    """Encrypted parts of one body."""
    opened_bytes: int = 64 << 20
    """How much of a readable envelope is looked at for commands and their output."""
    unpacked_bytes: int = 16 << 20
    """What the compressed bodies and streams of one connection may become in any case."""
    unpacked_ratio: int = 8
    """How many times larger than all that was captured of its connection they may become besides."""
    unpacked_capture_bytes: int = 1 << 30
    """What those of all connections of one capture may become in any case: of many connections each has its share."""
    unpacked_run_bytes: int = 1 << 30
    """The same for all connections of a run."""
    kept_connection_bytes: int = 2 << 30
    """How much is kept of the output and input of all commands of one connection."""
    kept_capture_bytes: int = 4 << 30
    """The same for one capture."""
    kept_run_bytes: int = 4 << 30
    """The same for a run."""
    object_bytes: int = 32 << 20
    """How much is kept of one object of PowerShell."""
    file_bytes: int = 64 << 20
    """How much is kept of one file that commands moved."""
    hash_tries: int = 400_000_000
    """NT hashes times NTLM logons that are tried without a name to go by: some two minutes of one core, compiled."""
    hash_tries_uncompiled: int = 10_000_000
    """The same where nothing is compiled."""
    key_tries: int = 2_000_000
    """Kerberos keys times tickets that are tried without a name to go by."""
    password_keys: int = 2_000
    """Kerberos keys that are made of passwords: each takes thousands of rounds."""
    listed_keys: int = 1_000
    """Passwords and keys of one file that fitted nothing and are listed one by one; more are counted."""
    issues_per_kind: int = 1000
    """More issues of one kind than this are counted, not listed."""
    sigma_hits: int = 10_000
    """Hits of Sigma rules that are kept; more are counted."""
    sightings: int = 10_000
    """Lines that the rules over commands look for, and find, that are kept; more are counted."""
    searched_characters: int = 4 << 20
    """How much of each text of a command (its own, what was decoded out of it, its input) such rules and Sigma rules search."""
    own_rule_s: float = 60.0
    """How long a rule of the user's own may take."""
    own_rule_findings: int = 10_000
    """How many findings of one of the user's own rules are kept."""
    tls_ports: tuple[int, ...] = (5986,)
    """Ports on which TLS is taken for WinRM over HTTPS, since its content cannot be seen; TLS on WinRM's ports for HTTP
    is looked at besides."""
    front_ports: tuple[int, ...] = (443, 8443, 9443, 10443)
    """Ports on which a host that WinRM comes from may end its clients' TLS: such connections are kept, too."""
    front_connections: int = 256
    """How many of these connections are kept, the first ones."""
    shards: int = 8
    """Parts that the work on connections is cut into."""


class Scope(Struct, frozen=True, gc=False):
    """Which packets are looked at, and which connections are kept: WinRM, proxies on the way to it, and connections that
    authenticate over HTTP; or all HTTP."""

    all_http: bool = False
    negotiate: bool = False
    """Not WinRM alone: every application that authenticates by Negotiate, NTLM or Kerberos over HTTP. All HTTP is kept for it, because requests that come
    without a logon tell who else uses one."""
    since_ns: int | None = None
    """Packets before this time (nanoseconds since 1970, UTC) are left out."""
    until_ns: int | None = None
    """Packets after this time are left out."""
    nets: tuple[str, ...] = ()
    """Only packets from or to an address in one of these networks (``10.0.0.0/8``, ``fd00::/8``; a host is a network of one)."""
    ports: tuple[int, ...] = ()
    """Only packets from or to one of these ports of TCP (and of UDP, for Kerberos)."""
    client_randoms: frozenset[bytes] = frozenset()
    """Of the key log that was given: TLS that it decrypts is kept on any port."""
    sensors: tuple[tuple[str, str], ...] = ()
    """Names of capture points, and patterns of the paths of their files."""

    @property
    def is_part(self) -> bool:
        """True where packets are left out."""
        return self.since_ns is not None or self.until_ns is not None or bool(self.nets or self.ports)
