import re

import pytest

from analyzer.records.result import Result
from analyzer.reports.lines import coloured, plain
from analyzer.reports.look import look
from analyzer.reports.terminal import overview
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
    shown = " ".join(plain(overview(build.nothing(), RULES, 100)).split())
    assert "No finding. 3 rules looked at the evidence: auth, tcp." in shown
    assert "Absence of a finding is not absence of activity" in shown
    assert "No WinRM was seen." in shown


@pytest.mark.parametrize("made", [build.direct(), build.proxied(), build.nothing()])
def test_only_what_is_to_be_pasted_is_wider_than_asked(made: Result) -> None:
    for width in (80, 100):
        lines = plain(overview(made, RULES, width)).splitlines()
        assert not [line for line in lines if len(line) > width and not line.startswith(("      filter", "  winrm-analyzer"))]


def test_colours_change_no_letter() -> None:
    made = build.direct()
    with_colours = coloured(overview(made, RULES, 100))
    assert "\x1b[" in with_colours
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", with_colours)
    assert [line.rstrip() for line in stripped.splitlines()] == plain(overview(made, RULES, 100)).splitlines()


def test_the_keys_that_would_help_are_named() -> None:
    assert "the password or NT hash of LAB\\alice (NTLM)" in plain(look(build.direct(), 100))
