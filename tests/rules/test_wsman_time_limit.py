import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import SHELL, asks, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.time-limit"


TIMED_OUT = 2150858793


def test_an_operation_that_does_not_wait_by_design() -> None:
    lan = Wire()
    one = trip(direct(lan), post(content=asks("Command", shell_id=SHELL)), fault(TIMED_OUT, subcode="w:TimedOut"))
    finding = judge(lan).one(RULE)
    assert finding.title == "Command ran into its time limit on srv01.lab.example"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)


@pytest.mark.parametrize("code", [TIMED_OUT, None])
def test_a_receive_that_waits_is_answered_so_all_the_time(code: int | None) -> None:
    lan = Wire()
    talk = direct(lan)
    for number in range(3):
        trip(talk, post(content=asks("Receive", shell_id=SHELL, number=number)), fault(code, subcode="w:TimedOut"))
    assert not {rule for rule in judge(lan).rules if rule.startswith("wsman.")}


def test_a_time_out_that_is_too_short() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create", timeout="PT0.1S")), fault(2150858764))
    assert "ERROR_WSMAN_UNSUPPORTED_TIMEOUT" in judge(lan).one(RULE).why


def test_a_request_that_goes_well() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), reply(200))
    assert judge(lan).found(RULE) == []
