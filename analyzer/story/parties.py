"""Who takes part: clients, proxies, servers, and what each is called.

A proxy is a set of endpoints: where its clients reach it, and the addresses that it asks servers from. Endpoints belong together when they share an upstream
connection; one address with two products on two ports is two parties. Only what this hop added to a message names this hop's product: a field of the near
response that the far one lacks, or of the far request that the near one lacks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import NamedTuple

from analyzer.formats.gateways import is_gateway
from analyzer.records.auth import Conversation, NtlmToken, Token
from analyzer.records.candidates import connections
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, header_values, host_name, request, response
from analyzer.records.http import Exchange
from analyzer.records.prefaces import Socks
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.story import Certainty, Kind, Name, Party
from analyzer.records.transport import Connection, Endpoint

_LOOKED_AT = 32
"""Exchanges of a connection that are looked at for names: a product names itself in each."""
_NAMES = 16
_CLIENT, _PROXY, _SERVER = ((kind.value, kind) for kind in (Kind.CLIENT, Kind.PROXY, Kind.SERVER))
_UPSTREAM, _GOES_ON = Role.UPSTREAM_LEG, (Role.CLIENT_LEG, Role.TUNNEL)
_COMMENT = re.compile(r"\(([^()]{1,80})\)")
_VIA = re.compile(r"^\s*\d(?:\.\d)?\s+([^\s,()]{1,80})")


class Parties(NamedTuple):
    """The parties in order of place; connection id to the ids of the party at its client end and of the one at its server end."""

    all: tuple[Party, ...]
    ends: Mapping[str, tuple[str, str]]


def parties(evidence: Evidence) -> Parties:
    """The parties of all WinRM connections."""
    found = _Found(evidence)
    for connection in connections(evidence):
        found.add(connection)
    return found.named()


class _Found:
    """Parties in the making: a key per party, and what belongs to each."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.near_of: dict[str, str] = {}
        self.groups = _groups(evidence)
        self.onward: dict[str, str] = {}
        for route in evidence.routes:
            for far in route.upstream_connections:
                self.near_of.setdefault(far, route.client_connection)
                self.onward.setdefault(route.client_connection, far)
        self.asking: dict[str, set[object]] = defaultdict(set)
        for far, near in self.near_of.items():
            self.asking[evidence.connections[far].client.host].add(self.groups[evidence.connections[near].server])
        self.near: dict[tuple[str, object], list[Connection]] = defaultdict(list)
        self.far: dict[tuple[str, object], list[Connection]] = defaultdict(list)
        self.kinds: dict[tuple[str, object], Kind] = {}
        self.at: dict[str, tuple[tuple[str, object], tuple[str, object]]] = {}

    def add(self, connection: Connection) -> None:
        opener, listener = self._opener(connection), self._listener(connection)
        self.far[opener].append(connection)
        self.near[listener].append(connection)
        self.at[connection.id] = (opener, listener)

    def _opener(self, connection: Connection) -> tuple[str, object]:
        near = self.near_of.get(connection.id)
        if near is not None:
            return self._as(_PROXY, self.groups[self.evidence.connections[near].server])
        if self.evidence.roles.get(connection.id) is _UPSTREAM:
            return self._as(_PROXY, self._listens(connection.client.host) or connection.client.host)
        return self._as(_CLIENT, connection.client.host)

    def _listens(self, host: str) -> object | None:
        """The only proxy that is known to ask servers from this address."""
        known = self.asking.get(host, set())
        return next(iter(known)) if len(known) == 1 else None

    def _listener(self, connection: Connection) -> tuple[str, object]:
        """A connection that a proxy opened ends at a server, unless it goes on from there: a transparent proxy's far side has the address of its near one."""
        goes_on = connection.id in self.onward or self.evidence.roles.get(connection.id) in _GOES_ON
        server = connection.server
        if goes_on or (self.groups and server in self.groups and connection.id not in self.near_of):
            return self._as(_PROXY, self.groups.get(server, server))
        return self._as(_SERVER, server)

    def _as(self, kind: tuple[str, Kind], who: object) -> tuple[str, object]:
        key = (kind[0], who)
        self.kinds.setdefault(key, kind[1])
        return key

    def named(self) -> Parties:
        ids = {key: f"p{number}" for number, key in enumerate(self.kinds, 1)}
        made = tuple(self._party(ids[key], key, kind) for key, kind in self.kinds.items())
        return Parties(made, {identity: (ids[one], ids[other]) for identity, (one, other) in self.at.items()})

    def _party(self, identity: str, key: tuple[str, object], kind: Kind) -> Party:
        near, far = self.near.get(key, []), self.far.get(key, [])
        if len(far) == 1 and not near and kind is _CLIENT[1]:
            return self._of_one_connection(identity, far[0])
        proxy = kind is _PROXY[1]
        product, evidence_of = product_of(self.evidence, near, far) if proxy else (None, None)
        socks = proxy and any(isinstance(preface, Socks) for connection in near for preface in connection.prefaces)
        return Party(
            identity,
            Kind.SOCKS if socks else kind,
            listens=tuple(dict.fromkeys([connection.server for connection in near if not proxy or not self._is_redirected(connection)])),
            hosts=tuple(dict.fromkeys([connection.client.host for connection in far])),
            names=_names(self.evidence, near) if kind is _SERVER[1] else (),
            product=product,
            product_evidence=evidence_of,
            certainty=Certainty.PROVED if socks or self._is_proved(kind, near, far) else Certainty.INFERRED,
            near=tuple([connection.id for connection in near]),
            far=tuple([connection.id for connection in far]),
            packets=tuple(islice((connection.packets[0] for connection in chain(near, far) if connection.packets), _NAMES)),
        )

    def _of_one_connection(self, identity: str, far: Connection) -> Party:
        """A client that opened one connection, as most do where there are many."""
        return Party(
            identity,
            Kind.CLIENT,
            hosts=(far.client.host,),
            certainty=Certainty.PROVED if far.id in self.onward else Certainty.INFERRED,
            far=(far.id,),
            packets=(far.packets[0],) if far.packets else (),
        )

    def _is_proved(self, kind: Kind, near: Iterable[Connection], far: Iterable[Connection]) -> bool:
        """A proxy by exchanges that went through it; an end of the path where the other side of a proxy shows it; else something unseen may stand before it."""
        if kind is Kind.PROXY:
            return self._hops(near, far)
        known, own = (self.onward, far) if kind is Kind.CLIENT else (self.near_of, near)
        return bool(known) and any(one.id in known for one in own)

    def _is_redirected(self, connection: Connection) -> bool:
        """The client called the server's own address, and a transparent proxy took the connection: the address is not the proxy's."""
        far = self.onward.get(connection.id)
        return far is not None and self.evidence.connections[far].server.host == connection.server.host

    def _hops(self, near: Iterable[Connection], far: Iterable[Connection]) -> bool:
        if not self.near_of and not self.evidence.near:
            return False
        return any(self.near_of.get(connection.id) for connection in far) or any(
            exchange.id in self.evidence.near for connection in near for exchange in self.evidence.exchanges_of.get(connection.id, ())
        )


def _groups(evidence: Evidence) -> dict[Endpoint, Endpoint]:
    """Each listening endpoint of a proxy to the first one of its group: endpoints that share an upstream connection are one proxy's."""
    leader: dict[Endpoint, Endpoint] = {}

    def top(one: Endpoint) -> Endpoint:
        while leader[one] != one:
            one = leader[one]
        return one

    first: dict[str, Endpoint] = {}
    for route in evidence.routes:
        own = evidence.connections[route.client_connection].server
        leader.setdefault(own, own)
        for far in route.upstream_connections:
            other = first.setdefault(far, own)
            if top(other) != top(own):
                leader[top(own)] = top(other)
    return {one: top(one) for one in leader}


def product_of(evidence: Evidence, near: Iterable[Connection], far: Iterable[Connection]) -> tuple[str | None, str | None]:
    """What a proxy calls itself, and the message that says it: something that it added, told by both sides where both are known."""
    far = tuple(far)
    for connection in near:
        for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT]:
            hop = evidence.near.get(exchange.id)
            onward = None if hop is None else evidence.exchanges[hop.far]
            told = _added(exchange, onward) if onward is not None else None if _has_both_sides(evidence, far) else _alone(exchange)
            if told is not None:
                return told
    known = evidence.far
    if known and any(exchange.id in known for one in far for exchange in evidence.exchanges_of.get(one.id, ())):
        return None, None
    return _upstream(evidence, far)


def _has_both_sides(evidence: Evidence, far: Iterable[Connection]) -> bool:
    known = evidence.far
    return bool(known) and any(exchange.id in known for connection in far for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT])


def _added(near: Exchange, far: Exchange) -> tuple[str, str] | None:
    """What the hop itself wrote: Via towards the server or the client, a Server field that the server did not send."""
    sides = ((request(near), request(far)), (response(far), response(near)))
    for given, passed in sides:
        if given is None or passed is None:
            continue
        old = set(header_values(given, "via"))
        new = [value for value in header_values(passed, "via") if value not in old]
        name = next((_via(value, *old) for value in new), None)
        if name:
            return name, passed.id
    origin, shown = header(response(far), "server"), header(response(near), "server")
    answer = response(near)
    return (shown, answer.id) if shown and shown != origin and answer is not None else None


def _via(value: str, *before: str) -> str | None:
    """The product of the last entry of a Via field (RFC 9110 section 7.6.3), if this hop added one."""
    rest = value
    for old in before:
        rest = rest.removeprefix(old).lstrip(", ")
    comment = _COMMENT.findall(rest)
    return comment[-1] if comment else None


def _alone(exchange: Exchange) -> tuple[str, str] | None:
    """Of a proxy whose other side is not in the capture: the last Via entry of its responses, or the name of a gateway in Server."""
    answer = response(exchange)
    if answer is None:
        return None
    comments = [name for value in header_values(answer, "via") for name in _COMMENT.findall(value)]
    server = header(answer, "server")
    name = comments[-1] if comments else server if is_gateway(server) else None
    return None if name is None else (name, answer.id)


def _upstream(evidence: Evidence, far: Iterable[Connection]) -> tuple[str | None, str | None]:
    """Of a proxy whose clients' side is not in the capture: the last Via entry of its requests."""
    for connection in far:
        for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT]:
            asked = request(exchange)
            comments = [name for value in header_values(asked, "via") for name in _COMMENT.findall(value)]
            if comments and asked is not None:
                return comments[-1], asked.id
    return None, None


def _names(evidence: Evidence, near: Iterable[Connection]) -> tuple[Name, ...]:
    """The names of a server, each with where it was read."""
    found: dict[tuple[str, str], None] = {}
    heads: set[int] = set()  # what Python calls fields that were looked at: messages that are alike have one object of them
    tokens: dict[int, Token] = {}
    for connection in near:
        if connection.tls is not None and connection.tls.server_name:
            found[connection.tls.server_name, "SNI"] = None
        for exchange in evidence.exchanges_of.get(connection.id, ())[:_LOOKED_AT]:
            asked = exchange.request
            if isinstance(asked, Absent) or id(asked.headers) in heads:
                continue
            heads.add(id(asked.headers))
            host = header(asked, "host")
            if host:
                found[host_name(host), "Host"] = None
        for spoken in evidence.conversations_of.get(connection.id, ()):
            found.update(_named_in(spoken, tokens))
        if len(found) >= _NAMES:
            break
    return tuple([Name(*one) for one in found][:_NAMES])


def _named_in(spoken: Conversation, known: dict[int, Token]) -> dict[tuple[str, str], None]:
    """What a logon calls the server. ``known``: tokens that were looked at, which is not done again."""
    found: dict[tuple[str, str], None] = {}
    if spoken.spn:
        found[spoken.spn.partition("/")[2] or spoken.spn, "SPN"] = None
    for step in spoken.steps:
        token = step.token
        if token is None or id(token) in known:
            continue
        known[id(token)] = token
        if isinstance(token.ntlm, NtlmToken) and token.ntlm.server_dns_name:
            found[token.ntlm.server_dns_name, "NTLM"] = None
    return found
