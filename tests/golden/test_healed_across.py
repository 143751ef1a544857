"""A hole on one side of a proxy is filled from the other side, where an encrypted body is the same there.

Both sides lose different packets of every large body.

Held against what the whole capture has: the bytes of each body, its packets, the transcript.
"""

from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pytest

import analyzer
from analyzer.api import Case
from analyzer.records.http import Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.quality import Absent
from analyzer.records.sealing import Protection
from tests.build.pieces import cuttable
from tests.golden.samples import truth

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NAMES = ("squid-ntlm-healthy", "squid-kerberos-healthy", "haproxy-layer4", "three-clients-at-once", "two-legs-clock-offset", "chain-of-two-proxies")
_PACKETS = 3


class Pair(NamedTuple):
    """The two sides of one encrypted body."""

    near: Request | Response
    far: Request | Response


def _analyzed(files: list[Path], name: str) -> Case:
    secrets = SAMPLES / name / "secrets.toml"
    return analyzer.analyze(files, secrets=secrets if secrets.exists() else None)


@cache
def _whole(name: str) -> Case:
    folder = SAMPLES / name
    return _analyzed([folder / file for file in truth(folder)["captures"]], name)


def _pairs(case: Case) -> Iterator[Pair]:
    """The large ones: of three packets or more on both sides."""
    evidence = case.evidence
    for hop in evidence.hops:
        near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
        for one, other in ((near.request, far.request), (near.response, far.response)):
            if isinstance(one, Absent) or isinstance(other, Absent) or evidence.messages[one.id].protection is not Protection.SEALED:
                continue
            if min(len(one.packets), len(other.packets)) >= _PACKETS and one.body.digest == other.body.digest:
                yield Pair(one, other)


def _without(name: str, lost: set[int], folder: Path) -> list[Path]:
    """The sample's captures without the packets ``lost`` (keys)."""
    found = []
    for capture in _whole(name).evidence.captures:
        gone = {key_number(key) for key in lost if key_capture(key) == capture.ordinal}
        whole = cuttable(Path(capture.path).read_bytes())
        assert whole is not None
        numbers = accumulate(count for _, count, _ in whole.records)
        kept = [data for number, (_, count, data) in zip(numbers, whole.records, strict=True) if not count or number not in gone]
        found.append(folder / capture.name)
        found[-1].write_bytes(whole.head + b"".join(kept))
    return found


def _told(case: Case) -> list[tuple[object, ...]]:
    return [
        (one.id, one.shell, one.text, one.state, one.exit_code, one.complete, [(out.stream, out.text, out.whole) for out in one.outputs])
        for one in case.result.commands
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_side_fills_the_holes_of_the_other(name: str, tmp_path: Path) -> None:
    whole = _whole(name)
    pairs = list(_pairs(whole))
    assert len(pairs) >= 5
    lost = {pair.near.packets[-1] for pair in pairs} | {pair.far.packets[1] for pair in pairs}
    case = _analyzed(_without(name, lost, tmp_path), name)
    healed = [issue for issue in case.evidence.issues if issue.code == "proxy.healed"]
    assert len(healed) >= len(pairs)
    assert _told(case) == _told(whole)
    sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
    assert [message.id for message in sealed if message.opened is False or message.check not in (None, "good")] == []
    bodies = {half.id: half.body.digest for pair in pairs for half in pair}
    exchanges = case.evidence.exchanges.values()
    found = {half.id: half.body.digest for one in exchanges for half in (one.request, one.response) if not isinstance(half, Absent) and half.id in bodies}
    assert len(found) >= len(bodies) * 3 // 4
    assert all(found[identity] == bodies[identity] for identity in found)


@pytest.mark.parametrize("name", NAMES[:1])
def test_each_byte_leads_to_the_packet_that_brought_it(name: str, tmp_path: Path) -> None:
    whole = _whole(name)
    pair = max(_pairs(whole), key=lambda pair: pair.near.body.size)
    gone = pair.near.packets[1]
    case = _analyzed(_without(name, {gone}, tmp_path), name)
    (issue,) = [issue for issue in case.evidence.issues if issue.code == "proxy.healed"]
    assert issue.record == pair.near.id
    half = next(
        half for one in case.evidence.exchanges.values() for half in (one.request, one.response) if not isinstance(half, Absent) and half.id == issue.record
    )
    own = {number - (number > key_number(gone)) for number in map(key_number, pair.near.packets) if number != key_number(gone)}
    others = {number - (number > key_number(gone)) for number in map(key_number, pair.far.packets)}
    found = set(map(key_number, half.packets))
    assert own < found <= own | others
    assert half.first_ns == pair.near.first_ns
    assert half.body.digest == pair.near.body.digest


@pytest.mark.parametrize("name", NAMES[:1])
def test_what_both_sides_lack_stays_missing(name: str, tmp_path: Path) -> None:
    whole = _whole(name)
    pair = max(_pairs(whole), key=lambda pair: pair.near.body.size)
    lost = {pair.near.packets[1], pair.far.packets[1]}
    case = _analyzed(_without(name, lost, tmp_path), name)
    lacking = [message for message in case.evidence.messages.values() if message.opened_absent == "not_captured"]
    assert lacking
    assert any(not command.complete for command in case.result.commands) or any(shell.missing for shell in case.result.shells)
