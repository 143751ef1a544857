"""Tickets that clients of WinRM did not get: errors of their key distribution centers (KDC), and the requests that they were for.

A client's other errors are left alone: an error counts when the client asked for the service name of a WinRM request around that request, or when it asked
between the 401 of a WinRM request and its own next request. What the KDC gave after all is no refusal.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.records.auth import Audience, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, header_values, request, response
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture
from analyzer.records.kerberos import KdcKind, KdcMessage, TicketRefusal
from analyzer.records.story import Certainty, Kind, Logon, Name, Party, Result
from analyzer.records.transport import Closing, Endpoint, Side
from analyzer.story.endings import shared_ns

_PORT = 88
_PACKETS = 16
_DEMAND = 401
_NORMAL = frozenset({25, 52})
"""Pre-authentication required, and a response too large for UDP: the client goes on as it should (RFC 4120 sections 3.1 and 7.2.1)."""
_CLASSES = frozenset({"http", "wsman", "host"})
_OFFERS = ("negotiate", "kerberos")
_AROUND_NS = 10_000_000_000
"""A ticket is asked for within this time after the 401, or before the request that carries it."""
_BETWEEN_NS = 3_000_000_000
"""The same, where only the time tells what it was for."""
_REPAIR_NS = 10_000_000_000
_NEXT_NS = 60_000_000_000


class _Moment(NamedTuple):
    """When a WinRM request was made or got its 401, by the shared clock, and the exchange."""

    ns: int
    exchange: str


class _Asking(NamedTuple):
    """What an error answered."""

    error: KdcMessage
    ns: int
    service: str | None
    account: str | None


def kdc_parties(evidence: Evidence, before: int) -> Iterator[Party]:
    """The KDCs that answered clients of WinRM connections. ``before``: how many parties come first."""
    clients = {evidence.connections[identity].client.host for identity in evidence.winrm} if evidence.kdc else set()
    found: dict[str, list[KdcMessage]] = defaultdict(list)
    for message in evidence.kdc:
        if not message.kind.asks and message.client_host in clients:
            found[message.kdc_host].append(message)
    for number, (host, messages) in enumerate(found.items(), before + 1):
        realms = dict.fromkeys(message.realm for message in messages if message.realm and message.kind is not KdcKind.ERROR)
        yield Party(
            f"p{number}",
            Kind.KDC,
            listens=(Endpoint(host, _PORT),),
            names=tuple(Name(realm, "realm") for realm in realms)[:_PACKETS],
            certainty=Certainty.PROVED,
            packets=tuple(message.packets[0] for message in messages[:_PACKETS] if message.packets),
        )


def ticket_refusals(evidence: Evidence, logons: Sequence[Logon]) -> tuple[TicketRefusal, ...]:
    """The errors of KDCs that kept a client of WinRM from getting a ticket, in order of time."""
    asked = [one for one in _errors(evidence) if one.error.error_code not in _NORMAL]
    if not asked:
        return ()
    moments, given, after = _Moments(evidence), _given(evidence), _Logons(evidence, logons)
    found = []
    for one in asked:
        if not _was_given(given, one):
            refusal = moments.refusal(one)
            told = None if refusal is None else after.told(refusal, one.ns)
            if told is not None:
                found.append(told)
    return tuple(found)


def _errors(evidence: Evidence) -> Iterator[_Asking]:
    """Each error with what it answered: the last request of the same client's port to the same KDC, or what the error itself repeats."""
    last: dict[tuple[str, int, str], KdcMessage] = {}
    for message in evidence.kdc:
        key = (message.client_host, message.client_port, message.kdc_host)
        if message.kind.asks:
            last[key] = message
        elif message.kind is KdcKind.ERROR and message.error_code is not None:
            asked = last.get(key)
            service = (asked.service if asked is not None else None) or message.service
            account = (asked.client if asked is not None else None) or message.client
            realm = (asked.realm if asked is not None else None) or message.realm
            yield _Asking(message, _ns(evidence, message), service, f"{account}@{realm}" if account and realm and "@" not in account else account)


def _ns(evidence: Evidence, message: KdcMessage) -> int:
    return shared_ns(evidence, key_capture(message.packets[0]), message.ts_ns) if message.packets else message.ts_ns


_Given = Mapping[tuple[str, str], Sequence[int]]


def _given(evidence: Evidence) -> _Given:
    """(client host, what was given) to when: a ticket for a service, or the ticket-granting ticket of an account."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for message in evidence.kdc:
        if message.kind is KdcKind.TGS_REP and message.service:
            found[message.client_host, message.service.lower()].append(_ns(evidence, message))
        elif message.kind is KdcKind.AS_REP and message.client:
            found[message.client_host, f"{message.client}@".lower()].append(_ns(evidence, message))
    return found


def _was_given(given: _Given, one: _Asking) -> bool:
    """The KDC gave it soon afterwards: another clock, another realm, another encryption type helped."""
    keys = [(one.error.client_host, one.service.lower())] if one.service else []
    keys += [(one.error.client_host, f"{one.account.partition('@')[0]}@".lower())] if one.account and _is_granting(one.service) else []
    for key in keys:
        times = given.get(key, ())
        place = bisect_left(times, one.ns)
        if place < len(times) and times[place] - one.ns <= _REPAIR_NS:
            return True
    return False


def _is_granting(service: str | None) -> bool:
    """It is the ticket-granting service, so the error is one of an AS-REQ."""
    return service is None or service.lower().startswith("krbtgt/")


class _Moments:
    """The WinRM requests of each client host, as it made them: when they were asked and when a 401 that offers Kerberos came."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.demands: dict[str, list[_Moment]] = defaultdict(list)
        self.named_demands: dict[tuple[str, str], list[_Moment]] = defaultdict(list)
        self.named_requests: dict[tuple[str, str], list[_Moment]] = defaultdict(list)
        for exchange in evidence.exchanges.values():
            if exchange.connection in evidence.winrm and exchange.id not in evidence.far:
                self._add(exchange)
        for found in (self.demands, self.named_demands, self.named_requests):
            for times in found.values():
                times.sort()

    def _add(self, exchange: Exchange) -> None:
        asked, answer = request(exchange), response(exchange)
        host = self.evidence.connections[exchange.connection].client.host
        key = (host, _first_label(_asked_host(self.evidence, exchange)))
        if asked is not None:
            self.named_requests[key].append(_Moment(shared_ns(self.evidence, exchange.capture, asked.first_ns), exchange.id))
        if answer is not None and answer.status == _DEMAND and _offers_kerberos(header_values(answer, "www-authenticate")):
            moment = _Moment(shared_ns(self.evidence, exchange.capture, answer.first_ns), exchange.id)
            self.demands[host].append(moment)
            self.named_demands[key].append(moment)

    def refusal(self, one: _Asking) -> TicketRefusal | None:
        """The error with the request that it was for, if it was for one."""
        named = self._by_name(one)
        if named is not None:
            exchange, after = named
            return _refusal(one, exchange, by_name=True, after_demand=after)
        between = self._between(one)
        return None if between is None else _refusal(one, between, by_name=False, after_demand=True)

    def _by_name(self, one: _Asking) -> tuple[str, bool] | None:
        """The request around it whose Host field has the name that the KDC was asked for; whether its 401 had come."""
        service, _, rest = (one.service or "").partition("/")
        name = rest.partition("/")[0].partition("@")[0].partition(":")[0].lower()
        if service.lower() not in _CLASSES or not name:
            return None
        key = (one.error.client_host, _first_label(name))
        before = _last(self.named_demands.get(key, ()), one.ns, _AROUND_NS)
        if before is not None and self._has_name(before.exchange, name):
            return before.exchange, True
        behind = _next(self.named_requests.get(key, ()), one.ns, _AROUND_NS)
        return (behind.exchange, False) if behind is not None and self._has_name(behind.exchange, name) else None

    def _has_name(self, exchange: str, name: str) -> bool:
        """One is the other, or its first label."""
        host = _asked_host(self.evidence, self.evidence.exchanges[exchange])
        return host == name or (_first_label(host) == _first_label(name) and ("." not in host or "." not in name))

    def _between(self, one: _Asking) -> str | None:
        """The last request whose 401 had come, if its client had asked nothing more on that connection and the ticket is not for another kind of service."""
        service = (one.service or "").partition("/")[0].lower()
        if not _is_granting(one.service) and service not in ("http", "wsman"):
            return None
        before = _last(self.demands.get(one.error.client_host, ()), one.ns, _BETWEEN_NS)
        if before is None:
            return None
        own = self.evidence.exchanges[before.exchange]
        behind = self.evidence.exchanges_of[own.connection]
        place = bisect_right(behind, own.position, key=lambda exchange: exchange.position)
        later = request(behind[place]) if place < len(behind) else None
        return own.id if later is None or shared_ns(self.evidence, own.capture, later.first_ns) > one.ns else None


def _refusal(one: _Asking, exchange: str, *, by_name: bool, after_demand: bool) -> TicketRefusal:
    return TicketRefusal(one.error, one.error.error_code or 0, one.service, one.account, exchange, by_name, after_demand)


class _Logons:
    """The logons of each client host at each endpoint, by time, and how connections ended."""

    def __init__(self, evidence: Evidence, logons: Iterable[Logon]) -> None:
        self.evidence = evidence
        self.at: dict[tuple[str, Endpoint], list[tuple[int, str]]] = defaultdict(list)
        self.with_tickets: set[str] = set()
        for logon in logons:
            own = evidence.connections[logon.client_connection]
            if logon.audience is Audience.SERVER:
                self.at[own.client.host, own.server].append((shared_ns(evidence, own.capture, logon.last_ns), logon.conversations[0]))
                if logon.mechanism is Mechanism.KERBEROS and logon.outcome is Result.ACCEPTED:
                    self.with_tickets.add(logon.conversations[0])
        for times in self.at.values():
            times.sort()

    def told(self, refusal: TicketRefusal, ns: int) -> TicketRefusal | None:
        """The refusal with what followed; None when a ticket served next and only the time ties the refusal to the request."""
        own = self.evidence.connections[self.evidence.exchanges[refusal.exchange].connection]
        times = self.at.get((own.client.host, own.server), ())
        place = bisect_left(times, (ns, ""))
        followed_by = times[place][1] if place < len(times) and times[place][0] - ns <= _NEXT_NS else None
        if followed_by in self.with_tickets and not refusal.by_name:
            return None
        return replace(refusal, followed_by=followed_by, closed=None if followed_by is not None else self._closed(refusal, ns))

    def _closed(self, refusal: TicketRefusal, ns: int) -> Closing | None:
        exchange = self.evidence.exchanges[refusal.exchange]
        own = self.evidence.connections[exchange.connection]
        first = own.closings[0] if own.closings else None
        last = self.evidence.exchanges_of[own.id][-1]
        asked = request(exchange)
        if first is None or asked is None or first.stream_at > asked.end_at:  # it had asked more, which is not in the capture
            return None
        if first.side is not Side.CLIENT or last.id != exchange.id or shared_ns(self.evidence, own.capture, first.ts_ns) < ns:
            return None
        return first


def _last(times: Sequence[_Moment], ns: int, within: int) -> _Moment | None:
    place = bisect_right(times, ns, key=lambda moment: moment.ns)
    return times[place - 1] if place and ns - times[place - 1].ns <= within else None


def _next(times: Sequence[_Moment], ns: int, within: int) -> _Moment | None:
    place = bisect_left(times, ns, key=lambda moment: moment.ns)
    return times[place] if place < len(times) and times[place].ns - ns <= within else None


def _offers_kerberos(values: Iterable[str]) -> bool:
    return any(word.strip().partition(" ")[0].lower() in _OFFERS for value in values for word in value.split(","))


def _asked_host(evidence: Evidence, exchange: Exchange) -> str:
    """The name in the Host field without its port, in small letters; the server's address where there is none."""
    value = (header(request(exchange), "host") or "").strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.rpartition(":")[0] or value if ":" in value else value or evidence.connections[exchange.connection].server.host


def _first_label(name: str) -> str:
    """``srv01`` of ``srv01.lab.example``; an address as a whole."""
    try:
        ip_address(name)
    except ValueError:
        return name.partition(".")[0]
    return name
