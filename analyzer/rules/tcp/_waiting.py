"""What the rules on requests without an answer ask of the facts, and how they say it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from analyzer.records.capture import IcmpError
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.transport import Closing, Connection, End, Side
from analyzer.records.waiting import Stop, Unanswered
from analyzer.rules.reading import Place, identity, request, role
from analyzer.rules.telling import Evidence, Fact, Sign

IDLE_NS = 20_000_000_000
"""A pause from which on it may be what ended a connection."""
_AT_ONCE_NS = 5_000_000_000
_AGAIN_NS = 60_000_000_000
_TITLE = 69


class IdleLimit(Fact, frozen=True):
    """After how many seconds without a packet a product forgets, or ends, a connection unless it is set otherwise,
    and where its vendor says so."""

    product: str
    seconds: int
    source: str


IDLE_LIMITS = (
    IdleLimit(
        "AWS Application Load Balancer",
        60,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html",
    ),
    IdleLimit("Windows HTTP.sys", 120, "https://learn.microsoft.com/windows/win32/http/server-timeouts-property"),
    IdleLimit(
        "Azure Load Balancer and NAT gateway",
        240,
        "https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-idle-timeout",
    ),
    IdleLimit(
        "F5 BIG-IP",
        300,
        "https://clouddocs.f5.com/products/extensions/f5-appsvcs-extension/latest/refguide/schemaref/L4_Profile.schema.json.html",
    ),
    IdleLimit(
        "AWS Network Load Balancer",
        350,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html",
    ),
    IdleLimit("Google Cloud firewall rules", 600, "https://cloud.google.com/firewall/docs/firewalls"),
    IdleLimit("Google Cloud NAT", 1200, "https://cloud.google.com/nat/docs/tune-nat-configuration"),
    IdleLimit("Cisco and Fortinet firewalls", 3600, "https://community.fortinet.com/t5/FortiGate/-/ta-p/194357"),
    IdleLimit("Linux connection tracking", 432_000, "https://docs.kernel.org/networking/nf_conntrack-sysctl.html"),
)
"""Defaults that vendors document, in order of length. A candidate is not a proof: any of them can be set otherwise."""
_OFFERED = 2
_SHARE = 0.5
_SLACK = 1.02


class Wait(Fact, frozen=True):
    """An unanswered request with what the other connections of its path show.

    ``kept_ns``: the longest pause that one of them outlived. ``again``: the next one, opened within a minute of the
    end: the server was up.
    """

    one: Unanswered
    kept_ns: int
    again: Connection | None

    @property
    def after_a_pause(self) -> bool:
        """A long pause came before the request, the connection ended at once, and no connection of this path outlived
        such a pause."""
        return self.one.idle_ns >= IDLE_NS and self.one.waited_ns <= _AT_ONCE_NS and self.idle_limit

    @property
    def idle_limit(self) -> bool:
        """No connection of this path outlived a pause as long as the one before this request."""
        return self.kept_ns < self.one.idle_ns


class Paths(Struct, frozen=True):
    """The connections that the server answered, by path and in order of time, and the longest pause that each path
    outlived."""

    begun: Mapping[Place, list[tuple[int, Connection]]]
    kept_ns: Mapping[Place, int]

    def around(self, connection: Connection, around_ns: int) -> bool:
        """Another connection of the same path came up at about the same time."""
        own = self.begun.get(place(connection), [])
        at = bisect_left(own, connection.first_ns - around_ns, key=_first)
        return at < len(own) and own[at][0] <= connection.first_ns + around_ns

    def again(self, one: Unanswered, connection: Connection) -> Connection | None:
        """The next connection of the path after the request was sent."""
        own = self.begun.get(place(connection), [])
        at = bisect_right(own, max(one.sent_ns, connection.first_ns), key=_first)
        return own[at][1] if at < len(own) and own[at][0] <= one.sent_ns + one.waited_ns + _AGAIN_NS else None


def paths(evidence: Evidence) -> Paths:
    """Of all connections."""
    begun: dict[Place, list[tuple[int, Connection]]] = {}
    kept: dict[Place, int] = {}
    for connection in evidence.connections.values():
        path = place(connection)
        if connection.tunnel_of is None and connection.established and connection.ttls[1]:
            begun.setdefault(path, []).append((connection.first_ns, connection))
        for pause in connection.pauses:
            if pause.survived:
                kept[path] = max(kept.get(path, 0), pause.until_ns - pause.since_ns)
    for found in begun.values():
        found.sort(key=_first)
    return Paths(begun, kept)


def _first(item: tuple[int, Connection]) -> int:
    return item[0]


def waiting(evidence: Evidence, *stops: Stop) -> Iterator[Wait]:
    """Unanswered requests of WinRM that were ended so, without those that only followed the other side of a proxy."""
    found = [one for one in evidence.unanswered if one.stop in stops and one.follows is None and _is_winrm(evidence, one)]
    known = paths(evidence) if found else Paths({}, {})
    for one in found:
        connection = evidence.connections[one.connection]
        yield Wait(one, known.kept_ns.get(place(connection), 0), known.again(one, connection))


def _is_winrm(evidence: Evidence, one: Unanswered) -> bool:
    """WinRM itself, or the CONNECT on the way to it. What is inside TLS is judged by its connection."""
    if one.connection not in evidence.winrm or one.exchange is None:
        return one.connection in evidence.winrm
    asked = request(evidence.exchanges[one.exchange])
    return one.exchange in evidence.winrm_exchanges or (asked is not None and asked.method == "CONNECT")


def sign(evidence: Evidence, wait: Wait, *keys: int | None) -> Sign[Wait]:
    """The request as a sign of a finding: its first packet, and ``keys`` of others."""
    one = wait.one
    exchanges = () if one.exchange is None else (one.exchange,)
    packets = tuple(key for key in (one.packet, *keys) if key is not None)
    return Sign(wait, exchanges, packets, (one.connection,), identity(evidence, one.connection))


def place(connection: Connection) -> Place:
    """The path: a client host and a server endpoint."""
    return connection.client.host, connection.server.host, connection.server.port


def party(evidence: Evidence, connection: Connection, *, client: bool = False) -> str:
    """One end of a connection for a sentence: ``the proxy 10.1.1.1:3128``, ``the server 10.1.2.9:5985``, ``the client
    10.1.1.5``."""
    own = role(evidence, connection.id)
    if client:
        return f"the {'proxy' if own is Role.UPSTREAM_LEG else 'client'} {connection.client.host}"
    return f"the {'proxy' if own is Role.CLIENT_LEG else 'server'} {connection.server}"


def owner_word(evidence: Evidence, connection: Connection) -> str:
    """``proxy`` or ``server``: what the server side of a connection is."""
    return "proxy" if role(evidence, connection.id) is Role.CLIENT_LEG else "server"


def titled(before: str, name: str, after: str, short: str) -> str:
    """A headline with a name, or with ``short`` in its place when it would become too long."""
    long = f"{before}{name}{after}"
    return long if len(long) <= _TITLE else f"{before}{short}{after}"


def endpoint(connection: Connection) -> str:
    """The server's address and port."""
    return str(connection.server)


def s(ns: float) -> str:
    """Seconds for a sentence: ``0.5 ms``, ``30.0 s``."""
    return f"{ns / 1e6:.1f} ms" if ns < 1e9 else f"{ns / 1e9:,.1f} s"


def spread(values: Iterable[int]) -> str:
    """``360.0 s``, or ``360.0 to 374.0 s`` where they differ."""
    listed = sorted(values)
    low, high = s(listed[0]), s(listed[-1])
    return low if low == high else f"{low.removesuffix(' s')} to {high}"


def times(number: int) -> str:
    """``once``, ``twice``, ``5 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def closed(closing: Closing) -> str:
    """``RST`` or ``FIN``."""
    return "RST" if closing.kind is End.RESET else "FIN"


def reset_by_a_device(closing: Closing | None) -> bool:
    """Its TTL fits no other packet of the host in whose name it was sent, or that host went on with the connection."""
    return closing is not None and closing.kind is End.RESET and (closing.fits is False or closing.went_on > 1)


def hops(closing: Closing, connection: Connection) -> str:
    """The TTL of a reset beside those of both hosts."""
    client, server = (", ".join(map(str, own)) or "unknown" for own in connection.ttls)
    return f"TTL {closing.ttl} (the server's packets have {server}, the client's {client})"


def what(evidence: Evidence, one: Unanswered) -> str:
    """The request for a sentence: ``a Receive``, ``a request``, ``data inside TLS``."""
    if one.exchange is None:
        return "data inside TLS"
    message = evidence.messages.get(f"{one.exchange}.q")
    word = None if message is None or isinstance(message.operation, Absent) else message.operation
    return f"a {word} request" if word else "a request"


def timeout_s(evidence: Evidence, one: Unanswered) -> float | None:
    """The OperationTimeout that the request asks for; None where it cannot be read, or is not there."""
    message = None if one.exchange is None else evidence.messages.get(f"{one.exchange}.q")
    return None if message is None else message.operation_timeout_s


def bracket(waits: Iterable[Wait]) -> str:
    """Between which lengths of pauses the limit of a path lies, and whose documented defaults lie there, too."""
    kept, known = _range(waits)
    text = f" A pause of {s(kept)} did no harm, so the limit lies between." if kept else ""
    names = " and ".join(f"{limit.product} ({limit.seconds:,} s)" for limit in known)
    return text + (f" Documented defaults in this range: {names}. They are candidates, not proof." if names else "")


def sources(waits: Iterable[Wait]) -> str:
    """Where the documented defaults near a pause are described, for the end of an advice."""
    _, known = _range(waits)
    return "".join(f" {limit.product}: {limit.source}" for limit in known)


def _range(waits: Iterable[Wait]) -> tuple[int, list[IdleLimit]]:
    listed = list(waits)
    lost = min(wait.one.idle_ns for wait in listed)
    kept = listed[0].kept_ns
    known = [limit for limit in IDLE_LIMITS if max(kept, lost * _SHARE) < limit.seconds * 1e9 <= lost * _SLACK]
    return kept, known[: -_OFFERED - 1 : -1]


def icmp_words(error: IcmpError) -> str:
    """What an ICMP error says, for a sentence: ``ICMP type 3 code 13, communication administratively prohibited``."""
    return f"{'ICMP' if error.version == 4 else 'ICMPv6'} type {error.type} code {error.code}, {error.meaning}"


def ender(evidence: Evidence, connection: Connection, closing: Closing) -> str:
    """Who ended a connection, for the beginning of a sentence."""
    if closing.kind is End.RESET and reset_by_a_device(closing):
        return "A device on the path"
    text = party(evidence, connection, client=closing.side is Side.CLIENT)
    return text[0].upper() + text[1:]
