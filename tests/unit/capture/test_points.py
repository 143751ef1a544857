"""Which files are one capture point: what goes on, what is another view, what is another link."""

from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, far_leg, near_leg, proxied
from tests.build.talk_tokens import basic
from tests.build.talks import Wire


def _talked(size: int = 30_000) -> Wire:
    """One connection with three requests, the second of which has a large body."""
    wire = Wire()
    talk = wire.connect("10.10.1.11", 50_000, "10.20.2.20", 5985)
    for number, bytes_ in enumerate((0, size, 0), 1):
        talk.exchange(post(content=soap(number=number, size=bytes_)).plus(basic()), reply(200, content=soap("CreateResponse", number)))
    return wire


def _points(case: Case) -> list[int]:
    return [capture.point for capture in case.evidence.captures]


@pytest.mark.parametrize("names", [("a.pcap", "b.pcap"), ("b.pcap", "a.pcap"), ("ring_00001.pcap", "ring_00002.pcap"), ("dump.pcap", "dump.pcap1")])
def test_a_file_that_begins_in_the_middle_of_a_body_goes_on(names: tuple[str, str], tmp_path: Path) -> None:
    wire = _talked()
    files = [wire.capture(tmp_path / names[0], last=15), wire.capture(tmp_path / names[1], first=16)]
    case = analyzer.analyze(files)
    assert _points(case) == [0, 0]
    assert [row["status"] for row in case.listed("exchanges")] == [200, 200, 200]
    assert case.bytes("c1.x2.q").count(b"x") > 29_000


def test_two_views_with_other_clocks_are_two_points(tmp_path: Path) -> None:
    wire = _talked()
    case = analyzer.analyze([wire.capture(tmp_path / "view1.pcap"), wire.capture(tmp_path / "view2.pcap", ahead=60)])
    assert _points(case) == [0, 1]
    assert [connection.twin_of for connection in case.evidence.connections.values()] == [None, "c1"]


def test_a_view_that_begins_in_the_middle_of_a_body_is_kept_for_what_another_shows(tmp_path: Path) -> None:
    wire = _talked()
    whole, rest = wire.capture(tmp_path / "client.pcap"), wire.capture(tmp_path / "server.pcap", first=10, last=20)
    assert analyzer.analyze(rest).listed("connections") == []
    case = analyzer.analyze([whole, rest])
    assert _points(case) == [0, 1]
    assert [row["twin_of"] for row in case.listed("connections")] == [None, "c1"]


def test_two_sides_of_a_proxy_with_other_clocks_are_two_points(tmp_path: Path) -> None:
    wire = Wire()
    near, far = near_leg(wire), far_leg(wire)
    for number in range(1, 6):
        asked = post("http://srv01:5985/wsman", content=soap(number=number)).plus(basic())
        proxied(near, far, asked, reply(200, content=soap("CreateResponse", number)))
    files = [wire.capture(tmp_path / "leg-1.pcap", hosts=CLIENT_LEG), wire.capture(tmp_path / "leg-2.pcap", hosts=UPSTREAM_LEG, ahead=60)]
    case = analyzer.analyze(files)
    assert len(case.evidence.hops) == 5
    assert case.evidence.captures[1].clock_offset_ns // 1_000_000_000 == 60


def test_findings_about_capturing_are_one_for_each_point(tmp_path: Path) -> None:
    wire = _talked()
    names = [wire.capture(tmp_path / f"ring_{place:03d}.pcap", first=5 * place + 1, last=5 * place + 5, snap=200) for place in range(6)]
    (found,) = [finding for finding in analyzer.analyze(names).result.findings if finding.rule == "capture.snaplen"]
    assert "5 more files" in found.why


def test_files_that_a_later_one_shows_to_be_one_point(tmp_path: Path) -> None:
    wire = Wire()
    near, far = near_leg(wire), far_leg(wire)
    for number in range(3):
        asked = post("http://srv01:5985/wsman", content=soap(number=number + 1)).plus(basic())
        proxied(near, far, asked, reply(200, content=soap("CreateResponse", number + 1)))
    files = [wire.capture(tmp_path / f"{name}.pcap", first=first, last=last) for name, first, last in (("x", 1, 3), ("y", 4, 6), ("z", 7, 99))]
    assert len(set(_points(analyzer.analyze(files)))) == 1
