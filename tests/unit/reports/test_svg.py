"""The sequence diagram as SVG: well-formed, with all that the ladder of the terminal has, and inert."""

import xml.etree.ElementTree as ET

import pytest

from analyzer.errors import UsageError
from analyzer.reports.drawings import LADDERS, ladders
from analyzer.reports.svg import Named, alone, svg
from tests.build import evidence as build

SVG = "{http://www.w3.org/2000/svg}"


def test_a_drawing_has_title_description_lanes_and_an_arrow_for_each_message() -> None:
    [drawn] = ladders(LADDERS.values(build.proxied()))
    root = ET.fromstring(alone(drawn, 300))  # noqa: S314 (made by us)
    assert [lane.title for lane in drawn.lanes] == ["client", "proxy", "server"]
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "title description"
    assert "r1: forward proxy, c1 to c2" in (root.findtext(f"{SVG}title") or "")
    assert "between client 10.0.0.1, proxy 10.0.0.5, server 10.0.0.9" in (root.findtext(f"{SVG}desc") or "")
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(drawn.steps) == 4
    assert groups[0].findtext(f"{SVG}title") == "#10..11 POST /wsman, Create, clear 60 bytes [c1.x1]"
    assert "reset" in groups[-1].attrib["class"]


def test_only_so_many_messages_are_drawn() -> None:
    [drawn] = ladders(LADDERS.values(build.direct()))
    root = ET.fromstring(alone(drawn, 2))  # noqa: S314 (made by us)
    assert len(root.findall(f"{SVG}g")) == 2
    assert "the first 2 drawn" in (root.findtext(f"{SVG}desc") or "")


@pytest.mark.parametrize("text", ["</title><script>x</script>", "\" onload='x'", "]]>&lt;", "\x1b\u202e\x00\ud800"])
def test_captured_text_stays_text(text: str) -> None:
    for drawn in ladders(LADDERS.values(build.hostile(text))):
        root = ET.fromstring(svg(drawn, 300, Named("a", "b")))  # noqa: S314 (made by us)
        assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {"svg", "title", "desc", "text", "line", "g", "path"}
        assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or name in {"style", "href"}]


def test_lanes_from_a_stranger_are_no_mistake_of_the_program() -> None:
    names = LADDERS.names
    odd = dict.fromkeys(names) | {"drawing": "d", "lane_1": "a", "lane_2": "b", "left_lane": 7, "kind": "<x>", "tone": "\"'"}
    fine = odd | {"left_lane": 0}
    [drawn] = ladders([tuple(row[name] for name in names) for row in (odd, fine)])
    assert len(drawn.steps) == 1
    assert 'class="message"' in alone(drawn, 5)
    assert list(ladders([tuple(dict.fromkeys(names).values())])) == []


def test_a_file_holds_one_drawing() -> None:
    assert build.case(build.direct()).ladder("c1", form="svg").startswith("<svg ")
    made = build.direct()
    two = build.evidence([build.capture()], [build.connection(1, closings=(build.closing(),)), build.connection(2, closings=(build.closing(),))])
    with pytest.raises(UsageError, match="one drawing"):
        build.case(type(made)(two, (), {})).ladder(form="svg")
