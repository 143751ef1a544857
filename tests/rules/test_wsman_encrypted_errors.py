import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import reply, sealed
from tests.build.talk_proxy import ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.encrypted-errors"
ERROR = reply(500, content=sealed(1, by="server"))


def test_nothing_works_and_the_reason_cannot_be_read() -> None:
    lan = Wire()
    talk = direct(lan)
    first, second = trip(talk, ask_sealed(0), ERROR), trip(talk, ask_sealed(1), ERROR)

    finding = judge(lan).one(RULE)

    assert finding.title == "2 requests answered 500, with an encrypted reason"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*first, *second]
    assert names(finding, first.answered)
    assert "No encrypted request to this server was answered with success" in finding.why


def test_others_went_well() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, ask_sealed(1), ERROR)
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert finding.title == "1 request answered 500, with an encrypted reason"


@pytest.mark.parametrize(("seconds", "severity"), [(0.9, Severity.LOW), (1.1, Severity.INFO)])
def test_answers_after_a_wait_are_most_likely_those_of_a_receive(seconds: float, severity: Severity) -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.send(ask_sealed(1))
    lan.wait(seconds)
    talk.answer(ERROR)
    finding = judge(lan).one(RULE)
    assert finding.severity is severity
    assert ("a Receive that waits" in finding.why) is (severity is Severity.INFO)


def test_both_sides_of_a_proxy_tell_it_once() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0), ERROR)
    assert judge(lan).one(RULE).exchanges == ("c1.x1",)


def test_success_and_empty_errors() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, ask_sealed(1), reply(500))
    assert judge(lan).found(RULE) == []
