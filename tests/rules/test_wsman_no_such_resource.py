import pytest

from analyzer.records.finding import Severity
from tests.build.cim import WMI, cim_talk, transfer
from tests.build.talk_faults import asks, done, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.no-such-resource"


CODES = [2150858752, 2150858811, 2147749904]


@pytest.mark.parametrize("code", CODES)
def test_a_fault_of_this_kind(code: int) -> None:
    lan = Wire()
    one = trip(direct(lan), post(content=asks("Create")), fault(code, "No."))

    finding = judge(lan).one(RULE)

    assert finding.title == "srv01.lab.example does not have cmd"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert f"fault {code} (0x{code:08X}, " in finding.why


def test_selectors_of_a_class_are_no_shell() -> None:
    lan = Wire()
    told = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Detail>"
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858843"/></s:Detail></s:Fault>'
    )
    transfer(cim_talk(lan), "Get", f"{WMI}root/cimv2/Win32_Service", "", told, [("Name", "nosuch")], 500)
    judged = judge(lan)
    finding = judged.one(RULE)
    assert "The selectors name no instance that the server knows." in finding.why
    assert "shell" not in finding.advice
    assert judged.found("wsman.shell-gone") == []


def test_a_later_success_makes_it_low() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=asks("Create")), fault(CODES[0]))
    trip(talk, post(content=asks("Create", number=2)), reply(200, content=done()))
    assert judge(lan).one(RULE).severity is Severity.LOW


def test_a_subcode_without_a_code() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(None, subcode="w:InvalidSelectors"))
    assert "the fault InvalidSelectors" in judge(lan).one(RULE).why


def test_a_request_that_goes_well() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), reply(200, content=done()))
    assert judge(lan).found(RULE) == []


def test_another_fault() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(5))
    assert judge(lan).found(RULE) == []
