"""Questions that rules ask of the picture of the whole (`analyzer.records.story`), and the words for its facts. Rules do not draw pictures of their own."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Request
from analyzer.records.prefaces import ProxyHeader
from analyzer.records.proxy import Hop, Role
from analyzer.records.story import Kind, Logon, Party, Reason, Result
from analyzer.records.transport import Connection
from analyzer.rules.reading import PROXIED, begins_at, first_packet, header, owner, request, response, role
from analyzer.rules.telling import Sign, Tell


def failed(evidence: Evidence, *reasons: Reason, audience: Audience = Audience.SERVER) -> Iterator[Logon]:
    """Logons that did not succeed for one of these reasons, in order of place."""
    for logon in evidence.story.logons:
        if logon.audience is audience and logon.outcome is not Result.ACCEPTED and logon.reason in reasons:
            yield logon


def sign(logon: Logon) -> Sign[Logon]:
    """A logon as a sign: its exchanges and packets on every side."""
    return Sign(logon, logon.exchanges, logon.packets, (logon.client_connection, *logon.server_connections), user=account(logon))


def spoken(evidence: Evidence, *mechanisms: Mechanism, audience: Audience = Audience.SERVER) -> Iterator[Conversation]:
    """What clients said themselves to log on: conversations on WinRM connections, without those that a proxy forwarded from a known client. In order of place;
    with ``mechanisms``, only those."""
    own = evidence.index.once(("spoken", audience), lambda: tuple(_spoken(evidence, audience)))
    if not mechanisms:
        return iter(own)
    return iter(evidence.index.once(("spoken", audience, mechanisms), lambda: tuple([found for found in own if found.mechanism in mechanisms])))


def _spoken(evidence: Evidence, audience: Audience) -> Iterator[Conversation]:
    wanted, far = evidence.winrm, evidence.far
    for found in evidence.conversations:
        if found.audience is audience and found.connection in wanted and not (far and any(map(far.__contains__, found.exchanges))):
            yield found


def is_at_proxy(evidence: Evidence, connection: str) -> bool:
    """One of its ends is a proxy."""
    return role(evidence, connection) in PROXIED


def claims_proxy(evidence: Evidence, connections: Iterable[str]) -> bool:
    """Only fields of requests (Via, X-Forwarded-For) say that all these connections come from a proxy, and any sender can write them. A host that was seen
    to forward, or to announce itself in a PROXY header, is one."""
    claimed = evidence.index.once("claimed proxies", lambda: _claimed(evidence))
    return claimed.issuperset(connections)


def _claimed(evidence: Evidence) -> frozenset[str]:
    """The connections of which nothing else than a field says that they come from a proxy."""
    roles, upstream = evidence.roles, Role.UPSTREAM_LEG
    own = [one for identity, one in evidence.connections.items() if roles.get(identity) is upstream and one.tunnel_of is None]
    proved = set(_proved(evidence)) if own else ()
    return frozenset([one.id for one in own if one.client.host not in proved])


def _proved(evidence: Evidence) -> Iterator[str]:
    """The addresses of hosts that proxies are seen to be."""
    for hop in evidence.hops:
        yield evidence.connections[hop.far_connection].client.host
    for one in evidence.connections.values():
        if any(isinstance(preface, ProxyHeader) for preface in one.prefaces):
            yield one.client.host


def forwarded(evidence: Evidence) -> Iterator[tuple[Hop, Exchange, Exchange]]:
    """WinRM exchanges that are known on both sides of a proxy: the client's and the server's."""
    for hop in evidence.hops:
        if hop.near_connection in evidence.winrm:
            yield hop, evidence.exchanges[hop.near], evidence.exchanges[hop.far]


def program(evidence: Evidence, exchange: Exchange) -> tuple[str, str]:
    """The client program behind a request: its address and the User-Agent that it gives."""
    return evidence.connections[exchange.connection].client.host, header(request(exchange), "user-agent") or ""


def account(logon: Logon) -> str | None:
    r"""``DOMAIN\user``, ``user``, or None when nothing shows it."""
    if not logon.user:
        return None
    return f"{logon.domain}\\{logon.user}" if logon.domain else logon.user


def party_at(evidence: Evidence, connection: str, *, server_end: bool) -> Party | None:
    """The party at one end of a connection."""
    ends = evidence.story.ends.get(connection)
    return None if ends is None else evidence.story.parties[int(ends[server_end][1:]) - 1]


def is_proxied(evidence: Evidence, connection: str) -> bool:
    """Its server end is a proxy."""
    party = party_at(evidence, connection, server_end=True)
    return party is not None and party.kind is Kind.PROXY


def server_words(connection: Connection) -> str:
    """``10.9.2.30:5985``."""
    return str(connection.server)


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def asked_name(evidence: Evidence, exchange: str) -> str | None:
    """The name in the Host field of a request, without its port."""
    value = header(request(evidence.exchanges[exchange]), "host")
    return None if value is None else value.rpartition(":")[0] if ":" in value and not value.endswith("]") else value


def product_at(evidence: Evidence, exchange: str) -> str | None:
    """The Server field of a response."""
    return header(response(evidence.exchanges[exchange]), "server")


def asks_for(asked: Request | None) -> str:
    """``GET /page``: what a request asks for."""
    return "something that is not in the capture" if asked is None else f"{asked.method} {asked.target}"


def where(tell: Tell[Any]) -> str:
    """``packet 6, c1.x2``: where the first sign is."""
    first = tell.first
    return ", ".join([*(tell.packet(key) for key in first.packets[:1]), *first.exchanges[:1]]) or tell.connection.id


def first_packet_of(tell: Tell[Logon]) -> str:
    """``packet 6``: where the first logon was answered."""
    return tell.packet(tell.first.packets[-1]) if tell.first.packets else "no packet"


def asked_at(tell: Tell[Any], exchange: Exchange) -> str:
    """``packet 12``: where a request begins."""
    keys = first_packet(request(exchange))
    return tell.packet(keys[0]) if keys else "no packet"


def answered_at(tell: Tell[Any], exchange: Exchange) -> str:
    """``packet 14``: where a response begins."""
    keys = first_packet(response(exchange))
    return tell.packet(keys[0]) if keys else "no packet"


def named(before: str, text: str | None) -> str:
    """`` as alice``: the words before a name and the name, or nothing where there is none."""
    return f" {before} {text}" if text else ""


def joined(evidence: Evidence, *exchanges: str) -> float:
    """How sure it is that these server-side exchanges are what the clients' ones were forwarded as: the weakest of them."""
    return min((evidence.far[identity].confidence for identity in exchanges if identity in evidence.far), default=1.0)


def client_behind(evidence: Evidence, spoken: Conversation) -> str | None:
    """The client's connection that a handshake on a server connection belongs to; None when none is known, or several are."""
    owners = {near.connection for identity in spoken.exchanges if (near := owner(evidence, identity)) is not None}
    return owners.pop() if len(owners) == 1 else None


def is_mixed(evidence: Evidence, spoken: Conversation) -> bool:
    """Another exchange lies between those of a handshake on its connection, or another one was not over when it began: whose logon it is, cannot be told."""
    places = [evidence.exchanges[identity].position for identity in spoken.exchanges]
    if max(places) - min(places) >= len(set(places)):
        return True
    own = evidence.conversations_of.get(spoken.connection, ())
    place = bisect_left(own, min(places), key=partial(begins_at, evidence))
    return place > 0 and own[place - 1].outcome in _NOT_OVER and own[place - 1].audience is spoken.audience


_NOT_OVER = (Outcome.ABANDONED, Outcome.UNFINISHED)
