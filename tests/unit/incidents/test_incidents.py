"""Incidents count clients and events, not connections; and the diagnosis is made of their facts."""

from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer.api import Case, analyze
from analyzer.incidents.diagnosis import diagnosis
from analyzer.incidents.grouping import Told
from analyzer.incidents.leads import lead
from analyzer.incidents.sums import sums
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, ProductSetting, Severity
from analyzer.records.incident import Incident
from analyzer.rules.causes import explanations
from benchmarks.generate import crowd, write
from tests.build import evidence as build


def incidents(evidence: Evidence, findings: list[Finding], told: Told) -> tuple[Incident, ...]:
    """What the findings of this evidence come to."""
    return build.concluded(evidence, findings, told)[1]


SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


@cache
def sample(name: str) -> Case:
    return analyze([str(path) for path in sorted((SAMPLES / name).glob("*.pcap*"))])


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Fifty clients behind one proxy that closes the connection after each logon."""
    path = tmp_path_factory.mktemp("fifty") / "fifty.pcap"
    write(path, crowd(SAMPLES / "badproxy-close-after-200" / "capture.pcap", 50, "10.10.1.11"))
    return analyze(str(path))


def test_fifty_clients_behind_one_proxy_are_one_screen(fifty: Case) -> None:
    screen = fifty.overview(width=80)
    assert len(screen.splitlines()) <= 60
    assert screen.count("50 of 50 clients") >= 2
    assert max(len(line) for line in screen.splitlines() if "winrm-analyzer" not in line and "frame.number" not in line) <= 80


def test_what_one_proxy_does_to_fifty_clients_is_one_incident_of_a_rule(fifty: Case) -> None:
    told = [one for one in fifty.result.incidents if not one.background]
    assert len({one.rule for one in told}) == len(told) <= 3
    assert {(one.clients, one.clients_total, len(one.findings)) for one in told} == {(50, 50, 50)}
    (proxy,) = {one.party for one in told}
    assert next(party.kind for party in fifty.evidence.story.parties if party.id == proxy) == "proxy"
    assert all(one.logons == one.requests == 100 for one in told), "a logon that both sides of the proxy show is one"
    assert fifty.diagnosis.startswith("The last request of 50 of 50 clients failed with status 400 (first in packet ")


def test_the_copies_of_a_sample_are_found_like_the_sample(fifty: Case) -> None:
    assert {finding.rule for finding in fifty.result.findings} == {finding.rule for finding in sample("badproxy-close-after-200").result.findings}


def test_a_finding_knows_its_incident_and_an_incident_its_findings() -> None:
    case = sample("tinyproxy-close")
    rows = case.listed("findings")
    of = {str(row["finding_id"]): row["incident_id"] for row in rows}
    for row in case.listed("incidents"):
        assert {of[name] for name in str(row["findings"]).split(",")} == {row["incident_id"]}
    first = case.listed("incidents")[0]
    assert first["rule"] == "tcp.close-between-challenge-and-response"
    assert "affinity.handshake-split" in str(first["explains"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("squid-ntlm-healthy", ("1 client, 1 logon accepted, 15 requests answered; no problem found in what could be read.", "All 28 message bodies")),
        ("three-clients-at-once", ("3 clients, 3 logons accepted, 32 requests answered; no problem found in what could be read.",)),
        ("https-direct", ("1 client, 1 WinRM connection; no problem found in what could be read.", "1 connection is encrypted by TLS")),
        ("squid-ntlm-one-leg", ("no problem found in what could be read.", "Only one side of a proxy is in the capture")),
        ("lost-by-the-capture", ("2,687 bytes of these connections are not in the capture.",)),
        ("background-without-winrm", ("No WinRM traffic was found.", "12 TLS connections to 10.20.2.20:8443 were not decrypted")),
        ("wrong-password", ("Client 10.10.1.11 could not log on as LAB\\bob: 3 logons were refused (first in packet 11).", "To do: Check the user name")),
        ("badproxy-request-lost", ("The last request of client 10.10.1.11 was never answered (first in packet 93).",)),
        ("source-nat-direct-healthy", ("All 16 message bodies are encrypted",)),  # seen on both sides of the translation, counted once
        ("badproxy-strip-challenge", ("The last request of client 10.10.1.11 was answered 401, and no logon followed (first in packet 13).",)),
    ],
)
def test_the_diagnosis_of_a_sample(name: str, said: tuple[str, ...]) -> None:
    told = sample(name).diagnosis
    assert all(piece in told for piece in said), told
    assert len(told.splitlines()) <= 4


def test_a_failure_comes_before_what_could_be_read() -> None:
    case = sample("direct-unencrypted-refused")
    told = case.diagnosis.splitlines()
    refused = next(one for one in case.result.incidents if one.rule == "auth.unencrypted-refused")
    assert told[0].startswith("The last request of client 10.10.1.11 failed with status 500")
    assert told[1].startswith(refused.title)
    assert told[2].startswith("Also found: ")


def test_a_case_folder_tells_the_same(tmp_path: Path) -> None:
    case = sample("wrong-password")
    opened = case.save(tmp_path / "case")
    assert opened.diagnosis == case.diagnosis
    assert opened.incidents.equals(case.incidents)
    assert "Client 10.10.1.11 could not log on" in opened._repr_html_()


def _at(place: int, **changes: object) -> Finding:
    return replace(build.finding(at_ms=place, title=f"LAB\\user{place} was refused"), user=f"LAB\\user{place}", **changes)


def test_the_names_of_clients_make_no_other_incident() -> None:
    made = incidents(build.direct().evidence, [_at(place) for place in range(5)], Told({"tcp.close-after-auth-2xx": "Users are refused"}, {}, ()))
    assert [(one.title, len(one.findings)) for one in made] == [("Users are refused", 5)]
    other = [_at(0), build.finding(title="The server refuses Basic")]
    assert len(incidents(build.direct().evidence, other, Told({}, {}, ()))) == 2


def test_an_incident_that_follows_from_another_says_so() -> None:
    cause, symptom = build.finding("tcp.a"), build.finding("tcp.b", Severity.MEDIUM)
    one, two = incidents(build.direct().evidence, [cause, symptom], Told({}, {"tcp.a": ("tcp.b",)}, ()))
    assert (one.explained_by, two.explained_by) == (None, "i1")
    (alone,) = incidents(build.direct().evidence, [cause], Told({}, {}, [(symptom, cause)]))
    assert alone.explains == ("tcp.b",)
    assert "Also found" not in " ".join(diagnosis(sums(build.direct().evidence), (one, two)))


def test_a_symptom_is_led_back_to_what_explains_its_cause() -> None:
    names = ("attack.spray", "auth.loop", "tcp.retry-storm")
    root, middle, last = (build.finding(name) for name in names)
    assert {(one.rule, cause.rule) for one, cause in explanations([last, middle, root])} == {(names[1], names[0]), (names[2], names[0])}


@pytest.mark.parametrize(
    ("advice", "seen", "expected"),
    [
        ("Check the clock. Then the rest.", False, "Check the clock"),
        ("Set x (winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}'), or use HTTPS (5986). More.", False, "Set x, or use HTTPS (5986)"),
        ("Keep it open (nginx, seen here: keepalive 16 and proxy_http_version 1.1). More.", True, "Keep it open (nginx: keepalive 16)"),
        ("Use version 1.1 of HTTP. More", False, "Use version 1.1 of HTTP"),
        ("One, " * 40, False, "One, One, One, One, One, One, One"),
    ],
)
def test_the_lead_of_advice(advice: str, expected: str, *, seen: bool) -> None:
    settings = (ProductSetting("nginx", "keepalive 16", "https://nginx.example", seen=seen),)
    told = lead(replace(build.finding(), advice=advice, settings=settings))
    assert told.startswith(expected)
    assert len(told.split()) <= 31
