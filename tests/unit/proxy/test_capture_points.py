"""Two capture points with clocks of their own: the legs are joined all the same, and the offset is found."""

from pathlib import Path

import pytest

from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, direct, far_leg, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge_files

MILLISECOND = 1_000_000


def session(lan: Wire) -> None:
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    for number in range(6):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))


def two_points(folder: Path, ahead: float) -> Judged:
    """The client's leg by one clock, the upstream leg by another that is ``ahead`` seconds."""
    lan = Wire()
    session(lan)
    return judge_files([lan.capture(folder / "a.pcap", hosts=CLIENT_LEG), lan.capture(folder / "b.pcap", hosts=UPSTREAM_LEG, ahead=ahead)])


@pytest.mark.parametrize("ahead", [0.0, 0.004, 10.0, -10.0, 3600.0, -86_400.0])
def test_the_legs_are_joined_and_the_offset_is_found(tmp_path: Path, ahead: float) -> None:
    evidence = two_points(tmp_path, ahead).evidence
    assert [(hop.near, hop.far) for hop in evidence.hops if hop.confidence == 1.0] == [(f"c1.x{place}", f"c2.x{place}") for place in range(2, 10)]
    assert abs(evidence.captures[1].clock_offset_ns - int(ahead * 1e9)) <= MILLISECOND
    assert evidence.captures[0].clock_offset_ns == 0


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    lan = Wire()
    session(lan)
    near, far = lan.capture(tmp_path / "a.pcap", hosts=CLIENT_LEG), lan.capture(tmp_path / "b.pcap", hosts=UPSTREAM_LEG, ahead=5)
    evidence = judge_files([far, near]).evidence
    assert {(hop.near_connection, hop.far_connection) for hop in evidence.hops} == {("c2", "c1")}
    assert abs(evidence.captures[1].clock_offset_ns + 5_000 * MILLISECOND) <= MILLISECOND


def test_the_proxys_delay_does_not_depend_on_the_clocks(tmp_path: Path) -> None:
    delays = [hop.delay_ns for hop in two_points(tmp_path, 10.0).evidence.hops]
    assert all(abs(delay) <= 2 * MILLISECOND for delay in delays)


def test_captures_with_nothing_in_common_have_no_offset(tmp_path: Path) -> None:
    one, other = Wire(), Wire()
    trip(direct(one), ask_sealed(1), sealed_reply(1))
    trip(direct(other, "10.10.1.12", 50002), ask_sealed(2), sealed_reply(2))
    evidence = judge_files([one.capture(tmp_path / "a.pcap"), other.capture(tmp_path / "b.pcap", ahead=10)]).evidence
    assert [capture.clock_offset_ns for capture in evidence.captures] == [0, 0]
    assert evidence.hops == ()


def test_the_same_leg_captured_twice_is_no_hop(tmp_path: Path) -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), sealed_reply(1))
    evidence = judge_files([lan.capture(tmp_path / "a.pcap"), lan.capture(tmp_path / "b.pcap", ahead=0.5)]).evidence
    assert evidence.hops == ()
    assert evidence.connections["c2"].twin_of == "c1"
