import os
from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import IDENTIFY, WSMAN, offer, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, judge_files, names, packets

RULE = "auth.unencrypted-refused"


def test_the_request_that_ends_the_handshake_fails() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), ntlm(), content=soap(), last=reply(500))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [*last]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x3",)
    assert finding.user == "LAB\\alice"
    assert names(finding, last.asked)
    assert "status 500" in finding.why


@pytest.mark.parametrize("status", [401, 500])
def test_a_request_after_the_handshake_is_refused(status: int) -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    one = trip(talk, post(content=soap()), reply(status))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.9
    assert packets(finding) == [*one]


def test_a_401_to_the_last_message_may_be_a_wrong_password_as_well() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), content=soap(), last=offer())
    assert judge(lan).one(RULE).confidence == 0.6


def test_clear_bodies_all_along_the_handshake_count_once_at_its_end() -> None:
    lan = Wire()
    talk, shake = direct(lan), ntlm()
    trip(talk, post(content=soap()), offer())
    trip(talk, post(WSMAN, shake.credentials(0), content=soap()), shake.challenge())
    trip(talk, post(WSMAN, shake.credentials(1), content=soap()), reply(500))
    assert judge(lan).one(RULE).exchanges == ("c1.x3",)


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), content=soap(), last=reply(500))
    assert judge(lan).one(RULE).connections == ("c1",)


def test_a_server_that_serves_clear_requests() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), reply(500))
    trip(talk, post(content=soap(number=2)), reply(200, content=soap("CreateResponse", 3)))
    assert judge(lan).found(RULE) == []


def refused_then_served(times: int) -> Wire:
    lan = Wire()
    for number in range(times):
        handshake(direct(lan, port=50001 + number), ntlm(number=number), content=soap(), last=offer())
    handshake(direct(lan, port=50009), ntlm(number=9), content=soap(), last=reply(200, content=soap("CreateResponse", 3)))
    return lan


def test_clear_requests_are_allowed_later() -> None:
    finding = judge(refused_then_served(3)).one(RULE)
    assert finding.confidence == 0.6
    assert finding.connections == ("c1", "c2", "c3")
    assert "answered 3 clear-text requests of 10.10.1.11" in finding.why
    assert "From c4.x3 on, packet " in finding.why
    assert "No clear-text request" not in finding.why
    assert finding.title == "Server 10.20.2.20:5985 refused unencrypted requests before packet 35"


def test_what_is_refused_to_the_end_is_told_in_the_present() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), content=soap(), last=offer())
    assert judge(lan).one(RULE).title == "Server 10.20.2.20:5985 refuses unencrypted requests"


def test_a_wrong_password_or_two_and_then_the_right_one() -> None:
    assert judge(refused_then_served(2)).found(RULE) == []


def test_what_is_refused_after_clear_requests_were_served_has_another_reason() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm(), content=soap(), last=reply(200, content=soap("CreateResponse", 3)))
    for number in range(1, 5):
        handshake(direct(lan, port=50001 + number), ntlm(number=number), content=soap(), last=offer())
    assert judge(lan).found(RULE) == []


PACKER = Path(os.environ.get("WINRM_CAPTURES", ""), "jborean93+github-misc", "wireshark.pcapng")


@pytest.mark.captures
@pytest.mark.skipif(not PACKER.is_file(), reason="WINRM_CAPTURES names no folder with the capture of Packer")
def test_packer_before_its_server_allowed_clear_text() -> None:
    """A real one: Packer's first 21 logons are refused whatever the password; then AllowUnencrypted is set, and it is served."""
    finding = judge_files([PACKER]).one(RULE)
    assert len(finding.exchanges) == 21
    assert "answered 21 clear-text requests" in finding.why
    assert "such requests are served" in finding.why


def test_a_soap_fault_is_an_answer() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), reply(500, content=soap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", 2)))
    assert judge(lan).found(RULE) == []


def test_a_sealed_request_fails_for_another_reason() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), reply(500))
    assert judge(lan).found(RULE) == []


def test_the_bare_401_at_the_beginning() -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), offer())
    assert judge(lan).found(RULE) == []


def test_the_challenge_to_a_clear_request_is_no_refusal() -> None:
    lan = Wire()
    shake = ntlm()
    trip(direct(lan), post(WSMAN, shake.credentials(0), content=soap()), shake.challenge())
    assert judge(lan).found(RULE) == []


def test_basic_has_no_keys_to_seal_with() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic(), content=soap()), offer('Basic realm="WSMAN"'))
    assert judge(lan).found(RULE) == []


def test_identify_is_no_request_of_substance() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=IDENTIFY), reply(500))
    assert judge(lan).found(RULE) == []


def test_without_the_response_nobody_knows() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(post(content=soap()))
    assert judge(lan).found(RULE) == []
