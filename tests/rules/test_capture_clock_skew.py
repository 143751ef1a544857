from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from analyzer.records.ids import key_capture
from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, far_leg, near_leg, proxied, proxied_handshake, sealed_reply
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge_files, names

RULE = "capture.clock-skew"


def two_captures(folder: Path, ahead: float) -> Judged:
    """Both legs of a session, the second one by a clock that is ahead."""
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    for number in range(4):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    return judge_files([lan.capture(folder / "a.pcap", hosts=CLIENT_LEG), lan.capture(folder / "b.pcap", hosts=UPSTREAM_LEG, ahead=ahead)])


@pytest.mark.parametrize(("ahead", "words"), [(5.0, "5.0 s ahead of"), (-0.25, "s behind")])
def test_the_second_captures_clock_is_off(tmp_path: Path, ahead: float, words: str) -> None:
    finding = two_captures(tmp_path, ahead).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert [key_capture(key) for key in finding.packets] == [1]
    assert len(finding.connections) == 1
    assert names(finding, 1)
    assert "The clock of b.pcap is" in finding.why
    assert words in finding.why


def test_clocks_that_agree(tmp_path: Path) -> None:
    assert two_captures(tmp_path, 0).found(RULE) == []


def test_a_few_milliseconds_do_not_matter(tmp_path: Path) -> None:
    assert two_captures(tmp_path, 0.004).found(RULE) == []
