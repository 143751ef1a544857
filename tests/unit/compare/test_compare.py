"""Two cases beside each other: the first difference, said with its packets, and the findings about it."""

import json
from functools import cache
from pathlib import Path

import pytest

import analyzer
from analyzer.case.analyzed import Case
from analyzer.case.compared import Compared
from analyzer.cli import start

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


@cache
def case(name: str) -> Case:
    return analyzer.analyze([str(path) for path in sorted((SAMPLES / name).glob("*.pcap*"))])


def compared(a: str, b: str) -> Compared:
    return case(a).compare(case(b))


def test_a_case_is_like_itself() -> None:
    made = compared("badproxy-healthy", "badproxy-healthy")
    assert made.result.first is None
    assert list(made.steps["alike"].unique()) == [True]
    assert made.verdict == "The clients did the same in both cases, with the same outcome: 8 steps."
    assert made.differences.empty


def test_the_step_at_which_two_cases_part() -> None:
    made = compared("badproxy-healthy", "badproxy-close-after-200")
    assert made.verdict.splitlines() == [
        "Client 10.10.1.11: both cases are alike for 3 steps, up to this one: logon to the server with NTLM: accepted.",
        "Then in A: encrypted request: answered 200 (5 times) (packet 23).",
        "Then in B: connection's end: closed by the proxy right after the logon (packet 26).",
        "Finding f2 of B names this step: The proxy 10.10.1.1:3128 closes the connection right after logon.",
    ]


def test_the_other_way_round_the_same_step_is_named() -> None:
    one, other = compared("badproxy-healthy", "wrong-password").result, compared("wrong-password", "badproxy-healthy").result
    assert one.first == other.first
    assert (one.pairs[one.first or 0].left, one.pairs[one.first or 0].right) == (other.pairs[other.first or 0].right, other.pairs[other.first or 0].left)
    assert {finding.case for finding in one.named[:1]} == {"B"}
    assert {finding.case for finding in other.named[:1]} == {"A"}


def test_steps_that_agree_and_travelled_differently() -> None:
    made = compared("badproxy-healthy", "badproxy-rechunk-requests")
    assert "did the same in both cases" in made.verdict
    assert "Header fields that the proxy changed: none in A, -Content-Length,+Transfer-Encoding in B." in made.verdict
    assert made.result.named[0].rule == "http.chunked-request"


def test_direct_and_through_a_proxy() -> None:
    made = compared("direct-ntlm-healthy", "nginx-http10-split")
    assert "refused (split), spread over 2 server connections" in made.verdict
    told = {(row["what"], row["a"], row["b"]) for row in made.differences.to_dict("records")}
    assert ("path", "direct", "through a proxy") in told
    assert ("forwarded as", "none", "HTTP/1.0") in told


def test_a_client_that_only_one_case_has() -> None:
    made = compared("nginx-pooled-single-client-healthy", "nginx-pooled-second-client").result
    assert {pair.left_client for pair in made.pairs} >= {None}
    second = [pair.right for pair in made.pairs if pair.left_client is None and pair.right is not None]
    assert any("without one of its own" in step.outcome for step in second)


def test_a_capture_without_winrm() -> None:
    assert compared("background-without-winrm", "background-without-winrm").verdict.startswith("Neither case has WinRM traffic")
    one = compared("background-without-winrm", "direct-ntlm-healthy")
    assert "is only in B" in one.verdict


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_is_as_wide_as_it_may_be(width: int) -> None:
    text = compared("badproxy-healthy", "badproxy-close-after-200").text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "VERDICT" in text
    assert "ALSO DIFFERENT" in text


def test_long_runs_that_are_alike_are_counted() -> None:
    made = compared("long-pause-healthy", "firewall-forgets-reset")
    assert "steps alike" in made.text() or "step alike" in made.text()


def test_the_page_holds_nothing_that_runs() -> None:
    page = compared("badproxy-healthy", "badproxy-close-after-200").html()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.count("<tr") == 2 + len(compared("badproxy-healthy", "badproxy-close-after-200").steps) + 2


def test_an_opened_case_compares_like_its_captures(tmp_path: Path) -> None:
    case("badproxy-healthy").save(tmp_path / "a")
    opened = analyzer.open_case(tmp_path / "a")
    assert opened.compare(case("wrong-password")).verdict == compared("badproxy-healthy", "wrong-password").verdict


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (str(SAMPLES / name / "capture.pcap") for name in ("badproxy-healthy", "badproxy-close-after-200"))
    assert start.run(["compare", a, b]) == 0
    assert "closed by the proxy right after the logon" in " ".join(capsys.readouterr().out.split())
    assert start.run(["compare", a, b, "-f", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["a"], made["b"], made["first_difference"]) == (a, b, 3)
    assert made["steps"][3]["first_difference"] is True
    assert start.run(["compare", a, b, "-o", str(tmp_path / "out.html")]) == 0
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert start.run(["compare", a, b, "-o", str(tmp_path / "out.html")]) == 2
    assert start.run(["compare", a]) == 2
