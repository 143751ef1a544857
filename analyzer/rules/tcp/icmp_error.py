"""A router, firewall or host answers packets to a WinRM server with an ICMP error.

Detects
    ICMP errors (unreachable, administratively prohibited, time exceeded; IPv4 and IPv6) that quote a segment of a WinRM
    connection, or the SYN of one that never came up: who sent them, and what their type and code say. Sizes
    (fragmentation needed) are told by tcp.path-mtu.
Impact
    ICMP names the place that refuses, and often the reason: a firewall's rule, a missing route, a host that is down.
    The client only shows "no route to host", or a timeout.
False positives
    A moment without a route ends by itself: where a connection of the same path came up within 30 seconds, or the
    connection went on, it is only information. Anyone can forge ICMP; it is the router's word, not the server's.
Requires
    ICMP in the capture: a capture filter like "tcp port 5985" leaves it out.
References
    RFC 792; RFC 1812 section 5.2.7.1; RFC 4443 section 3.
"""

from collections.abc import Hashable
from typing import Any

from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.records.transport import Connection
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_AROUND_NS = 30_000_000_000
_WORDS = {IcmpKind.PROHIBITED: "forbids packets to", IcmpKind.TIME_EXCEEDED: "cannot forward packets to"}


class Refused(Fact, frozen=True):
    """A connection, the first ICMP error about it, and whether it was ``harmless``: the path worked at that time all
    the same."""

    connection: Connection
    error: IcmpError
    harmless: bool


def see(evidence: Evidence) -> Signs[Refused]:
    """Connections with errors that are not about sizes."""
    paths = words.paths(evidence) if evidence.icmp else None
    for connection in evidence.connections.values():
        errors = [one for one in evidence.icmp.get(connection.id, ()) if one.kind is not IcmpKind.TOO_BIG]
        if paths is None or not errors or connection.id not in evidence.winrm or connection.twin_of is not None:
            continue
        harmless = _went_on(connection, errors[0]) if connection.established else paths.around(connection, _AROUND_NS)
        refused = Refused(connection, errors[0], harmless)
        yield Sign(refused, (), (connection.packets[0], *(one.packet for one in errors)), (connection.id,))


def _went_on(connection: Connection, error: IcmpError) -> bool:
    """The server sent data after the error."""
    return max(connection.to_client.extents.ts_ns, default=0) > error.ts_ns


def each(_: Evidence, sign: Sign[Any]) -> Hashable:
    """One finding for what one router says of one endpoint, failures apart from what did no harm."""
    error, server = sign.fact.error, sign.fact.connection.server
    return error.router, error.type, error.code, server, sign.fact.harmless


def why(tell: Tell[Refused]) -> str:
    first = tell.first.fact
    error, connection = first.error, first.connection
    what = "a packet of" if connection.established else "the SYN of"
    clients = {refused.connection.client.host for refused in tell.facts}
    asked = f"{what} {connection.id} ({tell.packet(tell.first.packets[0])})"
    text = f"{error.router} answered {asked} with {words.icmp_words(error)} ({tell.packet(error.packet)})."
    text += f" It was about {connection.client.host} to {words.endpoint(connection)}."
    if tell.count > 1:
        text += f" This happened to {tell.count:,} connections of {len(clients):,} {'client' if len(clients) == 1 else 'clients'}."
    if first.harmless:
        return text + " The path worked at about the same time all the same."
    return text + f" {_meaning(error, connection)}"


def _meaning(error: IcmpError, connection: Connection) -> str:
    own = error.router == connection.server.host
    if error.kind is IcmpKind.PROHIBITED:
        return "The server's own firewall forbids it." if own else "So a firewall's rule on the way forbids it; the packet did not get to the server."
    if error.kind is IcmpKind.TIME_EXCEEDED:
        return "So packets go in a circle, or the way is longer than their time to live."
    if own:
        return "The server itself, or its firewall, refuses the port."
    return "So there is no way to the server from there, or the server is down."


def severity(tell: Tell[Refused]) -> Severity:
    return Severity.INFO if tell.first.fact.harmless else Severity.MEDIUM


def title(tell: Tell[Refused]) -> str:
    error = tell.first.fact.error
    word = _WORDS.get(error.kind, "cannot reach")
    return words.titled(f"{error.router} {word} ", words.endpoint(tell.connection), " (ICMP)", "WinRM")


def advice(tell: Tell[Refused]) -> str:
    error, connection = tell.first.fact.error, tell.connection
    if error.kind is IcmpKind.PROHIBITED:
        return f"Allow TCP port {connection.server.port} from {connection.client.host} to {connection.server.host} in the rules of {error.router}."
    return f"Check the route to {connection.server.host} at {error.router}, and whether that host is up and its port {connection.server.port} is open."


OPINION = Opinion(
    name="ICMP error about packets to a WinRM server",
    title=title,
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.95,
    owner=Owner.NETWORK,
    reference="RFC 1812 section 5.2.7.1",
    advice=advice,
    see=see,
    why=why,
    each=each,
    explains=("tcp.silent-drop", "tcp.client-gave-up"),
)
