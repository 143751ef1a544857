"""One picture of the whole, made once from both sides: parties, logons, what became of each request, and how each connection ended.

Every fact names its evidence and its certainty. Unknown is a value like any other: what is not in the captures is neither proof nor accusation.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from analyzer.records.auth import Audience, Mechanism
from analyzer.records.kerberos import TicketRefusal
from analyzer.records.names import Host
from analyzer.records.transport import End, Endpoint, Side


class Certainty(StrEnum):
    """proved: the bytes say it. inferred: the likeliest reading of what was seen. unknown: cannot be told from what was captured."""

    PROVED = "proved"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """The role of a party."""

    CLIENT = "client"
    PROXY = "proxy"
    SERVER = "server"
    NAT = "nat"
    SOCKS = "socks"
    KDC = "kdc"
    DEVICE = "device"


class Name(Struct, frozen=True, gc=False):
    """A name of a party and where it was read: Host, SNI, SPN, NTLM target information, CONNECT, SOCKS."""

    text: str
    source: str


class Party(Struct, frozen=True, gc=False):
    """A machine or service in a role. A proxy is a set of endpoints: ``listens`` where its clients reach it, ``hosts`` the addresses it asks servers from.

    ``product`` is what the party itself added to a message, ``product_evidence`` that message's id. ``near``: connections that others opened to it,
    ``far``: connections that it opened. ``packets``: keys, the first of each connection.
    """

    id: str
    kind: Kind
    listens: tuple[Endpoint, ...] = ()
    hosts: tuple[str, ...] = ()
    names: tuple[Name, ...] = ()
    product: str | None = None
    product_evidence: str | None = None
    certainty: Certainty = Certainty.PROVED
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    packets: tuple[int, ...] = ()


class Result(StrEnum):
    """How a logon ended. not_examined: something else than the logon decided, nobody looked at it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_EXAMINED = "not_examined"
    UNFINISHED = "unfinished"


class Reason(StrEnum):
    """Why a logon was not accepted, as far as the bytes tell. Where several causes look alike from here, the word names them all."""

    CREDENTIALS = "credentials"
    """All of it went over one connection in order, and the answer was a bare 401."""
    NOT_CREDENTIALS = "not_credentials"
    """As above, and the secret that was given proves that the password is right."""
    CREDENTIALS_OR_SPLIT = "credentials_or_split"
    """As above, but a gateway answered whose other side is not in the capture: it may have spread the handshake."""
    NOT_OFFERED = "not_offered"
    """The server's challenges do not name the scheme that the client used."""
    NTLM_BLOCKED = "ntlm_blocked"
    """The first NTLM message was answered by bare offers instead of a challenge."""
    KERBEROS_ERROR = "kerberos_error"
    """The server answered with a KRB-ERROR; `Logon.code` has its number."""
    TICKET_REFUSED = "ticket_refused"
    """A Kerberos ticket was answered by a bare 401, with no reason."""
    TICKET_OR_CLEAR = "ticket_or_clear"
    """As above, with a readable body: the ticket or the missing encryption."""
    CREDENTIALS_OR_CLEAR = "credentials_or_clear"
    """As CREDENTIALS, with a readable body: a server that allows no unencrypted requests refuses these, too."""
    CLEAR_BODY = "clear_body"
    """As above, and the secret that was given proves that the password is right."""
    INTERLEAVED = "interleaved"
    """Another client's request came between its messages on the server's connection."""
    SPLIT = "split"
    """Challenge and answer went over different connections."""
    NO_PROXY_CREDENTIALS = "no_proxy_credentials"
    PROXY_CREDENTIALS = "proxy_credentials"
    HTTP_STATUS = "http_status"
    """The HTTP layer or a gateway answered; `Logon.code` has the status."""
    CUT = "cut"
    """The connection ended before the logon did."""
    NO_ANSWER = "no_answer"


class Logon(Struct, frozen=True, gc=False):
    """One attempt of one client to authenticate, over all connections that carried it.

    ``conversations``: ids on the client's connection first, then those that it was forwarded as. ``user_source``: wire, ticket, tgs, certificate or owner.
    ``code``: number of a KRB-ERROR or HTTP status that is the reason. ``verifies``: whether the client's answer was made with a secret that was given.
    """

    id: str
    client_connection: str
    server_connections: tuple[str, ...]
    audience: Audience
    scheme: str
    mechanism: Mechanism
    user: str | None
    domain: str | None
    user_source: str | None
    outcome: Result
    reason: Reason | None
    code: int | None
    round_trips: int
    first_ns: int
    last_ns: int
    certainty: Certainty
    conversations: tuple[str, ...]
    exchanges: tuple[str, ...]
    packets: tuple[int, ...]
    spn: str | None = None
    verifies: bool | None = None


class Outcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    FAULT = "fault"
    REFUSED = "refused"
    ERROR_BY_PROXY = "error_by_proxy"
    ERROR_BY_SERVER = "error_by_server"
    CUT = "cut"
    RESET = "reset"
    UNANSWERED = "unanswered"
    NOT_CAPTURED = "not_captured"
    """The server may have answered: the capture has no answer, and nothing shows that there was none."""
    NOT_FORWARDED = "not_forwarded"


class Fate(Struct, frozen=True, gc=False):
    """What became of one request that a client made.

    ``request``: the exchange on the client's side; ``stopped_at``: id of the party that answered, or that it got to; ``forwarded_as``: exchanges, in order
    along the way. ``asked_from``: address of the client, on the server's side alone as the proxy names it (X-Forwarded-For, Forwarded, PROXY header), None
    where that says several or nothing. ``asked_as``: the account of the client's own logon; ``ran_as``: the account that the last connection was logged on
    with at that moment. Both are None where nothing tells.
    """

    request: str
    outcome: Outcome
    stopped_at: str | None
    status: int | None
    fault_code: str | None
    forwarded_as: tuple[str, ...]
    asked_from: str | None
    asked_as: str | None
    ran_as: str | None
    waited_ns: int | None
    certainty: Certainty
    packets: tuple[int, ...]


class Ending(Struct, frozen=True, gc=False):
    """How a connection ended, seen over both sides of a proxy.

    ``side`` closed this connection first, in packet ``packet``; ``first_by`` is the kind of party that began it all, on ``first_connection`` (another
    connection where this one only followed). ``idle_ns`` passed before without data; ``announced``: a Connection: close had said so; ``pending``: the exchange
    without an answer at that moment.
    """

    connection: str
    end: End
    side: Side
    at_ns: int
    packet: int
    first_by: Kind
    first_party: str | None
    first_connection: str
    followed: bool
    idle_ns: int
    announced: bool
    pending: str | None
    certainty: Certainty = Certainty.PROVED


class Wanted(StrEnum):
    """What a client tried, the most basic thing first."""

    CONNECTION = "connection"
    TLS = "tls"
    LOGON = "logon"
    REQUEST = "request"


class Failure(Struct, frozen=True, gc=False):
    """What a client tried in vain: its last request to a service, a logon that was refused and did not succeed later, TLS or a connection that
    never came up.

    ``client``: its address, None where only the server's side is captured and does not tell. ``connection``: the client's, or the nearest to it that was
    captured. ``exchange`` is None for TLS and connections, ``logon`` is the logon's id. ``outcome`` of the request; ``status`` and ``code`` as they came back.
    ``stopped_at``: id of the party that answered or that it got to. ``user``: as whom the client asked.
    """

    wanted: Wanted
    client: str | None
    connection: str
    exchange: str | None
    logon: str | None
    outcome: Outcome
    status: int | None
    code: str | None
    stopped_at: str | None
    user: str | None
    at_ns: int
    packet: int | None
    certainty: Certainty = Certainty.PROVED


class ServerClock(Struct, frozen=True, gc=False):
    """How far the clock of a server, proxy or KDC is ahead of a capture point's: ``ahead_ns``, give or take ``error_ns``.

    ``steady`` is False where the times that it told contradict each other: the clock moved, or several machines answer there; then the true values lay at least
    as far apart as ``ahead_ns`` ± ``error_ns`` says. ``ntlm``, ``kerberos``, ``date``: how many times each source told. ``packets`` hold the two that decide.
    """

    party: str
    point: int
    ahead_ns: int
    error_ns: int
    steady: bool
    ntlm: int
    kerberos: int
    date: int
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]


class Story(Struct, frozen=True, gc=False):
    """The facts, in order of place, with look-ups: logons by conversation id, fates by the client's exchange id, endings by connection id, parties by
    connection id (the one at its client end, the one at its server end). ``ticket_refusals``: in order of time."""

    parties: tuple[Party, ...] = ()
    logons: tuple[Logon, ...] = ()
    fates: Mapping[str, Fate] = {}
    endings: Mapping[str, Ending] = {}
    logon_of: Mapping[str, Logon] = {}
    ends: Mapping[str, tuple[str, str]] = {}
    failures: tuple[Failure, ...] = ()
    ticket_refusals: tuple[TicketRefusal, ...] = ()
    hosts: tuple[Host, ...] = ()
    clocks: tuple[ServerClock, ...] = ()
