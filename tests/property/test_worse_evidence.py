"""Packets out of order or captured twice change no fact; lost packets take facts away and invent none."""

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.auth import Mechanism, Outcome
from analyzer.records.finding import Severity
from analyzer.records.http import Request, Response
from analyzer.records.ids import key_number
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import End
from tests.build.packets import Frame, pcap
from tests.property.budget import two_runs
from tests.property.reading import facts, frames, result, retimed, segments, written

SAMPLES = ("wrong-password", "badproxy-close-after-200", "direct-basic", "nginx-pooled-second-client", "squid-connect-clear-http", "haproxy-ntlm-healthy")
_names = st.sampled_from(SAMPLES)
_WINDOW = 4
_RESTS_ON_ABSENCE = {
    "affinity.client-migrates",
    "affinity.handshake-split",
    "affinity.sequence-discontinuity",
    "auth.challenge-stripped",
    "auth.credentials-refused",
    "enc.plaintext-soap-direct",
    "tcp.close-after-auth-2xx",
    "tcp.close-between-challenge-and-response",
    "tcp.request-lost-after-auth",
    "tcp.upstream-idle-close",
}
"""Rules that rest on something not being there (a leg, a number, a request): with losses some of them still say it with confidence."""


def _run(tmp_path: Path, listed: Sequence[Frame]) -> Result:
    return result(written(tmp_path, pcap(listed)))


@two_runs
@given(_names, st.data())
def test_packets_captured_twice_count_once(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """As ``-i any`` does: the copy comes a moment later."""
    whole = frames(name)
    twice = data.draw(st.sets(st.integers(0, len(whole) - 1)))
    listed = [copy for place, one in enumerate(whole) for copy in [one, *([one._replace(ts_ns=one.ts_ns + 1000)] if place in twice else [])]]
    there = _run(tmp_path, listed)
    assert facts(there) == facts(_run(tmp_path, whole))
    assert sum(one.duplicates for one in there.evidence.connections.values() if one.tunnel_of is None) == len(twice)


@two_runs
@given(_names, st.data())
def test_packets_out_of_order_change_nothing(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Packets of one direction of one connection change places with near ones; each place keeps its time."""
    whole = frames(name)
    by_direction: dict[object, list[int]] = {}
    for place, one in enumerate(segments(name)):
        by_direction.setdefault(one.ends, []).append(place)
    order = list(range(len(whole)))
    for places in by_direction.values():
        moved = list(places)
        for first in data.draw(st.lists(st.integers(0, max(len(places) - 2, 0)), max_size=4)):
            last = min(first + _WINDOW, len(moved))
            moved[first:last] = data.draw(st.permutations(moved[first:last]))
        for place, index in zip(places, moved, strict=True):
            order[place] = index
    there = _run(tmp_path, retimed(whole, order))
    assert _settled(there) == _settled(_run(tmp_path, whole))


def _settled(found: Result) -> dict[str, list[tuple[object, ...]]]:
    """What does not rest on the times of packets, as hops do (a packet that comes later than its answer has none) and which of FIN and reset came first."""
    told = {table: rows for table, rows in facts(found).items() if table not in {"hops", "roles"}}
    told["connections"] = [tuple(cell for cell in row if not isinstance(cell, End)) for row in told["connections"]]
    return told


@two_runs
@given(_names, st.data())
def test_lost_packets_invent_nothing(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole = frames(name)
    lost = data.draw(st.sets(st.integers(0, len(whole) - 1), min_size=1, max_size=8))
    there = _run(tmp_path, [one for place, one in enumerate(whole) if place not in lost])
    here = _run(tmp_path, whole)
    assert _messages(there) <= _messages(here)
    assert _pairs(there) <= _pairs(here)
    assert _ended(there) <= _ended(here)
    assert _grave(there) - _RESTS_ON_ABSENCE <= _grave(here)


def _ports(found: Result, connection: str) -> tuple[int, int]:
    one = found.evidence.connections[connection]
    return one.client.port, one.server.port


def _words(half: Request | Response) -> tuple[object, ...]:
    start = (half.method, half.target) if isinstance(half, Request) else (half.status,)
    return (*start, half.version, tuple((header.name, header.value) for header in half.headers))


def _messages(found: Result) -> set[tuple[object, ...]]:
    """Every message, with its connection."""
    halves = [(exchange.connection, half) for exchange in found.evidence.exchanges.values() for half in (exchange.request, exchange.response)]
    return {(_ports(found, connection), _words(half)) for connection, half in halves if not isinstance(half, Absent) and not _head_cut(found, half)}


def _head_cut(found: Result, half: Request | Response) -> bool:
    """The header block is not whole, so what there is of it is no message of the whole capture."""
    numbers = {key_number(key) for key in half.packets}
    return any(issue.code == "http.head-cut" and issue.packet in numbers for issue in found.evidence.issues)


def _pairs(found: Result) -> set[tuple[object, ...]]:
    """Every request with its response."""
    said: set[tuple[object, ...]] = set()
    for exchange in found.evidence.exchanges.values():
        asked, answered = exchange.request, exchange.response
        if not isinstance(asked, Absent) and not isinstance(answered, Absent) and not _head_cut(found, asked) and not _head_cut(found, answered):
            said.add((_ports(found, exchange.connection), _words(asked), _words(answered)))
    return said


def _ended(found: Result) -> set[tuple[object, ...]]:
    """Who was accepted or refused, where. The message with the names may be lost."""
    told = [one for one in found.evidence.conversations if one.mechanism is not Mechanism.UNKNOWN]
    ended = [one for one in told if one.outcome in {Outcome.ACCEPTED, Outcome.REFUSED}]
    ways: set[tuple[object, ...]] = {(_ports(found, one.connection), one.audience, one.mechanism, one.outcome) for one in ended}
    return ways | {(_ports(found, one.connection), one.client) for one in ended if one.client.user is not None}


def _grave(found: Result) -> set[str]:
    return {one.rule for one in found.findings if one.severity not in {Severity.INFO, Severity.LOW}}
