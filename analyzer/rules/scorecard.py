"""Holds each proxy of a capture against what Microsoft's page "Proxy Servers and WinRM" asks of it.

A requirement fails when one of its rules found something on the proxy's connections; it passes when exchanges show that it was kept, and their number is
given; otherwise it was not seen. The rules decide what a failure is, so the scorecard and the findings cannot contradict each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Quotation
from analyzer.records.http import Exchange
from analyzer.records.proxy import Check, Role, Route, Scorecard, Verdict
from analyzer.records.sealing import Protection
from analyzer.records.story import Kind, Party
from analyzer.rules import catalogue, microsoft
from analyzer.rules.causes import explained, symptoms
from analyzer.rules.reading import (
    CONNECTION_BASED,
    authenticated,
    completed,
    counted,
    first_packet,
    header,
    message,
    owner,
    request,
    status,
    upstream,
)

_PACKETS = 32
_NEW = "HTTP/1.1"
_ENFORCES = "encryption_enforced"
_DEMANDS = (401, 407)
_UPSTREAM = Role.UPSTREAM_LEG


class Proxy(Struct, frozen=True, gc=False):
    """One proxy in one of its kinds: the routes through it, and the connections of both its sides."""

    kind: str
    routes: tuple[Route, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    beyond: frozenset[str]
    """``far``, to look things up in."""


Proof = Callable[[Evidence, Proxy], Iterator[Exchange]]


class Requirement(Struct, frozen=True, gc=False):
    """``proof`` gives the exchanges that show it kept, ``unit`` names them. ``rules``: those whose findings fail it; declared opinions say so themselves."""

    name: str
    sentence: Quotation
    proof: Proof
    unit: str
    rules: tuple[str, ...] = ()


class _Asked(Struct, frozen=True, gc=False):
    """A requirement, the rules that fail it, those that do where nothing else explains them, and what is said where nothing was seen."""

    requirement: Requirement
    rules: frozenset[str]
    alone: frozenset[str]
    failed_by: frozenset[str]
    """Both of them."""
    untested: Check


def _asked(one: Requirement) -> _Asked:
    rules, alone = rules_of(one), alone_of(one)
    return _Asked(one, rules, alone, rules | alone, Check(one.name, Verdict.NOT_SEEN, 0, "", (), one.sentence))


def _hops(evidence: Evidence, proxy: Proxy) -> Iterator[tuple[Exchange, Exchange]]:
    for connection in proxy.near:
        for near in evidence.exchanges_of.get(connection, ()):
            far = upstream(evidence, near.id)
            if far is not None and far.connection in proxy.beyond:
                yield near, far


def _http_1_1(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for near, far in _hops(evidence, proxy):
        asked, onward = request(near), request(far)
        if asked is not None and onward is not None and asked.version == onward.version == _NEW:
            yield far


def _handshakes(evidence: Evidence, proxy: Proxy) -> Iterator[Conversation]:
    return (found for connection in proxy.near for found in completed(evidence, connection))


def _connection_authentication(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for conversation in _handshakes(evidence, proxy):
        fars = [far for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None]
        if len(fars) == len(conversation.exchanges) and len({far.connection for far in fars}) == 1:
            yield evidence.exchanges[conversation.ends or conversation.exchanges[-1]]


def _keeps_open(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for conversation in _handshakes(evidence, proxy):
        last = evidence.exchanges[conversation.ends or conversation.exchanges[-1]]
        following = [other for other in evidence.exchanges_of[last.connection] if other.position > last.position]
        if following and status(following[0]) is not None:
            yield last


def _served_without_new_handshake(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for connection in proxy.near:
        for exchange in evidence.exchanges_of.get(connection, ()):
            conversation = authenticated(evidence, exchange)
            code = status(exchange)
            own = conversation is not None and exchange.id not in conversation.exchanges and conversation.mechanism in CONNECTION_BASED
            if own and code is not None and code not in _DEMANDS:
                yield exchange


def _affinity(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for exchange in _served_without_new_handshake(evidence, proxy):
        conversation = authenticated(evidence, exchange)
        far = upstream(evidence, exchange.id)
        home = None if conversation is None else upstream(evidence, conversation.exchanges[-1])
        if far is not None and home is not None and far.connection == home.connection:
            yield exchange


def _encryption(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for connection in proxy.near:
        for exchange in evidence.exchanges_of.get(connection, ()):
            found = message(evidence, request(exchange))
            if found is not None and found.protection in (Protection.SEALED, Protection.TLS):
                yield exchange


def _proxy_authentication(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for connection in proxy.near:
        if evidence.connections[connection].protocol != "tls":
            continue
        for exchange in evidence.exchanges_of.get(connection, ()):
            if header(request(exchange), "proxy-authorization") is not None:
                yield exchange


def _no_foreign(evidence: Evidence, proxy: Proxy) -> Iterator[Exchange]:
    for connection in proxy.far:
        for exchange in evidence.exchanges_of.get(connection, ()):
            conversation = authenticated(evidence, exchange)
            near = owner(evidence, exchange.id)
            if conversation is None or near is None or exchange.id in conversation.exchanges or conversation.mechanism not in CONNECTION_BASED:
                continue
            owners = {found.connection for step in conversation.exchanges if (found := owner(evidence, step)) is not None}
            if owners == {near.connection}:
                yield exchange


REQUIREMENTS = (
    Requirement("http_1_1", microsoft.HTTP_1_1, _http_1_1, "exchange"),
    Requirement("connection_authentication", microsoft.CONNECTION_LOGON, _connection_authentication, "handshake"),
    Requirement("keeps_open_after_success", microsoft.KEEP_OPEN, _keeps_open, "handshake"),
    Requirement("connection_persistence", microsoft.PERSISTENCE, _served_without_new_handshake, "exchange"),
    Requirement("affinity", microsoft.SAME_CONNECTION, _affinity, "exchange"),
    Requirement(_ENFORCES, microsoft.ENFORCE_ENCRYPTION, _encryption, "request"),
    Requirement("proxy_auth_over_https", microsoft.PROXY_LOGON_NEEDS_HTTPS, _proxy_authentication, "request"),
    Requirement("no_foreign_request", microsoft.ANOTHER_CLIENT, _no_foreign, "request"),
)
"""In the order of the proxies table."""


def rules_of(requirement: Requirement) -> frozenset[str]:
    """The rules whose findings fail it: those named here, and those that say so themselves."""
    return frozenset(requirement.rules) | {rule.id for rule in catalogue.rules() if requirement.name in rule.opinion.fails}


def alone_of(requirement: Requirement) -> frozenset[str]:
    """The rules whose findings fail it where no other finding explains them."""
    return frozenset(rule.id for rule in catalogue.rules() if requirement.name in rule.opinion.fails_alone)


def scorecards(evidence: Evidence, findings: Sequence[Finding], told: Sequence[Finding] | None = None) -> tuple[Scorecard, ...]:
    """One for each proxy and kind of proxy that carries WinRM, in order of first appearance. ``findings``: all of them, symptoms included; ``told``: those that
    no other one explains, in their order, where that is known.

    A proxy of which one side only is captured has a card, too: what needs both sides is not tested there."""
    parties = [party for party in evidence.story.parties if party.kind in (Kind.PROXY, Kind.SOCKS)]
    routes: dict[str, list[int]] = {}
    for place, route in enumerate(evidence.routes):
        routes.setdefault(route.client_connection, []).append(place)
    if not parties:
        return ()
    inside = {one.tunnel_of: identity for identity, one in evidence.connections.items() if one.tunnel_of is not None}
    failing = [_asked(one) for one in REQUIREMENTS]
    failed_by = frozenset().union(*[one.failed_by for one in failing])
    against: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.rule in failed_by:
            against.setdefault(responsible(evidence, finding, inside) or "", []).append(finding)
    kept = _Kept(explained(findings) if told is None else told)
    made = []
    for party in parties:
        for proxy in _proxies(evidence, party, routes):
            own = _about(evidence, proxy, against[party.id]) if party.id in against else ()
            by, unseen = {finding.rule for finding in own}, not proxy.near and not evidence.far  # what is kept is seen on the clients' side, or on both
            checks = tuple([one.untested if unseen and one.failed_by.isdisjoint(by) else _check(evidence, proxy, one, own, kept) for one in failing])
            made.append(_scorecard(evidence, party, proxy, checks))
    return tuple(made)


def responsible(evidence: Evidence, finding: Finding, inside: Mapping[str, str]) -> str | None:
    """The id of the party that a finding is about: the proxy between the connections that it names, else the one at the server's end of the first of them (at
    the client's end, where that is the proxy's server side). In a chain a finding fails its owner only. ``inside``: tunnels and what they carry."""
    ends = evidence.story.ends
    if len(finding.connections) == 1 and not inside:  # as most findings
        only = finding.connections[0]
        own = ends.get(only)
        return None if own is None else own[0] if own[0] == own[1] or evidence.roles.get(only) is _UPSTREAM else own[1]
    named = [identity for one in finding.connections for identity in (one, inside.get(one, "")) if identity in ends]
    if not named:
        return None
    both = {ends[identity][1] for identity in named} & {ends[identity][0] for identity in named}
    if len(both) == 1:
        return both.pop()
    opener, listener = ends[named[0]]
    return opener if evidence.roles.get(named[0]) is _UPSTREAM and not (both and opener not in both) else listener


def _proxies(evidence: Evidence, party: Party, of: Mapping[str, Sequence[int]]) -> Iterator[Proxy]:
    """A party in each of its kinds: a squid that tunnels some connections and forwards others is looked at twice. ``of``: the places of the routes of a
    client's connection."""
    kinds: dict[str, list[Route]] = {}
    for place in sorted({place for identity in party.near for place in of.get(identity, ())}) if of else ():
        route = evidence.routes[place]
        kinds.setdefault(route.kind, []).append(route)
    for kind, routes in kinds.items():
        clients = tuple(dict.fromkeys(route.client_connection for route in routes))
        servers = tuple(dict.fromkeys(identity for route in routes for identity in route.upstream_connections))
        yield Proxy(kind, tuple(routes), clients, servers, frozenset(servers))
    if not kinds:
        yield Proxy(_kind(evidence, party), (), party.near, party.far, frozenset(party.far))


def _kind(evidence: Evidence, party: Party) -> str:
    """The kind of a proxy of which one side only is known, by what it is asked for."""
    asked = [request(exchange) for connection in party.near for exchange in evidence.exchanges_of.get(connection, ())]
    if any(one is not None and one.method == "CONNECT" for one in asked):
        return "tunnel"
    return "forward" if any(one is not None and "://" in one.target.partition("?")[0] for one in asked) else "reverse"


def _about(evidence: Evidence, proxy: Proxy, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are about a proxy's connections, and the tunnels that these are in."""
    own = {*proxy.near, *proxy.far}
    own |= {outer for identity in proxy.near if (outer := evidence.connections[identity].tunnel_of) is not None}
    return [finding for finding in findings if not own.isdisjoint(finding.connections)]


def _scorecard(evidence: Evidence, party: Party, proxy: Proxy, checks: tuple[Check, ...]) -> Scorecard:
    host = party.listens[0].host if party.listens else party.hosts[0]
    return Scorecard(
        proxy_host=host,
        kind=proxy.kind,
        product=party.product,
        routes=tuple([route.id for route in proxy.routes]),
        client_connections=proxy.near,
        upstream_connections=proxy.far,
        exchanges=len(list(_hops(evidence, proxy))) if proxy.near else 0,
        checks=checks,
    )


def _check(
    evidence: Evidence,
    proxy: Proxy,
    asked: "_Asked",
    against: Sequence[Finding],
    kept: "_Kept",
) -> Check:
    requirement, rules, alone = asked.requirement, asked.rules, asked.alone
    failures = [finding for finding in against if finding.rule in rules or (finding.rule in alone and finding in kept)] if against else ()
    if failures:
        cited = [cause for finding in failures for cause in ([finding] if finding in kept else kept.causes(finding))]
        detail = ", ".join(dict.fromkeys(finding.rule for finding in cited))
        packets = tuple(sorted({key for finding in failures for key in finding.packets}))[:_PACKETS]
        return Check(requirement.name, Verdict.FAIL, len(failures), detail, packets, requirement.sentence)
    if not proxy.near and not evidence.far:
        return asked.untested
    enforces = requirement.name == _ENFORCES
    tunnels = [evidence.connections[identity] for identity in proxy.near if evidence.connections[identity].protocol == "tls"] if enforces else ()
    if tunnels:
        keys = tuple(connection.packets[0] for connection in tunnels if connection.packets)
        return Check(requirement.name, Verdict.PASS, len(tunnels), f"{counted(len(tunnels), 'TLS connection')} verified", keys[:_PACKETS], requirement.sentence)
    proofs = list(requirement.proof(evidence, proxy))
    if not proofs:
        return asked.untested
    packets = tuple(key for exchange in proofs for key in first_packet(request(exchange)))[:_PACKETS]
    return Check(requirement.name, Verdict.PASS, len(proofs), f"{counted(len(proofs), requirement.unit)} verified", packets, requirement.sentence)


class _Kept:
    """The findings that are told, and what they explain: a verdict names what the reader can look up."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings
        self._ids = {id(finding) for finding in findings}
        self._explain: dict[tuple[str, str], list[int]] | None = None

    def __contains__(self, finding: Finding) -> bool:
        return id(finding) in self._ids

    def causes(self, symptom: Finding) -> list[Finding]:
        """The findings that explain one that is not told; itself where there are none."""
        if self._explain is None:
            self._explain = {}
            for place, finding in enumerate(self._findings):
                for rule in symptoms().get(finding.rule, ()):
                    for connection in finding.connections:
                        self._explain.setdefault((rule, connection), []).append(place)
        places = {place for connection in symptom.connections for place in self._explain.get((symptom.rule, connection), ())}
        return [self._findings[place] for place in sorted(places)] or [symptom]
