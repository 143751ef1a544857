import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import offer
from tests.build.talk_proxy import direct, far_leg, handshake, near_leg, proxied_handshake
from tests.build.talk_tokens import Shake, handmade, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3

RULE = "auth.ntlm-anonymous-or-local"


def nobody(lm: bytes = b"\0") -> Shake:
    return handmade(ntlm1(), ntlm2(), ntlm3(b"", nt=b"", lm=lm))


def test_an_authenticate_message_without_a_user() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), nobody())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert packets(finding) == [last.asked]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x2", "c1.x3")
    assert finding.user is None
    assert names(finding, last.asked)
    assert "answered 200" in finding.why


def test_all_fields_empty() -> None:
    lan = Wire()
    handshake(direct(lan), nobody(lm=b""))
    assert judge(lan).one(RULE).severity is Severity.MEDIUM


def test_refused_it_is_low() -> None:
    lan = Wire()
    handshake(direct(lan), nobody(), last=offer())
    assert judge(lan).one(RULE).severity is Severity.LOW


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), nobody())
    assert judge(lan).one(RULE).connections == ("c1",)


def test_a_user_who_says_the_name() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("user", "nt", "lm"), [(b"", b"\x11" * 24, b""), (b"", b"", b"\x11" * 24), ("alice".encode("utf-16-le"), b"", b"")])
def test_a_response_or_a_name_is_somebodys(user: bytes, nt: bytes, lm: bytes) -> None:
    lan = Wire()
    handshake(direct(lan), handmade(ntlm1(), ntlm2(), ntlm3(user, nt=nt, lm=lm)))
    assert judge(lan).found(RULE) == []


def test_a_local_logon_over_the_loopback_interface() -> None:
    lan = Wire()
    handshake(lan.connect("127.0.0.1", 50001, "127.0.0.1", 5985), nobody())
    assert judge(lan).found(RULE) == []


def test_without_the_authenticate_message_nobody_knows() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), nobody())
    assert judge(lan, last=last.asked - 1).found(RULE) == []
