import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import SHELL, asks, done, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.request-failed"


@pytest.mark.parametrize("code", [2150858755, 2150858883, 1726, 4711])
def test_any_other_fault_is_told_in_its_own_words(code: int) -> None:
    lan = Wire()
    one = trip(direct(lan), post(content=asks("Create")), fault(code, "The flux capacitor is empty."))

    finding = judge(lan).one(RULE)

    assert finding.title == "Request failed: The flux capacitor is empty."
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert f"fault {code} (0x{code:08X}" in finding.why


def test_a_fault_without_any_code() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(None, "", subcode="w:Whatever"))
    assert judge(lan).one(RULE).title == "Request failed: the fault Whatever"


def test_a_long_text_is_cut() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(4711, "word " * 200))
    finding = judge(lan).one(RULE)
    assert len(finding.title) < 70
    assert len(finding.why) < 900


def test_an_aborted_receive_of_a_shell_that_the_client_closes() -> None:
    lan = Wire()
    waiting, closing = direct(lan), direct(lan, port=50002)
    waiting.send(post(content=asks("Receive", shell_id=SHELL)))
    trip(closing, post(content=asks("Delete", shell_id=SHELL)), reply(200, content=done("Delete")))
    waiting.answer(fault(995))
    assert not {rule for rule in judge(lan).rules if rule.startswith("wsman.")}


def test_a_request_that_goes_well() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), reply(200, content=done()))
    assert judge(lan).found(RULE) == []
