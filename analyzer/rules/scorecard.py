"""Holds each proxy of a capture against what Microsoft's page "Proxy Servers and WinRM" asks of it.

A requirement fails when one of its rules found something on the proxy's connections; it passes when exchanges show that it was kept, and their number is
given; otherwise it was not seen. The rules decide what a failure is, so the scorecard and the findings cannot contradict each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.http import Exchange
from analyzer.records.proxy import Check, Route, Scorecard, Verdict
from analyzer.records.sealing import Protection
from analyzer.rules import catalogue
from analyzer.rules.causes import explained
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
    response,
    status,
    upstream,
)

_PACKETS = 32
_NEW = "HTTP/1.1"
_DEMANDS = (401, 407)


class Proxy(Struct, frozen=True, gc=False):
    """The routes through one proxy, and the connections of both its legs."""

    routes: tuple[Route, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    beyond: frozenset[str]
    """``far``, to look things up in."""


Proof = Callable[[Evidence, Proxy], Iterator[Exchange]]


class Requirement(Struct, frozen=True, gc=False):
    """``rules`` whose findings fail it, ``proof`` gives the exchanges that show it kept, ``unit`` names them.

    Findings of ``alone`` fail it, too, but not where they are the symptom of another one, which fails the requirement that it belongs to.
    """

    name: str
    sentence: str
    rules: tuple[str, ...]
    proof: Proof
    unit: str
    alone: tuple[str, ...] = ()


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
    Requirement("http_1_1", "131", ("http.1.0-downgrade",), _http_1_1, "exchange"),
    Requirement(
        "connection_authentication",
        "133",
        ("affinity.handshake-interleaved", "auth.challenge-stripped", "tcp.close-between-challenge-and-response"),
        _connection_authentication,
        "handshake",
    ),
    Requirement(
        "keeps_open_after_success",
        "136",
        ("tcp.close-after-auth-2xx", "tcp.rst-after-2xx", "tcp.request-lost-after-auth"),
        _keeps_open,
        "handshake",
    ),
    Requirement(
        "connection_persistence",
        "145",
        ("auth.reauth-per-request", "affinity.no-upstream-keepalive"),
        _served_without_new_handshake,
        "exchange",
        alone=("http.keepalive-stripped",),
    ),
    Requirement(
        "affinity",
        "146",
        (
            "affinity.client-migrates",
            "affinity.shared-authenticated-upstream",
            "affinity.sequence-discontinuity",
            "affinity.context-mismatch",
        ),
        _affinity,
        "exchange",
    ),
    Requirement(
        "encryption_enforced",
        "151",
        ("enc.plaintext-soap-through-proxy", "enc.server-allows-unencrypted", "enc.mixed-mode", "proxy.plain-http-in-connect"),
        _encryption,
        "request",
    ),
    Requirement("proxy_auth_over_https", "119", ("proxyauth.over-plain-http", "proxyauth.cleartext-on-connect"), _proxy_authentication, "request"),
    Requirement(
        "no_foreign_request",
        "155",
        ("affinity.shared-authenticated-upstream", "affinity.foreign-request-rejected"),
        _no_foreign,
        "request",
    ),
)
"""In the order of the proxies table."""


def scorecards(evidence: Evidence, findings: Sequence[Finding]) -> tuple[Scorecard, ...]:
    """One for each proxy host and kind of proxy that carries WinRM, in order of first appearance. ``findings``: all of them, symptoms included."""
    groups: dict[tuple[str, str], list[Route]] = {}
    for route in evidence.routes:
        if route.client_connection in evidence.winrm:
            groups.setdefault((route.proxy_host, route.kind), []).append(route)
    about: dict[str, list[int]] = {}
    for place, finding in enumerate(findings):
        for connection in dict.fromkeys(finding.connections):
            about.setdefault(connection, []).append(place)
    return tuple(_scorecard(evidence, findings, about, host, kind, tuple(routes)) for (host, kind), routes in groups.items())


def _scorecard(
    evidence: Evidence, findings: Sequence[Finding], about: Mapping[str, Sequence[int]], host: str, kind: str, routes: tuple[Route, ...]
) -> Scorecard:
    """``about``: connection to the places of the findings about it."""
    near = tuple(dict.fromkeys(route.client_connection for route in routes))
    far = tuple(dict.fromkeys(identity for route in routes for identity in route.upstream_connections))
    proxy = Proxy(routes, near, far, frozenset(far))
    outer = tuple(tunnel for identity in near if (tunnel := evidence.connections[identity].tunnel_of) is not None)
    against = [findings[place] for place in sorted({place for identity in (*near, *far, *outer) for place in about.get(identity, ())})]
    return Scorecard(
        proxy_host=host,
        kind=kind,
        product=_product(evidence, proxy),
        routes=tuple(route.id for route in routes),
        client_connections=near,
        upstream_connections=far,
        exchanges=sum(1 for _ in _hops(evidence, proxy)),
        checks=tuple(_check(evidence, proxy, requirement, against) for requirement in REQUIREMENTS),
    )


def _check(evidence: Evidence, proxy: Proxy, requirement: Requirement, against: Sequence[Finding]) -> Check:
    causes = {id(finding) for finding in explained(against)} if requirement.alone else set()
    declared = {rule.id for rule in catalogue.rules() if requirement.name in rule.fails}
    failures = [
        finding
        for finding in against
        if finding.rule in requirement.rules or finding.rule in declared or (finding.rule in requirement.alone and id(finding) in causes)
    ]
    if failures:
        rules = ", ".join(dict.fromkeys(finding.rule for finding in failures))
        packets = tuple(sorted({key for finding in failures for key in finding.packets}))[:_PACKETS]
        return Check(requirement.name, Verdict.FAIL, len(failures), rules, packets, requirement.sentence)
    tunnels = [evidence.connections[identity] for identity in proxy.near if evidence.connections[identity].protocol == "tls"]
    if requirement.name == "encryption_enforced" and tunnels:
        keys = tuple(connection.packets[0] for connection in tunnels if connection.packets)
        return Check(requirement.name, Verdict.PASS, len(tunnels), f"{counted(len(tunnels), 'TLS connection')} verified", keys[:_PACKETS], requirement.sentence)
    proofs = list(requirement.proof(evidence, proxy))
    if not proofs:
        return Check(requirement.name, Verdict.NOT_SEEN, 0, "", (), requirement.sentence)
    packets = tuple(key for exchange in proofs for key in first_packet(request(exchange)))[:_PACKETS]
    return Check(requirement.name, Verdict.PASS, len(proofs), f"{counted(len(proofs), requirement.unit)} verified", packets, requirement.sentence)


def _product(evidence: Evidence, proxy: Proxy) -> str | None:
    """What the proxy calls itself: the comment of the Via field that it adds, or a Server field that differs from the server's."""
    for near, far in _hops(evidence, proxy):
        for half in (request(far), response(near)):
            comment = (header(half, "via") or "").rpartition("(")[2].rstrip(")")
            if comment and half is not None:
                return comment
        shown, origin = header(response(near), "server"), header(response(far), "server")
        if shown and shown != origin:
            return shown
    return None
