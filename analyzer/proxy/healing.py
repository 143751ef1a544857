"""What one side of a proxy lacks of an encrypted body, out of what the other side has of it.

A proxy passes encrypted bodies on as they are. Two bodies of one hop are one where both are wholly framed and of one size, no byte that both sides have
differs, and something proves that they are the same message: an equal token (a signature or confounder that is never used twice), enough equal bytes of
ciphertext, an equal body or token in the other direction of the exchange, or the order of exchanges on two connections that such pairs prove to go together.
Only then do bytes go over. A clear body may have been written anew by the proxy, so it never lends any.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from analyzer.formats.reader import Fetch
from analyzer.records.http import Body, Exchange, Request, Response
from analyzer.records.issues import Issue
from analyzer.records.proxy import Hop
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection, Loan, Stream

_TOKEN = 16
"""Bytes of the shortest token that tells a message from all others: NTLM's signature (MS-NLMP 2.2.2.9)."""
_LEAST = 1024
"""So many equal bytes prove one encryption without a token: the framing that all messages share (MS-WSMV 2.2.9.1.1) has less than a third of it."""
_PROOFS = frozenset({"token", "body_digest", "message_id"})
"""Bases of a hop that hold for one message only."""
_COMPARED = 1 << 16
"""Bytes compared at a time."""


class Lent(NamedTuple):
    """What the streams of some connections get, by connection and direction (true: to the server), in order of place; and an issue for each body."""

    loans: Mapping[str, Mapping[bool, tuple[Loan, ...]]]
    issues: Mapping[str, tuple[Issue, ...]]


class _Run(NamedTuple):
    """Bytes [at, at+size) of a body that are in a capture."""

    at: int
    size: int
    source: int
    file_at: int
    packet: int


class _Home:
    """Which exchanges hops join, along a chain of proxies."""

    def __init__(self, hops: Iterable[Hop]) -> None:
        self._of: dict[str, list[str]] = {}
        for hop in hops:
            first = self._of.setdefault(hop.near, [hop.near])
            other = self._of.setdefault(hop.far, [hop.far])
            if first is not other:
                first += other
                self._of.update(dict.fromkeys(other, first))

    def one(self, first: str, other: str) -> bool:
        """They are one."""
        return first in self._of and self._of[first] is self._of.get(other)

    def groups(self) -> Iterable[list[str]]:
        """The exchanges that are one."""
        return {id(group): group for group in self._of.values()}.values()


class _Known(NamedTuple):
    """Where bytes are, and which exchanges are proved to be one."""

    fetch: Fetch
    proved: _Home


class _Half(NamedTuple):
    """One side's copy of a message."""

    exchange: Exchange
    half: Request | Response
    stream: Stream
    message: Message


def lent(connections: Mapping[str, Connection], exchanges: Mapping[str, Exchange], hops: Iterable[Hop], messages: Mapping[str, Message], fetch: Fetch) -> Lent:
    """What every connection with a hole in an encrypted body gets from the other sides of its exchanges."""
    loans: dict[str, dict[bool, list[Loan]]] = {}
    issues: dict[str, list[Issue]] = {}
    hops = tuple(hops)
    proved = _Home(_proved(hops, exchanges))
    for group in _Home(hops).groups():
        for from_client in (True, False):
            copies = [one for identity in group if (one := _copy(connections, exchanges[identity], messages, from_client=from_client)) is not None]
            for own in copies:
                if own.half.body.missing:
                    _borrow(own, [one for one in copies if one is not own], _Known(fetch, proved), loans, issues)
    by_connection = {identity: {way: tuple(sorted(found, key=lambda loan: loan.stream_at)) for way, found in ways.items()} for identity, ways in loans.items()}
    return Lent(by_connection, {identity: tuple(found) for identity, found in issues.items()})


def _proved(hops: Iterable[Hop], exchanges: Mapping[str, Exchange]) -> Iterator[Hop]:
    """The hops that are proved by what one half of the exchange has, or by place: on two connections of which all proved pairs are equally far apart, those
    between them are as well."""
    ahead: dict[tuple[str, str], set[int]] = {}
    hops = tuple(hops)
    for hop in hops:
        if not _PROOFS.isdisjoint(hop.bases):
            ahead.setdefault((hop.near_connection, hop.far_connection), set()).add(exchanges[hop.near].position - exchanges[hop.far].position)
    for hop in hops:
        own = {exchanges[hop.near].position - exchanges[hop.far].position}
        if not _PROOFS.isdisjoint(hop.bases) or ahead.get((hop.near_connection, hop.far_connection)) == own:
            yield hop


def _copy(connections: Mapping[str, Connection], exchange: Exchange, messages: Mapping[str, Message], *, from_client: bool) -> _Half | None:
    half = exchange.request if from_client else exchange.response
    message = None if isinstance(half, Absent) else messages.get(half.id)
    if isinstance(half, Absent) or message is None or message.protection is not Protection.SEALED or not half.body.complete:
        return None
    connection = connections[exchange.connection]
    return _Half(exchange, half, connection.to_server if from_client else connection.to_client, message)


def _borrow(own: _Half, others: Iterable[_Half], known: _Known, loans: dict[str, dict[bool, list[Loan]]], issues: dict[str, list[Issue]]) -> None:
    runs = list(_runs(own))
    ends = list(accumulate(span.size for span in own.half.body.spans))
    for other in others:
        theirs = list(_runs(other))
        if other.half.body.size != own.half.body.size or not _one_body(own, runs, other, theirs, known):
            continue
        got = list(_outside(theirs, runs))
        if not got:
            continue
        runs = sorted([*runs, *got])
        found = loans.setdefault(own.exchange.connection, {}).setdefault(own.message.from_client, [])
        found += (loan for run in got for loan in _placed(run, own.half.body, ends))
        size, what = sum(run.size for run in got), "request" if own.message.from_client else "response"
        detail = f"{size} bytes of the {what}'s encrypted body that this side lacks were taken from {other.exchange.id}, the other side of the proxy"
        issues.setdefault(own.exchange.connection, []).append(Issue("proxy.healed", detail, own.half.id, own.exchange.capture))


def _runs(copy: _Half) -> Iterator[_Run]:
    """The bytes of a body that are there, in order."""
    extents, before = copy.stream.extents, 0
    for span in copy.half.body.spans:
        place, end = max(bisect_right(extents.stream_at, span.at) - 1, 0), span.at + span.size
        while place < len(extents.stream_at) and extents.stream_at[place] < end:
            start = max(extents.stream_at[place], span.at)
            size = min(extents.stream_at[place] + extents.size[place], end) - start
            if size > 0:
                skip = start - extents.stream_at[place]
                yield _Run(before + start - span.at, size, extents.source[place], extents.file_at[place] + skip, extents.packet[place])
            place += 1
        before += span.size


def _one_body(own: _Half, runs: list[_Run], other: _Half, theirs: list[_Run], known: _Known) -> bool:
    """No byte differs, and the two are proved to be one message."""
    fetch = known.fetch
    compared = place = 0
    for run in runs:
        while place < len(theirs) and theirs[place].at + theirs[place].size <= run.at:
            place += 1
        at = place
        while at < len(theirs) and theirs[at].at < run.at + run.size:
            one = theirs[at]
            start, stop = max(run.at, one.at), min(run.at + run.size, one.at + one.size)
            for begin in range(start, stop, _COMPARED):
                size = min(_COMPARED, stop - begin)
                if fetch(run.source, run.file_at + begin - run.at, size) != fetch(one.source, one.file_at + begin - one.at, size):
                    return False
            compared += max(stop - start, 0)
            at += 1
    tokens = [copy.message.parts[0].header for copy in (own, other) if copy.message.parts and len(copy.message.parts[0].header) >= _TOKEN]
    if len(tokens) == 2:
        return tokens[0] == tokens[1]
    return compared >= _LEAST or known.proved.one(own.exchange.id, other.exchange.id)


def _outside(theirs: Iterable[_Run], runs: list[_Run]) -> Iterator[_Run]:
    """What of ``theirs`` lies in none of ``runs``."""
    place = 0
    for one in theirs:
        at, end = one.at, one.at + one.size
        while place < len(runs) and runs[place].at + runs[place].size <= at:
            place += 1
        index = place
        while at < end:
            stop = min(end, runs[index].at) if index < len(runs) else end
            if stop > at:
                yield one._replace(at=at, size=stop - at, file_at=one.file_at + at - one.at)
            if index >= len(runs):
                break
            at = max(at, runs[index].at + runs[index].size)
            index += 1


def _placed(run: _Run, body: Body, ends: list[int]) -> Iterator[Loan]:
    """The bytes of a body at their places in the stream: chunks lie apart."""
    at, end = run.at, run.at + run.size
    while at < end:
        index = bisect_right(ends, at)
        span = body.spans[index]
        skip = at - (ends[index] - span.size)
        size = min(end - at, span.size - skip)
        yield Loan(span.at + skip, size, run.source, run.file_at + at - run.at, run.packet)
        at += size
