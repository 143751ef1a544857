import re
from collections.abc import Callable, Iterable, Sequence

import pytest
from msgspec.structs import replace

from analyzer.records.finding import Severity
from analyzer.records.result import Result
from analyzer.reports import terminal
from analyzer.reports.facts import Coverage
from analyzer.reports.lines import Line, coloured, plain
from analyzer.reports.look import look
from analyzer.reports.terminal import finding_lines, overview
from analyzer.tables.packets import number_set
from tests.build import evidence as build

RULES = ("tcp.close-after-auth-2xx", "auth.loop", "auth.ntlmv1")


def test_sections_in_the_order_of_a_readers_questions() -> None:
    shown = plain(overview(build.direct(), RULES, 100))
    places = [shown.index(word) for word in ("EVIDENCE", "COVERAGE", "PROXIES", "FINDINGS", "NEXT")]
    assert places == sorted(places)


def test_a_finding_can_be_checked_by_hand() -> None:
    shown = plain(overview(build.direct(), RULES, 100))
    for piece in (
        "f1  HIGH  Closed", "tcp.close-after-auth-2xx", "2026-01-02T03:04:05.020000000Z", "LAB\\alice, 10.0.0.1 → 10.0.0.9", "10..12,15  of leg-a.pcapng",
        "frame.number in {10..12, 15}", "2 ms after the logon", "keep the connection open", "winrm-analyzer explain tcp.close-after-auth-2xx",
    ):  # fmt: skip
        assert piece in shown


def test_what_is_missing_is_said() -> None:
    shown = plain(overview(build.direct(), RULES, 100))
    assert "2 sealed" in shown
    assert "40 bytes not in the capture, in 1 hole" in shown
    assert "warning: tcp.gap  3 x" in shown


def test_packets_of_two_captures_have_a_filter_each() -> None:
    shown = plain(overview(build.proxied(), RULES, 100))
    assert "frame.number in {10..11}" in shown
    assert "5  of leg-b.pcapng" in shown
    assert "  forward proxy 10.0.0.5: 10.0.0.1 → 10.0.0.9:5985\n    1 route: r1 (c1 → c2)\n" in shown


def test_no_finding_is_said_plainly() -> None:
    quiet = replace(build.direct(), findings=())
    assert "No finding. 3 rules looked at the evidence: auth, tcp." in " ".join(plain(overview(quiet, RULES, 100)).split())
    shown = " ".join(plain(overview(build.nothing(), [*RULES, "capture.file-cut"], 100)).split())
    assert "No finding. 1 rule looked at the evidence: capture." in shown, "without a connection, rules about connections did not run"
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


def _words(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("made", [build.direct(), build.proxied(), build.nothing(), many(), build.hostile("a-very-long-name-" * 20)])
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


def test_the_first_screen_details_what_is_grave() -> None:
    short, full = plain(overview(many(), RULES, 100)), plain(overview(many(), RULES, 100, full=True))
    assert (short.count("      why"), full.count("      why")) == (10, 60)
    assert "  f11  HIGH  " in short
    assert "  f40  LOW  " in short
    assert "  f41  LOW  " not in short
    assert "  and 20 more; all with facts and filters:\n  winrm-analyzer findings " in short
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
    assert text.startswith("0 of 465 sealed bodies opened; 30 no key for LAB\\user30 (NTLM), 29 ")
    assert text.endswith(f", and {sum(range(1, 23))} for 22 other reasons like these (table messages)")
