import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import offer
from tests.build.talk_proxy import direct, far_leg, handshake, near_leg, proxied_handshake
from tests.build.talk_tokens import Shake, handmade, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3, ntlmv2_response

RULE = "enc.weak-seal"
SEAL, ESS, KEY_128, KEY_56 = 0x20, 0x80000, 0x20000000, 0x80000000


def with_flags(flags: int) -> Shake:
    return handmade(ntlm1(), ntlm2(), ntlm3("alice".encode("utf-16-le"), "LAB".encode("utf-16-le"), nt=ntlmv2_response(bytes(4)), flags=0x40000201 | flags))


def test_a_key_of_56_bits() -> None:
    lan = Wire()
    *_, last = handshake(direct(lan), with_flags(SEAL | ESS | KEY_56))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 1.0)
    assert packets(finding) == [last.asked]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x3",))
    assert finding.user == "LAB\\alice"
    assert names(finding, last.asked)
    assert "agreed on encryption with a key of 56 bits" in finding.why


@pytest.mark.parametrize(("flags", "what"), [(SEAL | ESS, "a key of 40 bits"), (SEAL | KEY_128, "no extended session security")])
def test_weaker_ones(flags: int, what: str) -> None:
    lan = Wire()
    handshake(direct(lan), with_flags(flags))
    assert what in judge(lan).one(RULE).why


@pytest.mark.parametrize("flags", [SEAL | ESS | KEY_128, SEAL | ESS | KEY_128 | KEY_56, ESS | KEY_56])
def test_128_bits_or_no_sealing(flags: int) -> None:
    lan = Wire()
    handshake(direct(lan), with_flags(flags))
    assert judge(lan).found(RULE) == []


def test_a_refused_logon_seals_nothing() -> None:
    lan = Wire()
    handshake(direct(lan), with_flags(SEAL | ESS), last=offer())
    assert judge(lan).found(RULE) == []


def test_live_handshakes() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    handshake(direct(lan, port=50002), kerberos())
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), with_flags(SEAL | ESS))
    assert judge(lan).one(RULE).connections == ("c1",)
