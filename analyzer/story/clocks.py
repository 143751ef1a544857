"""The clocks of servers against the capture's: what they say the time was, and between which packets they said it.

A time that a server tells was its own between the first packet of the request and the first packet of the answer, so each bounds how far its clock is
ahead. The bounds of all of them together are narrower than any one: where they leave room, the clock went evenly; where they contradict each other, it moved,
or several machines answer at that address.

Three things tell it: MsvAvTimestamp of an NTLM challenge (MS-NLMP 2.2.2.1), stime and susec of a KRB-ERROR (RFC 4120 section 5.9.1), and the field Date of a
response (RFC 9110 section 6.6.1; whole seconds, and servers may write it once a second). The first two are as fine as the server's system time, which Windows
counts in steps of up to 15.625 ms (Microsoft Learn, "Acquiring high-resolution time stamps").
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from analyzer.formats.filetime import unix_ns
from analyzer.records.auth import Audience, KerberosToken, NtlmToken
from analyzer.records.candidates import connections
from analyzer.records.evidence import Evidence
from analyzer.records.halves import header, request, response
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture
from analyzer.records.kerberos import KdcKind
from analyzer.records.story import Fate, Kind, Party, ServerClock

_LOOKED_AT = 64
"""Exchanges of a connection whose Date is looked at, spread over it: every further one makes the bounds hardly narrower."""
_LOGGED_ON_TO = {Kind.SERVER: Audience.SERVER, Kind.PROXY: Audience.PROXY}
_TICK_NS = 15_625_000
_DATE_NS = 2_000_000_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (" + "|".join(_MONTHS) + r") (\d{4}) (\d\d):(\d\d):(\d\d) GMT")


class _Told(NamedTuple):
    """One time that was told: how far its clock is ahead, at least and at most (ns); when and where."""

    least_ns: int
    most_ns: int
    ts_ns: int
    packet: int
    source: str


def server_clocks(evidence: Evidence, parties: Sequence[Party], ends: Mapping[str, tuple[str, str]], fates: Mapping[str, Fate]) -> tuple[ServerClock, ...]:
    """The clock of each server, proxy and KDC that told a time, by capture point, in order of the parties."""
    kinds = {one.id: one.kind for one in parties}
    told: dict[tuple[str, int], list[_Told]] = defaultdict(list)
    at: dict[tuple[str, int], list[str]] = {}
    points = [capture.point for capture in evidence.captures]
    for connection in connections(evidence):
        own = ends.get(connection.id)
        if own is not None:
            at.setdefault((own[1], points[connection.capture]), []).append(connection.id)
    for place, reached in at.items():
        kind, times = kinds[place[0]], told[place]
        for identity in sorted(reached):
            times += _by_ntlm(evidence, identity, kind)
            times += _by_date(evidence, identity, kind, place[0], fates)
    for host, (point, times) in _by_kdc(evidence).items():
        for one in parties:
            if one.kind is Kind.KDC and one.listens and one.listens[0].host == host:
                told[one.id, point] += times
    order = {one.id: place for place, one in enumerate(parties)}
    some = sorted([place for place, times in told.items() if times], key=lambda key: (order[key[0]], key[1]))
    return tuple([_clock(party, point, told[party, point]) for party, point in some])


def _clock(party: str, point: int, told: Sequence[_Told]) -> ServerClock:
    low, high = (told[0], told[0]) if len(told) == 1 else (max(told, key=lambda one: one.least_ns), min(told, key=lambda one: one.most_ns))
    steady = low.least_ns <= high.most_ns
    least, most = sorted((low.least_ns, high.most_ns))
    sources = [one.source for one in told]
    return ServerClock(
        party=party,
        point=point,
        ahead_ns=(least + most) // 2,
        error_ns=(most - least + 1) // 2,
        steady=steady,
        ntlm=sources.count("ntlm"),
        kerberos=sources.count("kerberos"),
        date=sources.count("date"),
        first_ns=min(one.ts_ns for one in told),
        last_ns=max(one.ts_ns for one in told),
        packets=tuple(sorted({low.packet, high.packet})),
    )


def _bounds(said_ns: int, step_ns: int, asked_ns: int, answered_ns: int, packet: int, source: str) -> tuple[_Told, ...]:
    """The clock showed [said, said + step) at some time in [asked, answered]."""
    return (_Told(said_ns - answered_ns, said_ns + step_ns - asked_ns, answered_ns, packet, source),) if 0 < asked_ns <= answered_ns else ()


def _by_ntlm(evidence: Evidence, connection: str, kind: Kind) -> Iterator[_Told]:
    """What stands in challenges and errors of Negotiate: the party's own where it is the one that is logged on to."""
    wanted = _LOGGED_ON_TO.get(kind)
    for talk in evidence.conversations_of.get(connection, ()):
        for step in talk.steps if talk.audience is wanted else ():
            if step.from_client or step.token is None or not step.packets:
                continue
            exchange = evidence.exchanges.get(step.exchange)
            asked = None if exchange is None else request(exchange)
            if asked is None:
                continue
            ntlm, kerberos = step.token.ntlm, step.token.kerberos
            if isinstance(ntlm, NtlmToken) and ntlm.message == 2 and ntlm.stamp is not None and len(ntlm.stamp) == 8:
                said = unix_ns(int.from_bytes(ntlm.stamp, "little"))
                yield from _bounds(said, _TICK_NS, asked.first_ns, step.ts_ns, step.packets[0], "ntlm")
            if isinstance(kerberos, KerberosToken) and kerberos.server_ns is not None:
                yield from _bounds(kerberos.server_ns, _TICK_NS, asked.first_ns, step.ts_ns, step.packets[0], "kerberos")


def _by_date(evidence: Evidence, connection: str, kind: Kind, party: str, fates: Mapping[str, Fate]) -> Iterator[_Told]:
    """Responses of the server's own connection. A proxy may write the field anew: what came through one tells nothing, what it answered itself is its own."""
    own = evidence.exchanges_of.get(connection, ())
    for exchange in own[:: max(1, len(own) // _LOOKED_AT)] if kind in (Kind.SERVER, Kind.PROXY) else ():
        if kind is Kind.PROXY and (fates.get(exchange.id) is None or fates[exchange.id].stopped_at != party):
            continue
        yield from _dated(exchange)


def _dated(exchange: Exchange) -> tuple[_Told, ...]:
    asked, answer = request(exchange), response(exchange)
    date = header(answer, "date")
    if date is None or asked is None or answer is None or not answer.packets or header(answer, "age") is not None:
        return ()
    said = _seconds(date)
    return () if said is None else _bounds(said * 1_000_000_000, _DATE_NS, asked.first_ns, answer.first_ns, answer.packets[0], "date")


@lru_cache(maxsize=4096)
def _seconds(date: str) -> int | None:
    """Seconds since 1970 of an IMF-fixdate."""
    found = _DATE.fullmatch(date.strip())
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        return int(datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):  # there is no such day
        return None


def _by_kdc(evidence: Evidence) -> dict[str, tuple[int, list[_Told]]]:
    """Errors of KDCs with the request that each answered, by the KDC's address."""
    asked: dict[tuple[str, int, str], int] = {}
    found: dict[str, tuple[int, list[_Told]]] = {}
    for one in evidence.kdc:
        key = (one.client_host, one.client_port, one.kdc_host)
        if one.kind.asks:
            asked[key] = one.ts_ns
        elif one.kind is KdcKind.ERROR and one.server_ns is not None and key in asked and one.packets:
            point = evidence.captures[key_capture(one.packets[0])].point
            times = found.setdefault(one.kdc_host, (point, []))[1]
            times += _bounds(one.server_ns, _TICK_NS, asked[key], one.ts_ns, one.packets[0], "kerberos")
    return found
