"""What a notebook shows: the same as the text, as HTML in which nothing of a capture is markup."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analyzer
from analyzer.reports.notebook import Rich, preformatted
from tests.build import evidence as build

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'\x1b]0;x\x07\u202e\n</pre></table>"
TAGS = {"p", "b", "br", "code", "pre", "img", "table", "thead", "tbody", "tr", "th", "td"}
SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"


class _Tags(HTMLParser):
    """Collects the tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.found


def _html(shown: object) -> str:
    assert isinstance(shown, Rich | analyzer.Case)
    return shown._repr_html_()


def _displays(case: analyzer.Case) -> dict[str, str]:
    return {"case": _html(case), "findings": _html(case.findings_text()), "ladder": _html(case.ladder()), "transcript": _html(case.transcript())}


def test_nothing_of_a_capture_is_markup() -> None:
    for name, html in _displays(build.case(build.hostile(HOSTILE))).items():
        tags = _tags(html)
        assert tags, name
        assert {tag for tag, _ in tags} <= TAGS, name
        assert {attribute for _, attributes in tags for attribute in attributes} <= {"src", "alt", "scope", "style"}, name
        assert {attributes.get("style") for _, attributes in tags} <= {None, "text-align:left;vertical-align:top", "font-family:monospace"}, name
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", html), name


def test_a_ladder_is_a_picture_with_everything_escaped_inside() -> None:
    [(_, attributes)] = [one for one in _tags(_displays(build.case(build.hostile(HOSTILE)))["ladder"]) if one[0] == "img"]
    kind, _, data = (attributes["src"] or "").partition(",")
    assert kind == "data:image/svg+xml;base64"
    picture = b64decode(data).decode()
    assert picture.startswith("<svg ")
    assert {tag for tag, _ in _tags(picture)} <= {"svg", "title", "desc", "style", "g", "text", "line", "path", "rect"}


def test_the_text_stays_the_text() -> None:
    case = analyzer.analyze(SAMPLES / "direct-ntlm-healthy", secrets=SAMPLES / "direct-ntlm-healthy" / "secrets.toml")
    transcript = case.transcript()
    assert isinstance(transcript, str)
    assert transcript.splitlines()[0].startswith("winrs shell")
    assert "RUN     whoami" in _html(transcript)
    assert case.ladder("c1", form="mermaid").startswith("sequenceDiagram")
    assert "attack.tool-fingerprint" in _html(case.findings_text())
    assert "c1" in str(case.ladder("c1"))


def test_ipython_without_a_browser_shows_the_lines() -> None:
    printed: list[str] = []

    class Printer:
        def text(self, words: str) -> None:
            printed.append(words)

    Rich("one\ntwo", str)._repr_pretty_(Printer(), cycle=False)
    assert printed == ["one\ntwo"]


def test_a_case_shows_its_diagnosis_and_its_most_severe_incidents() -> None:
    html = _html(analyzer.analyze(SAMPLES / "nginx-http10-split"))
    assert re.findall("<b>([a-z]+)</b>", html) == ["high", "high"]
    assert "could not log on as LAB\\alice" in html
    assert "8 connections, 12 exchanges, 4 findings" in html


def test_a_case_without_findings_has_no_table() -> None:
    html = _html(analyzer.analyze(SAMPLES / "background-without-winrm"))
    assert "0 findings" in html
    assert "<table>" not in html
    assert "no findings" in _html(analyzer.analyze(SAMPLES / "background-without-winrm").findings_text())


def test_a_case_folder_shows_the_same(tmp_path: Path) -> None:
    case = analyzer.analyze(SAMPLES / "wrong-password")
    opened = case.save(tmp_path / "case")
    assert opened._repr_html_() == _html(case)
    assert _html(opened.findings_text(least="medium")) == _html(case.findings_text(least="medium"))


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_long_text_is_cut_and_says_so(size: int) -> None:
    shown = preformatted("x" * size)
    assert shown.count("x") <= 200_000
    assert ("more characters" in shown) is (size > 200_000)
