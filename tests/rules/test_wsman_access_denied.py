import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import asks, done, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, handshake, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.access-denied"


@pytest.mark.parametrize("code", [5, 0x80070005, 0x80041003, 0x80338104])
def test_a_logon_that_may_not_do_this(code: int) -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm("alice"))
    one = trip(talk, post(content=asks("Create")), fault(code, "Access is denied.", subcode="w:AccessDenied"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert f"fault {code} (0x{code:08X}, " in finding.why
    assert 'The server says: "Access is denied."' in finding.why
    assert "so its password is not the cause" in finding.why
    assert "alice" in finding.title
    assert "srv01.lab.example" in finding.title


def test_without_a_logon_in_the_capture_nothing_is_said_of_the_password() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(5))
    assert "password" not in judge(lan).one(RULE).why


def test_the_plug_in_s_own_code_is_what_counts() -> None:
    lan = Wire()
    trip(
        direct(lan),
        post(content=asks("Get", uri="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service")),
        fault(0x80338083, inner=5),
    )
    assert "inside it 5 (0x00000005)" in judge(lan).one(RULE).why


def test_a_subcode_without_a_code() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(None, subcode="wsman:AccessDenied"))
    assert "the fault AccessDenied" in judge(lan).one(RULE).why


def test_many_are_one_finding() -> None:
    lan = Wire()
    talk = direct(lan)
    for number in range(3):
        trip(talk, post(content=asks("Create", number=number)), fault(5))
    assert judge(lan).one(RULE).why.startswith("3 Create requests for cmd of")


def test_a_request_that_goes_well() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), reply(200, content=done()))
    assert judge(lan).found(RULE) == []


def test_another_fault() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Create")), fault(2150859173))
    assert judge(lan).found(RULE) == []
