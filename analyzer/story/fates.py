"""Fates: what became of each request that a client made, where it got to, what came back, and as whom it was served."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.halves import account, authenticated, forwarded, header_values, packets_of, request, response
from analyzer.records.http import Exchange, Response
from analyzer.records.prefaces import ProxyHeader
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.story import Certainty, Ending, Fate, Kind, Outcome, Party
from analyzer.records.transport import End

_PROXY_DEMAND, _DEMAND, _ERROR, _SERVER_ERROR = 407, 401, 400, 500
_GATEWAY = (502, 503, 504)
_SURE = 0.9
_PROVED, _UNKNOWN = Certainty.PROVED, Certainty.UNKNOWN
_PROXY, _UPSTREAM, _DIRECT = Kind.PROXY, Role.UPSTREAM_LEG, (Role.DIRECT, Role.UNKNOWN)
"""Asked of every request: as members of their classes they take longer to get at."""


def fates(evidence: Evidence, ends: Mapping[str, tuple[str, str]], parties: Iterable[Party], endings: Mapping[str, Ending]) -> dict[str, Fate]:
    """The client's exchange id to its fate, in order of place."""
    kinds = {party.id: party for party in parties}
    silent = {one.connection: evidence.exchanges[one.exchange].position for one in evidence.unanswered if one.exchange}
    faults = {one.id: one.fault_code for one in evidence.messages.values() if one.fault_code is not None}
    known = _Known(ends, kinds, endings, silent, _sent(evidence), faults)
    places: dict[str, _Place] = {}
    made: dict[str, Fate] = {}
    for exchange in asked_by_clients(evidence):
        place = places.get(exchange.connection)
        if place is None:
            place = places[exchange.connection] = _place(evidence, exchange, known)
        made[exchange.id] = _fate(evidence, exchange, known, place)
    return made


class _Place(NamedTuple):
    """What is the same for all requests of a connection: its server end, the proxy there that may answer by itself, whether it is the server's side of a
    proxy, the client's address where it is not, how sure it is who answers what is not forwarded, and whether there was any logon."""

    listener: str | None
    proxy: Party | None
    upstream: bool
    client: str | None
    certainty: Certainty
    spoken: bool


def _place(evidence: Evidence, exchange: Exchange, known: "_Known") -> _Place:
    identity = exchange.connection
    listener = known.ends.get(identity, ("", ""))[1]
    party, role = known.kinds.get(listener), evidence.roles.get(identity)
    upstream = role is _UPSTREAM
    return _Place(
        listener or None,
        party if party is not None and party.kind is _PROXY and party.certainty is _PROVED else None,
        upstream,
        None if upstream else asked_from(evidence, exchange),
        _PROVED if role in _DIRECT else _UNKNOWN,
        bool(evidence.conversations_of.get(identity)),
    )


def asked_by_clients(evidence: Evidence) -> Iterable[Exchange]:
    """Each WinRM request once, as the client made it, or as near to the client as it was seen."""
    wanted, far = evidence.winrm, evidence.far
    for exchange in evidence.exchanges.values():
        if exchange.connection in wanted and exchange.id not in far and not isinstance(exchange.request, Absent):
            yield exchange


class _Known(NamedTuple):
    """What all fates are told by: who is at a connection's ends, the parties, how connections ended; of each connection the position of the first request that
    is known to have got no answer; the accounts that requests carried; the codes of faults by the id of the response."""

    ends: Mapping[str, tuple[str, str]]
    kinds: Mapping[str, Party]
    endings: Mapping[str, Ending]
    silent: Mapping[str, int]
    sent: Mapping[str, str]
    faults: Mapping[str, str]


def _fate(evidence: Evidence, exchange: Exchange, known: _Known, place: _Place) -> Fate:
    ends, _, endings, silent, sent, faults = known
    onward: tuple[Exchange, ...] = ()
    if evidence.near and exchange.id in evidence.near:
        onward = tuple([evidence.exchanges[identity] for identity in forwarded(evidence, exchange.id)])
    asked, answer = request(exchange), response(exchange)
    last = onward[-1] if onward else exchange
    own = answer is not None and _answered_itself(evidence, exchange, answer, onward, place.proxy)
    outcome = _outcome(exchange, onward, endings, by_proxy=own)
    if answer is None and exchange.position < silent.get(exchange.connection, exchange.position + 1):
        outcome = Outcome.NOT_CAPTURED
    listener = place.listener if own or not onward else ends.get(last.connection, ("", ""))[1]
    spoken = authenticated(evidence, exchange) if place.spoken else None
    name = None if spoken is None else account(spoken.client)
    return Fate(
        request=exchange.id,
        outcome=outcome,
        stopped_at=listener or None,
        status=None if answer is None else answer.status,
        fault_code=None if answer is None else faults.get(answer.id),
        forwarded_as=tuple([one.id for one in onward]) if onward else (),
        asked_from=asked_from(evidence, exchange) if place.upstream else place.client,
        asked_as=name if name is not None and spoken is not None and _is_its_own(evidence, exchange, spoken) else sent.get(exchange.id),
        ran_as=None if own else _account(authenticated(evidence, last)) if onward else name,
        waited_ns=None if asked is None or answer is None else max(answer.first_ns - asked.last_ns, 0),
        certainty=_UNKNOWN if outcome is Outcome.NOT_CAPTURED else _joined(evidence, exchange) if onward else _PROVED if own else place.certainty,
        packets=tuple([key for one in (exchange, *onward) for key in packets_of(one)]) if onward else packets_of(exchange),
    )


def _answered_itself(
    evidence: Evidence,
    exchange: Exchange,
    answer: Response,
    onward: tuple[Exchange, ...],
    proxy: Party | None,
) -> bool:
    """A proxy gave the answer: it demands its own credentials, or what it got from the server, if anything, is another answer."""
    if answer.status == _PROXY_DEMAND:
        return True
    if onward:
        far = response(onward[0])
        return far is None or far.status != answer.status
    return proxy is not None and _would_have_been_seen(evidence, exchange, proxy)


def _would_have_been_seen(evidence: Evidence, exchange: Exchange, party: Party) -> bool:
    """The proxy's other side was captured at the same point, so a request that went on would be there."""
    method = request(exchange)
    if method is None or method.method == "CONNECT":
        return False
    own = evidence.connections[exchange.connection].point
    return any(evidence.connections[far].point == own for far in party.far)


def _outcome(exchange: Exchange, onward: tuple[Exchange, ...], endings: Mapping[str, Ending], *, by_proxy: bool) -> Outcome:
    answer = response(exchange)
    if answer is None:
        return _without_answer(exchange, endings)
    status = answer.status
    if status == _PROXY_DEMAND or (by_proxy and not onward and status >= _ERROR):
        return Outcome.NOT_FORWARDED if status == _PROXY_DEMAND else Outcome.ERROR_BY_PROXY
    if status == _DEMAND:
        return Outcome.REFUSED
    if status < _ERROR:
        return Outcome.ANSWERED
    if by_proxy:
        return Outcome.ERROR_BY_PROXY
    return Outcome.FAULT if status >= _SERVER_ERROR and status not in _GATEWAY else Outcome.ERROR_BY_SERVER


def _without_answer(exchange: Exchange, endings: Mapping[str, Ending]) -> Outcome:
    ending = endings.get(exchange.connection)
    if ending is None or ending.pending != exchange.id:
        return Outcome.UNANSWERED
    return Outcome.RESET if ending.end is End.RESET else Outcome.CUT


def _account(spoken: Conversation | None) -> str | None:
    return None if spoken is None else account(spoken.client)


def _sent(evidence: Evidence) -> dict[str, str]:
    """Exchange id to the account of the first conversation with a server that it is part of, where that names one."""
    found: dict[str, str] = {}
    for one in evidence.conversations:
        name = account(one.client) if one.audience is Audience.SERVER else None
        if name is not None:
            for identity in one.exchanges:
                found.setdefault(identity, name)
    return found


def asked_from(evidence: Evidence, exchange: Exchange) -> str | None:
    """The address of the client behind a request: its connection's, or what the proxy says where only the server's side is captured."""
    connection = evidence.connections[exchange.connection]
    for one in reversed(connection.prefaces) if connection.prefaces else ():
        if isinstance(one, ProxyHeader) and one.client_host:
            return one.client_host
    if evidence.roles.get(connection.id) is not Role.UPSTREAM_LEG:
        return connection.client.host
    asked = request(exchange)
    listed, described = header_values(asked, "x-forwarded-for"), header_values(asked, "forwarded")
    if not listed and not described:
        return None
    told = [part for value in listed for part in value.split(",")]
    pairs = [part for value in described for part in re.split(r"[;,]", value)]
    told += [pair.partition("=")[2] for pair in pairs if pair.strip().lower().startswith("for=")]
    hosts = {host for part in told if (host := _host(part))}
    return hosts.pop() if len(hosts) == 1 else None


def _host(text: str) -> str | None:
    """The address in a value of X-Forwarded-For or Forwarded (RFC 7239 section 6): quoted, in brackets, with a port."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return None


def _is_its_own(evidence: Evidence, exchange: Exchange, spoken: Conversation) -> bool:
    """On the server's side alone the client that logged on need not be the one that asks now: the proxy names both."""
    if evidence.roles.get(exchange.connection) is not Role.UPSTREAM_LEG or exchange.id in spoken.exchanges:
        return True
    now, then = asked_from(evidence, exchange), asked_from(evidence, evidence.exchanges[spoken.exchanges[-1]])
    return now is None or then is None or now == then


def _joined(evidence: Evidence, exchange: Exchange) -> Certainty:
    """How sure it is of what was forwarded."""
    return Certainty.PROVED if evidence.near[exchange.id].confidence >= _SURE else Certainty.INFERRED
