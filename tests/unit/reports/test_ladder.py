from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer import analyze
from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.proxy import Route
from analyzer.records.result import Result
from analyzer.reports.ladder import ladder, mermaid
from analyzer.reports.lines import plain
from analyzer.reports.marks import marked, of_result, thinned
from analyzer.reports.parts import index, part_of
from analyzer.reports.sequence import Lane, Sequence, sequences, sequences_of
from tests.build import evidence as build

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


def sequence_of(evidence: Evidence, name: str) -> Sequence:
    [drawn] = sequences_of(evidence, name)
    return drawn


def test_a_direct_connection_has_two_lanes() -> None:
    drawn = sequence_of(build.direct().evidence, "c1")
    assert [lane.title for lane in drawn.lanes] == ["client", "server"]
    shown = plain(ladder(drawn, 100, 300))
    for piece in (
        "#10..11 POST /wsman, NTLM negotiate",
        "#22 200 OK, encrypted",
        "NTLM authenticate as alice",
        "40 bytes of c1 not in the capture",
        "FIN of c1, sent by the server",
    ):
        assert piece in shown
    assert "▶" in shown
    assert "◀░" in shown


@pytest.mark.parametrize("name", ["c1", "c2"])
def test_a_route_has_three_lanes_from_either_leg(name: str) -> None:
    drawn = sequence_of(build.proxied().evidence, name)
    assert [(lane.title, lane.host) for lane in drawn.lanes] == [("client", "10.0.0.1"), ("proxy", "10.0.0.5"), ("server", "10.0.0.9")]
    assert [arrow.left for arrow in drawn.arrows] == [0, 1, 0, 0]
    assert "RST of c1, sent by the proxy" in drawn.arrows[-1].text


def test_all_rows_are_equally_wide() -> None:
    for result in (build.direct(), build.proxied()):
        for drawn in sequences(result.evidence):
            rows = plain(ladder(drawn, 100, 300)).splitlines()[4:]
            assert {len(row) for row in rows} == {max(map(len, rows))}
            assert max(map(len, rows)) <= 100


def test_a_long_one_is_cut_and_says_so() -> None:
    shown = plain(ladder(sequence_of(build.direct().evidence, "c1"), 100, 2))
    assert "... 4 more, until 2026-01-02T03:04:06.000000000Z" in shown


def test_a_long_one_comes_in_parts_with_an_index() -> None:
    drawn = sequence_of(build.direct().evidence, "c1")
    parts = [part_of([drawn], 2, number)[0] for number in (1, 2, 3)]
    assert parts[0] == drawn
    assert [arrow for part in (parts[0]._replace(arrows=drawn.arrows[:2]), *parts[1:]) for arrow in part.arrows] == list(drawn.arrows)
    assert parts[2].title.endswith("(messages 5 to 6 of 6)")
    told = plain(index(drawn, 2, 2)).splitlines()
    assert len(told) == 5
    assert "6 messages" in told[1]
    assert "3 to 4" in told[3]
    assert "(drawn above)" in told[3]
    assert not list(index(drawn, 6, 1))


def test_a_part_that_no_drawing_has_is_an_error() -> None:
    with pytest.raises(UsageError, match="the longest drawing has 6 messages, 2 parts of 4"):
        part_of([sequence_of(build.direct().evidence, "c1")], 4, 3)


def test_mermaid() -> None:
    shown = plain(mermaid(sequence_of(build.proxied().evidence, "c1"), 300))
    assert shown.startswith("sequenceDiagram\n")
    assert "participant L1 as proxy 10.0.0.5" in shown
    assert "L0->>L1: #35;10..11 POST /wsman" in shown
    assert "L1-xL0: #35;30 RST" in shown


def test_an_unknown_connection_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(UsageError, match="c99"):
        sequence_of(build.direct().evidence, "c99")


def test_clocks_that_differ_are_set_right() -> None:
    made = build.proxied().evidence
    late = replace(made.captures[1], clock_offset_ns=10_000 * build.MS)
    shifted = replace(made, captures=(made.captures[0], late))
    assert [arrow.left for arrow in sequence_of(shifted, "c1").arrows] == [1, 0, 0, 0]


def test_a_server_connection_of_two_clients_is_one_drawing_of_both() -> None:
    made = build.proxied().evidence
    third = build.connection(3, client="10.0.0.2", server="10.0.0.5")
    routes = (*made.routes, Route("r2", "c3", ("c2",), "10.0.0.5", "forward"))
    shared = replace(made, connections={**made.connections, "c3": third}, routes=routes)
    [drawn] = sequences_of(shared, "c2")
    assert drawn.lanes[0] == Lane("2 clients", "10.0.0.1, 10.0.0.2")
    assert "c2: server connection of 2 client connections (c1, c3)" in drawn.title
    assert not any(" for c1" in arrow.text for arrow in drawn.arrows)
    [other] = sequences_of(shared, "c3")
    assert [arrow.tone for arrow in other.arrows] == ["foreign"]
    assert other.arrows[0].text.endswith("for c1")


def test_what_a_server_connection_carries_for_other_clients_is_one_gray_row() -> None:
    case = analyze(SAMPLES / "nginx-pooled-second-client")
    drawings = [sequences_of(case.result.evidence, name)[0] for name in case.result.evidence.winrm]
    gray = [arrow for drawn in drawings for arrow in drawn.arrows if arrow.tone == "foreign"]
    assert any("messages for other clients (" in arrow.text for arrow in gray)
    for drawn in drawings:
        tones = [(arrow.tone == "foreign", arrow.connection) for arrow in drawn.arrows]
        assert not any(one == two and one[0] for one, two in pairwise(tones))


def test_an_incident_that_is_everywhere_stands_at_its_first_arrow() -> None:
    ids = [("i1",), ("i1", "i2"), *[("i1",)] * 8]
    assert thinned(ids) == [("i1",), ("i2",), *[()] * 8]
    assert thinned(ids[:5]) == ids[:5]


def test_an_incident_stands_at_the_event_that_broke_it() -> None:
    case = analyze(SAMPLES / "badproxy-close-after-200")
    own = of_result(case.result)
    drawn = marked(sequence_of(case.result.evidence, "c1"), own, {})
    hit = {arrow.head: arrow.marks for arrow in drawn.arrows if arrow.marks}
    assert hit["FIN of c1, sent by the proxy"] == ("i1", "i2")
    assert "FIN of c1, sent by the client" not in hit
    shown = plain(ladder(drawn, 120, 300))
    assert "◆ i1, i2" in shown
    assert "0.000 s is 2026-11-24T10:24:03.744954000Z" in shown
    healthy = analyze(SAMPLES / "squid-ntlm-healthy")
    assert of_result(healthy.result) == {}


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("made", [build.direct(), build.proxied()])
def test_no_line_is_wider_than_asked(made: Result, width: int) -> None:
    """Narrow terminals get a list; every packet number and record is there at any width."""
    for drawn in sequences(made.evidence):
        shown = plain(ladder(drawn, width, 300))
        assert max(map(len, shown.splitlines())) <= width
        words = "".join(shown.split())
        for arrow in drawn.arrows:
            assert f"#{arrow.packets}" in words or not arrow.packets
            assert arrow.record in words
        assert all(lane.host in words for lane in drawn.lanes)
        assert ("→" in shown) == (width < 74 if len(drawn.lanes) == 3 else width < 43)
