"""The proxy opens a new connection to the server for every request of a logon that needs its connection.

Detects
    At least three server connections of one proxy that serve clients' connections with more than one exchange, and at least 80 % of them carry one exchange
    only. Counted are connections that have to persist: those of NTLM, Kerberos and CredSSP logons, and those with nothing but a challenge for them.
Impact
    NTLM, Kerberos with several round trips and CredSSP authenticate the connection, so they cannot work at all; what works must log on again each time.
False positives
    Basic authenticates each request and breaks nothing, so it is not counted. A proxy that speaks HTTP/1.0 to the server closes by nature; that is
    http.1.0-downgrade and not counted here.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection persistence. The client TCP/IP connection to
    the proxy should continue to map to the same TCP/IP connection from the proxy to the server. Maintaining this
    connection helps to achieve a higher level of performance."
"""

from collections import defaultdict
from collections.abc import Mapping

from analyzer.records.auth import Audience, Mechanism
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection, Side
from analyzer.rules import microsoft
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, name, owner, packets_of, request, role
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell, endpoint

LEAST = Param("least", 3, "connections", "how many server connections with one exchange it takes")
RATIO = Param("ratio", 0.8, "share", "which share of the proxy's server connections they must be")
_OLD = "HTTP/1.0"


class Single(Fact, frozen=True):
    """A server connection with one exchange, the client's exchange, and how many there are like it in all."""

    connection: Connection
    far: Exchange
    near: Exchange | None
    whole: int


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Single]:
    """One sign for each server connection with one exchange, of proxies that mostly have such."""
    groups: dict[tuple[str, str, int], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values() if evidence.far else ():
        upstream_side = connection.id in evidence.winrm and role(evidence, connection.id) is Role.UPSTREAM_LEG
        if upstream_side and _has_to_last(evidence, connection):
            groups[connection.client.host, connection.server.host, connection.server.port].append(connection)
    for group in groups.values():
        single = [connection for connection in group if len(evidence.exchanges_of[connection.id]) == 1]
        if len(single) >= values["least"] and len(single) >= values["ratio"] * len(group):
            yield from (_sign(evidence, connection, len(group)) for connection in single)


def _has_to_last(evidence: Evidence, connection: Connection) -> bool:
    """It serves a client's connection with more than one exchange, in HTTP/1.1, and not with credentials that every request carries."""
    exchanges = evidence.exchanges_of[connection.id]
    owners = [found for exchange in exchanges if (found := owner(evidence, exchange.id)) is not None]
    modern = all((asked := request(exchange)) is not None and asked.version != _OLD for exchange in exchanges)
    nears = {near.connection for near in owners}
    spoken = [found for near in nears for found in evidence.conversations_of.get(near, ()) if found.audience is Audience.SERVER]
    per_request = bool(spoken) and not any(found.mechanism.lasting or found.mechanism is Mechanism.UNKNOWN for found in spoken)
    return modern and not per_request and any(len(evidence.exchanges_of[near]) > 1 for near in nears)


def _sign(evidence: Evidence, connection: Connection, whole: int) -> Sign[Single]:
    far = evidence.exchanges_of[connection.id][0]
    near = owner(evidence, far.id)
    exchanges = (far.id,) if near is None else (far.id, near.id)
    user = None if near is None else identity(evidence, near.connection)
    return Sign(Single(connection, far, near, whole), exchanges, packets_of([far]), user=user)


def why(tell: Tell[Single]) -> str:
    facts = tell.facts
    clients = list(dict.fromkeys(fact.near.connection for fact in facts if fact.near is not None))
    ended = sum(fact.connection.ended_by is Side.CLIENT for fact in facts)
    return (
        f"{len(facts)} of {counted(facts[0].whole, 'server connection')} that logons need carried one exchange each, while "
        f"{counted(len(clients), 'connection')} of clients had {counted(sum(len(tell.evidence.exchanges_of[one]) for one in clients), 'exchange')}. The first "
        f"is {name(facts[0].connection)}, {tell.packet(tell.first.packets[0])}; the proxy ended {ended} of them first."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {tell.connection.client.host} opens a new server connection for every request",
    name="Proxy opens a new server connection for every request",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.PROXY,
    reference=microsoft.SAME_CONNECTION,
    advice=Advice("Let the proxy keep the server connection for as long as the client's lives", Topic.KEEP),
    see=see,
    why=why,
    each=lambda evidence, sign: (sign.fact.connection.client.host, endpoint(evidence, sign)),
    explains=("http.keepalive-stripped",),
    fails=("connection_persistence",),
    params=(LEAST, RATIO),
)
