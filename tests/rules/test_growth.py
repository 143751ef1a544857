"""The time of every rule, of the causes and of the scorecards grows with the evidence, not with its square: what four times the evidence costs is measured."""

import gc
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyzer.incidents.diagnosis import diagnosis
from analyzer.incidents.grouping import Told
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.rules.catalogue import rules
from analyzer.rules.causes import explained, explanations, order, symptoms
from analyzer.rules.scorecard import scorecards
from benchmarks.generate import copies, write
from tests.build.evidence import concluded
from tests.build.talk_http import ABSOLUTE, offer
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, judge_files

_SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
_MORE = 4
_QUADRATIC = 8
"""Four times the evidence costs four times, sixteen times where a rule compares all with all."""
_FLOOR_S = 0.03
"""Below this the clock and the machine decide."""
_LINKS = {1: 14, 113: 16, 276: 20}
_EPHEMERAL = 30_000


def crowd(sample: str, number: int, folder: Path) -> Evidence:
    """A sample again and again between the same hosts from other ports, with the same challenges, shells and bodies."""
    ports: dict[tuple[int, int], int] = {}

    def frames() -> Iterator[tuple[int, int, bytes]]:
        (path,) = (_SAMPLES / sample).glob("*.pcap*")
        whole = list(copies(path, 1, same_contents=True))
        for copy in range(number):
            for link, ts_ns, frame in whole:
                yield link, ts_ns + copy * 50_000_000, moved(frame, _LINKS[link], copy)

    def moved(frame: bytes, at: int, copy: int) -> bytes:
        data = bytearray(frame)
        tcp = at + (data[at] & 15) * 4
        for place in (tcp, tcp + 2):
            port = int.from_bytes(data[place : place + 2], "big")
            if port >= _EPHEMERAL:
                data[place : place + 2] = struct.pack(">H", ports.setdefault((copy, port), 10_000 + len(ports)))
        return bytes(data)

    path = folder / f"{number}.pcap"
    write(path, frames())
    return judge_files([path]).evidence


def spread(sample: str, number: int, folder: Path) -> Evidence:
    """A sample again and again, each time between other hosts."""
    (path,) = (_SAMPLES / sample).glob("*.pcap*")
    write(folder / "spread.pcap", copies(path, number))
    return judge_files([folder / "spread.pcap"]).evidence


def long_talk(number: int, _folder: Path) -> Evidence:
    """Few connections with many handshakes, refused and accepted, of which many have one challenge, and many requests that belong to none."""
    lan = Wire()
    near, far, lone = near_leg(lan), far_leg(lan), direct(lan, port=50_009)
    for place in range(number):
        proxied_handshake(near, far, ntlm(number=place % 3))
        proxied(near, far, ask_sealed(place, ABSOLUTE), sealed_reply(place))
        proxied(near, far, ask_sealed(place + 1_000_000, ABSOLUTE), offer())
        handshake(lone, ntlm(number=place % 3), last=offer())
    far.close_by_server(after=120)
    proxied(near, far_leg(lan, 40_002), ask_sealed(9_000_000, ABSOLUTE), offer())
    near.close_by_server()
    lone.close_by_server()
    return judge(lan).evidence


def _diagnosed(evidence: Evidence, kept: list[Finding], told: Told) -> tuple[str, ...]:
    seen, made = concluded(evidence, kept, told)
    return diagnosis(seen.sums, made)


def spent(evidence: Evidence) -> dict[str, float]:
    """Seconds of each rule, of the causes, of the incidents and of the scorecards: the better of two times."""
    found: list[Finding] = []

    def timed(work: Callable[[], object]) -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    gc.collect()
    gc.disable()
    try:
        seconds = {rule.id: min(timed(lambda: list(rule.find(evidence))) for _ in range(2)) for rule in rules()}  # noqa: B023
        found = [one for rule in rules() for one in rule.find(evidence)]
        seconds["causes"] = min(timed(lambda: explained(found)) for _ in range(2))
        left_out = explanations(found)
        seconds["explanations"] = min(timed(lambda: explanations(found)) for _ in range(2))
        kept = sorted(explained(found), key=order)
        seconds["incidents"] = min(timed(lambda: concluded(evidence, kept, Told({}, symptoms(), left_out))) for _ in range(2))
        seconds["diagnosis"] = min(timed(lambda: _diagnosed(evidence, kept, Told({}, symptoms(), left_out))) for _ in range(2))
        seconds["scorecards"] = min(timed(lambda: scorecards(evidence, found)) for _ in range(2))
    finally:
        gc.enable()
    return seconds


MADE: dict[str, tuple[int, Callable[[int, Path], Evidence]]] = {
    "few connections, many handshakes": (60, long_talk),
    "many refusals": (150, lambda number, folder: crowd("wrong-password", number, folder)),
    "many connections behind a proxy": (80, lambda number, folder: crowd("haproxy-http-server-close", number, folder)),
    "many findings, one shell": (60, lambda number, folder: crowd("nginx-pooled-second-client", number, folder)),
    "many clients, clear text": (25, lambda number, folder: spread("squid-negotiate-unencrypted", number, folder)),
}


@pytest.mark.parametrize("name", MADE)
def test_four_times_the_evidence_costs_no_rule_eight_times(name: str, tmp_path: Path) -> None:
    number, made = MADE[name]
    small, large = made(number, tmp_path), made(_MORE * number, tmp_path)
    slow = _slow(spent(small), spent(large))
    if slow:  # another process may have had the processor: what is a square is one again
        again = _slow(spent(small), spent(large))
        slow = {rule: found for rule, found in again.items() if rule in slow}
    assert slow == {}


def _slow(few: dict[str, float], many: dict[str, float]) -> dict[str, tuple[float, float]]:
    return {rule: (few[rule], seconds) for rule, seconds in many.items() if seconds > _FLOOR_S and seconds > _QUADRATIC * few[rule]}
