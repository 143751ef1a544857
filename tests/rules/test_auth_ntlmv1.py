import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, offer, post
from tests.build.talk_proxy import direct, far_leg, handshake, near_leg, proxied_handshake, trip
from tests.build.talk_tokens import Shake, basic, handmade, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3

RULE = "auth.ntlmv1"
USER, DOMAIN = "alice".encode("utf-16-le"), "LAB".encode("utf-16-le")


def old(lm: bytes = b"\x22" * 24, nt: bytes = b"\x11" * 24) -> Shake:
    return handmade(ntlm1(), ntlm2(), ntlm3(USER, DOMAIN, nt=nt, lm=lm))


def test_a_response_of_24_bytes() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), old())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == [last.asked]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x2", "c1.x3")
    assert finding.user == "LAB\\alice"
    assert names(finding, last.asked)
    assert "It was accepted" in finding.why


@pytest.mark.parametrize(("lm", "version"), [(b"\x22" * 24, "ntlmv1"), (b"\x22" * 8 + bytes(16), "ntlmv1-ess")])
def test_both_kinds_are_told_apart(lm: bytes, version: str) -> None:
    lan = Wire()
    handshake(direct(lan), old(lm=lm), last=offer())
    finding = judge(lan).one(RULE)
    assert f"with {version}." in finding.why
    assert "None of them was accepted" in finding.why


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), old())
    assert judge(lan).one(RULE).connections == ("c1",)


def test_ntlmv2_is_as_it_should_be() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_longer_response_is_ntlmv2() -> None:
    lan = Wire()
    handshake(direct(lan), old(nt=b"\x11" * 16 + b"\x01\x01" + bytes(60)))
    assert judge(lan).found(RULE) == []


def test_basic_is_another_rules() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic()), offer())
    assert judge(lan).found(RULE) == []


def test_without_the_authenticate_message_nobody_knows() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), old())
    assert judge(lan, last=last.asked - 1).found(RULE) == []
