"""A command is run without any logon.

Detects
    A POST with a readable WS-Management request that runs or changes something (Create, Command, Send, Put, Delete,
    or a method of a class). Its connection has no TLS and is known from its first byte. Neither this request nor an
    earlier one on the connection has an Authorization field. The answer is 2xx with SOAP that is not a fault. Behind
    a proxy the server's side must be the same.
Impact
    It is how CVE-2021-38647 (OMIGOD) looks: Open Management Infrastructure took requests without an Authorization
    field for root's. Anyone who reaches the port runs commands as root.
False positives
    A server that was set up to serve anonymous requests on purpose, a test double for example. Requests that only
    read or ask who is there (Identify, Get, Enumerate, WS-Discovery) are not counted, nor are encrypted requests and
    requests after a logon.
Requires
    The connection from its beginning; both sides where there is a proxy (a host that forwards other clients' requests
    is one). Inside TLS a certificate may stand for the header: nothing is said there.
References
    CVE-2021-38647; ATT&CK T1190; RFC 9110 section 11.6.2.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import cache, partial
from itertools import groupby
from operator import attrgetter

from analyzer.records.auth import Outcome
from analyzer.records.candidates import answers_clear, asked_with, asks_clear, of_kinds
from analyzer.records.http import Exchange
from analyzer.records.kinds import Asked, Kind, Said
from analyzer.records.proxy import Role
from analyzer.records.transport import Endpoint
from analyzer.rules.asking import server_words, where
from analyzer.rules.reading import counted, listed, message, packets_of, request, role, status, upstream
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_RUNS = ("Create", "Command", "Send", "Put", "Delete")
_PATH = "/wsman"
_LEGS = (Role.DIRECT, Role.CLIENT_LEG)


class Served(Fact, frozen=True):
    """Requests of one connection that were served."""

    exchanges: tuple[Exchange, ...]


def see(evidence: Evidence) -> Signs[Served]:
    """One sign for each connection with requests that were served."""
    bare = cache(partial(_bare_to, evidence, {one.id for one in asked_with(evidence, "authorization")}))
    asks_who = {one.id for one in asked_with(evidence, "wsmanidentify")}
    accepted = {found.connection for found in evidence.conversations if found.outcome is Outcome.ACCEPTED}
    legs = {identity for identity in evidence.winrm - accepted if role(evidence, identity) in _LEGS}
    own = [one for one in of_kinds(evidence, _is_served) if one.connection in legs and one.position <= bare(one.connection) and one.id not in asks_who]
    forwarders = {evidence.connections[hop.near_connection].server for hop in evidence.hops} if own else set()
    for _, group in groupby(own, attrgetter("connection")):
        served = tuple([one for one in group if _is_bare_upstream(evidence, one, bare, forwarders)])
        if served:
            ways = served if not evidence.near else [one for near in served for one in (near, upstream(evidence, near.id)) if one is not None]
            yield Sign(Served(served), tuple([one.id for one in ways]), packets_of(served))


def _bare_to(evidence: Evidence, named: AbstractSet[str], identity: str) -> int:
    """The position of the last exchange up to which nothing can have authenticated the connection, and all of that was captured; 0 when there is none, and
    where it is not WinRM's. ``named``: exchanges whose request has an Authorization field."""
    connection = evidence.connections[identity]
    if identity not in evidence.winrm:
        return 0
    stream = connection.to_server
    begins = stream.begins and (connection.syn is not None or connection.tunnel_of is not None)
    accepted = any(found.outcome is Outcome.ACCEPTED for found in evidence.conversations_of.get(connection.id, ()))
    if connection.protocol == "tls" or not begins or accepted:
        return 0
    whole_to = min((gap.stream_at for gap in stream.gaps), default=stream.size)
    last = 0
    for exchange in evidence.exchanges_of.get(connection.id, ()):
        asked = request(exchange)
        if asked is None or asked.end_at > whole_to or exchange.id in named:
            break
        last = exchange.position
    return last


def _is_served(kind: Kind) -> bool:
    asked, answer = kind.asked, kind.answered
    if asked is None or asked.said is None or asked.method != "POST" or answer is None or answer.said is None or not 200 <= answer.status < 300:
        return False
    return asks_clear(kind) and answers_clear(kind) and _runs(asked, asked.said) and answer.said.operation != "Fault"


def _runs(asked: Asked, found: Said) -> bool:
    """It is WS-Management, and runs or changes something: a known action, or a method of the class that it names."""
    if not found.wsman and _PATH not in asked.target.lower():
        return False
    action, kind = found.action or "", (found.resource_uri or "").partition("?")[0].rpartition("/")[2]
    return found.operation in _RUNS or (bool(kind) and f"/{kind}/".lower() in action.lower() and found.operation == action)


def _is_bare_upstream(evidence: Evidence, exchange: Exchange, bare: Callable[[str], int], forwarders: AbstractSet[Endpoint]) -> bool:
    """A connection to a place that forwards other clients' requests belongs to that proxy, although its own server side is not known."""
    if role(evidence, exchange.connection) is Role.DIRECT and evidence.connections[exchange.connection].server not in forwarders:
        return True
    far = upstream(evidence, exchange.id)
    return far is not None and far.position <= bare(far.connection)


def why(tell: Tell[Served]) -> str:
    served = [exchange for fact in tell.facts for exchange in fact.exchanges]
    found = [message(tell.evidence, request(exchange)) for exchange in served]
    operations = dict.fromkeys([one.operation for one in found if one is not None])
    return (
        f"{server_words(tell.connection)} served {counted(len(served), 'request')} of {tell.connection.client.host} "
        f"({listed(str(operation).rpartition('/')[2] for operation in operations)}). The request had no Authorization field, and "
        f"no logon came before it on the connection, which was captured from its beginning. The first was answered {status(served[0])} ({where(tell)}). "
        "Anyone who reaches this port can do the same."
    )


OPINION = Opinion(
    title=lambda tell: f"Server {server_words(tell.connection)} serves commands without a logon",
    name="Commands are served without a logon",
    severity=Severity.CRITICAL,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="CVE-2021-38647",
    advice=(
        "Update OMI to 1.6.8-1 or newer (and the extensions that bring it). Allow ports 5985, 5986 and 1270 from the management network only. Treat the "
        "host as compromised if the client is not yours."
    ),
    attack=("T1190", "T1021.006"),
    see=see,
    why=why,
)
