import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer.api import analyze
from analyzer.records.finding import ProductSetting, Severity
from analyzer.records.result import Result
from analyzer.reports import terminal
from analyzer.reports.facts import Coverage
from analyzer.reports.lines import Line, coloured, plain
from analyzer.reports.look import look
from analyzer.reports.terminal import finding_lines, overview
from analyzer.tables.packets import number_set
from tests.build import evidence as build
from tests.build import growing
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import direct, handshake, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire

RULES = ("tcp.close-after-auth-2xx", "auth.loop", "auth.ntlmv1")


def test_sections_in_the_order_of_a_readers_questions() -> None:
    for full, told in ((False, "INCIDENTS"), (True, "FINDINGS")):
        shown = plain(overview(build.grouped(build.direct()), RULES, 100, full=full))
        places = [shown.index(word) for word in ("DIAGNOSIS", told, "PROXIES", "EVIDENCE", "COVERAGE", "NEXT")]
        assert places == sorted(places)


def test_an_incident_names_whom_it_concerns_what_proves_it_and_what_to_do() -> None:
    shown = plain(overview(build.grouped(build.direct()), RULES, 100))
    for piece in (
        "INCIDENTS  1 high", "i1  HIGH  Closed", "1 client; f1", "2 ms after the logon", "10..12,15", "frame.number in {10..12, 15}",
        "to do    Let the proxy keep the connection open.",
    ):  # fmt: skip
        assert piece in shown
    assert "DIAGNOSIS\n  1 client, 1 WinRM connection.\n  Closed (packet 10).\n  To do: Let the proxy keep the connection open.\n\nINCIDENTS" in shown


def test_notes_are_one_line_and_equal_findings_one_incident() -> None:
    made = build.proxied()
    notes = tuple(replace(made.findings[0], first_ns=build.T0 + place) for place in range(40))
    shown = " ".join(plain(overview(build.grouped(replace(made, findings=(*made.findings, *notes))), RULES, 100)).split())
    assert "background: 41 notes (proxy.x); --full shows them" in shown
    closed = tuple(replace(build.finding(at_ms=place), user=f"LAB\\user{place}") for place in range(50))
    shown = plain(overview(build.grouped(replace(build.direct(), findings=closed)), RULES, 100))
    assert shown.count("  Closed") == 2
    assert "f1..f50" in shown


def test_a_fault_of_forty_servers_hides_no_other_fault(tmp_path: Path) -> None:
    told = " ".join(analyze(growing.servers(40, tmp_path)[0]).overview(width=100).split())
    told = told[told.index("INCIDENTS") : told.index("PROXIES")]
    first = re.findall(r"(?=(i\d+) ([A-Z]+) ([^(]*?) who )", told)
    assert len(first) == 3
    assert len({title for _, _, title in first}) == 3, "three kinds are told at length"
    folded = re.findall(r"(i\d+(?:\.\.i\d+|(?:, i\d+)+ and \d+ more)) ([A-Z]+) ([^()]*), and 38 more servers \(f", told)
    assert {title.replace("10.30.0.2", "10.30.0.1") for _, _, title in folded} == {title for _, _, title in first}
    one = analyze(growing.servers(1, tmp_path)[0]).overview(width=100)
    assert "more server" not in one


def test_settings_are_told_when_they_are_asked_for() -> None:
    made = build.direct()
    settings = (ProductSetting("nginx", "keepalive 16", "https://nginx.example/k", seen=True), ProductSetting("squid", "on", "https://squid.example/p"))
    seen = build.grouped(replace(made, findings=(replace(made.findings[0], settings=settings),)))
    unseen = build.grouped(replace(made, findings=(replace(made.findings[0], settings=settings[1:]),)))
    assert "Let the proxy keep the connection open (nginx: keepalive 16)." in plain(overview(seen, RULES, 100))
    assert "squid" not in plain(overview(seen, RULES, 100))
    assert "settings of 1 product: --all-products, or --proxy NAME" in plain(overview(unseen, RULES, 100))
    everything = plain(overview(seen, RULES, 100, products=True))
    assert everything.index("nginx (detected or named): keepalive 16") < everything.index("squid: on") < everything.index("https://squid.example/p")


def test_a_finding_can_be_checked_by_hand() -> None:
    shown = plain(overview(build.direct(), RULES, 100))
    for piece in (
        "f1  HIGH  Closed", "tcp.close-after-auth-2xx", "2026-01-02T03:04:05.020000000Z", "LAB\\alice, 10.0.0.1 → 10.0.0.9", "10..12,15  of leg-a.pcapng",
        "frame.number in {10..12, 15}", "2 ms after the logon", "keep the connection open", "winrm-analyzer explain tcp.close-after-auth-2xx",
    ):  # fmt: skip
        assert piece in shown


def test_a_finding_about_several_clients_says_how_many(tmp_path: Path) -> None:
    lan = Wire()
    for number in range(3):
        talk = direct(lan, f"10.10.1.{31 + number}", 50001 + number)
        handshake(talk, ntlm(number=number))
        trip(talk, post(content=soap(number=number)), reply(200, content=soap("CreateResponse", 10 + number)))
    lan.capture(tmp_path / "three.pcap")
    shown = plain(finding_lines(analyze(tmp_path / "three.pcap").result, ("enc.server-allows-unencrypted",), 100))
    assert "who      LAB\\alice, 10.10.1.31 and 2 more clients → 10.20.2.20:5985" in shown
    assert "10.10.1.32 → 10.20.2.20:5985" in shown, "where there is one for each client it is named alone"


def test_what_is_missing_is_said() -> None:
    shown = plain(overview(build.direct(), RULES, 100))
    assert "2 encrypted by WinRM" in shown
    assert "40 bytes not in the capture, in 1 hole" in shown
    assert "warning: tcp.gap  3 x" in shown


def test_packets_of_two_captures_have_a_filter_each() -> None:
    shown = plain(overview(build.proxied(), RULES, 100))
    assert "frame.number in {10..11}" in shown
    assert "5  of leg-b.pcapng" in shown
    whole = plain(overview(build.proxied(), RULES, 100, full=True))
    assert "  forward proxy 10.0.0.5: 10.0.0.1 → 10.0.0.9:5985\n    1 route: r1 (c1 → c2)\n" in whole


def test_no_finding_is_said_plainly() -> None:
    quiet = replace(build.direct(), findings=())
    assert "No finding. 3 rules looked at the evidence: auth, tcp." in " ".join(plain(overview(quiet, RULES, 100)).split())
    shown = " ".join(plain(overview(build.nothing(), [*RULES, "capture.file-cut"], 100)).split())
    assert "No finding: there is no connection that a rule could look at." in shown, "rules are about connections"
    assert "Absence of a finding is not absence of activity" in shown
    assert "No WinRM was seen." in shown


def many() -> Result:
    """`build.proxied` with more findings than a screen holds."""
    made = build.proxied()
    found = [
        replace(made.findings[place % len(made.findings)], severity=Severity.HIGH if place < 15 else Severity.LOW, first_ns=build.T0 + place)
        for place in range(60)
    ]
    return replace(made, findings=tuple(found))


HOSTILE = build.hostile("a-very-long-name-" * 20)


def _words(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    "made",
    [build.direct(), build.proxied(), build.nothing(), many(), *map(build.grouped, (build.direct(), build.proxied(), many(), HOSTILE)), HOSTILE],
)
@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("screen", [overview, finding_lines, lambda made, _, width: look(made, width)])
def test_no_line_is_wider_than_asked_and_nothing_is_lost(made: Result, width: int, screen: Callable[[Result, Sequence[str], int], Iterable[Line]]) -> None:
    """Only what is to be pasted may be wider."""
    shown = plain(screen(made, RULES, width))
    pasted = ("frame.number in", "winrm-analyzer ")
    assert [line for line in shown.splitlines() if len(line) > width and not line.strip().removeprefix("filter").strip().startswith(pasted)] == []
    assert _words(shown) == _words(plain(screen(made, RULES, 4000)))


def test_colours_stay_where_lines_are_broken() -> None:
    shown = coloured(overview(build.direct(), RULES, 40))
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines() if "frame.number" not in line and "winrm-" not in line) <= 40
    assert "\x1b[0m\x1b[1m \x1b[0m" not in shown


def test_the_first_screen_details_what_is_severe() -> None:
    made = build.direct()
    found = tuple(
        build.finding(f"tcp.x{place:02}", Severity.HIGH if place < 15 else Severity.LOW, at_ms=place, title=f"Closed {place:02}") for place in range(60)
    )
    made = build.grouped(replace(made, findings=found))
    short, full = plain(overview(made, RULES, 100)), plain(overview(made, RULES, 100, full=True))
    assert (short.count("      who "), short.count("      why"), full.count("      why")) == (3, 1, 60)
    assert "  i3  HIGH  " in short
    assert "  i15  HIGH  Closed 14 (f15)\n" in short
    assert "  i16  LOW  " not in short
    assert "  and 45 more (table incidents)\n" in short
    assert len(short.splitlines()) <= 60
    assert all(f"  f{place}  " in full for place in range(1, 61))


def test_a_long_set_of_packets_is_cut_unless_all_is_wanted() -> None:
    made = build.direct()
    numbers = tuple(range(1, 900, 2))
    made = replace(made, findings=(replace(made.findings[0], packets=numbers),))
    assert "andmore,450named" in _words(plain(overview(made, RULES, 100)))
    assert "and more" not in plain(overview(made, RULES, 100, full=True))
    assert number_set(numbers) in _words(plain(finding_lines(made, RULES, 100, full=True)))


def test_colours_change_no_letter() -> None:
    made = build.direct()
    with_colours = coloured(overview(made, RULES, 100))
    assert "\x1b[" in with_colours
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", with_colours)
    assert [line.rstrip() for line in stripped.splitlines()] == plain(overview(made, RULES, 100)).splitlines()


def test_the_keys_that_would_help_are_named() -> None:
    assert "the password or NT hash of LAB\\alice (NTLM)" in plain(look(build.direct(), 100))


def test_many_reasons_for_closed_bodies_are_summed_up() -> None:
    """Hundreds of accounts without a key must not fill the first screen."""
    closed = {f"no key for LAB\\user{number} (NTLM)": number for number in range(1, 31)}
    text = terminal._opened(Coverage({"sealed": 465}, 0, 0, 0, {}, (), 0, closed))
    assert text.startswith("0 of 465 encrypted bodies decrypted; 30 no key for LAB\\user30 (NTLM), 29 ")
    assert text.endswith(f", and {sum(range(1, 23))} for 22 other reasons like these (table messages)")
