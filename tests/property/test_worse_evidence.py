"""Packets out of order or captured twice change no fact; lost packets take facts away and invent none."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.auth import Mechanism, Outcome
from analyzer.records.finding import Severity
from analyzer.records.http import Request, Response
from analyzer.records.ids import key_number
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import End
from analyzer.rules.catalogue import rules
from tests.build.packets import Frame, pcap
from tests.property.budget import two_runs
from tests.property.reading import facts, frames, result, retimed, segments, written

SAMPLES = (
    "badproxy-close-after-200",
    "badproxy-gateway-502",
    "badproxy-reset-after-200",
    "direct-basic",
    "haproxy-http-server-close",
    "haproxy-ntlm-healthy",
    "nginx-pooled-second-client",
    "nginx-upstream-idle-close",
    "privoxy-split",
    "squid-close-after-200",
    "squid-connect-clear-http",
    "tinyproxy-close",
    "wrong-password",
)
_names = st.sampled_from(SAMPLES)
_WINDOW = 4
_RESTS_ON_ABSENCE = {"affinity.client-migrates", "tcp.close-after-auth-2xx", "tcp.request-lost-after-auth"}
"""They rest on how a connection ended: when the only packet that tells (the first FIN, a reset of the other leg) is lost, nothing shows the loss."""
_SAME_FACT = {"enc.plaintext-soap-direct": "enc.plaintext-soap-through-proxy"}
"""Clear text is clear text; that the path leads through a proxy is what the other leg tells."""


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
    """Here and there, or many in a row."""
    whole = frames(name)
    some = st.sets(st.integers(0, len(whole) - 1), min_size=1, max_size=8)
    row = st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 30)).map(lambda one: set(range(one[0], sum(one))))
    _invents_nothing(tmp_path, name, data.draw(some | row))


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("squid-connect-clear-http", {0, 1, 3, 11, 16}),
        ("nginx-upstream-idle-close", range(73, 95)),
        ("badproxy-gateway-502", range(52, 82)),
        ("source-nat-behind-proxy", range(51, 76)),
        ("nginx-pooled-second-client", range(84, 92)),
        ("haproxy-http-server-close", {0, 10, 18, 28, 29, 32, 34, 39}),
        ("badproxy-reset-after-200", {21}),
        ("badproxy-reset-after-200", {51}),
    ],
)
def test_these_losses_once_invented_something(tmp_path: Path, name: str, lost: Collection[int]) -> None:
    whole = _run(tmp_path, [one for place, one in enumerate(frames(name)) if place not in lost])
    assert _grave(whole) <= _known(_run(tmp_path, frames(name)))


def test_a_header_block_that_is_not_whole_lacks_nothing(tmp_path: Path) -> None:
    """The packet with the token of a request on the upstream leg is lost; the client's leg has it."""
    whole = _run(tmp_path, [one for place, one in enumerate(frames("tinyproxy-close")) if place != 112])
    assert any(issue.code == "http.head-cut" for issue in whole.evidence.issues)
    assert "auth.challenge-stripped" not in _grave(whole)


def _invents_nothing(tmp_path: Path, name: str, lost: Collection[int]) -> None:
    whole = frames(name)
    there = _run(tmp_path, [one for place, one in enumerate(whole) if place not in lost])
    here = _run(tmp_path, whole)
    assert _messages(there) <= _messages(here)
    assert _pairs(there) <= _pairs(here)
    assert _ended(there) <= _ended(here)
    assert _grave(there) - _RESTS_ON_ABSENCE <= _known(here)


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
    return {_SAME_FACT.get(one.rule, one.rule) for one in found.findings if one.severity not in {Severity.INFO, Severity.LOW}}


def _known(found: Result) -> set[str]:
    """Whatever any rule says, also what another finding explains: a symptom that lost its cause is not invented."""
    return {_SAME_FACT.get(one.rule, one.rule) for rule in rules() for one in rule.find(found.evidence)}
