from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, post, sealed
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.framing-nonconformant"


def odd(number: int, old: bytes = b"Length=600", new: bytes = b"Length=500", target: str = "/wsman") -> Ask:
    """A sealed request of which one thing is written otherwise; lengths stay as they are."""
    content = sealed(number)
    return post(target, content=content._replace(body=content.body.replace(old, new, 1)))


def test_a_part_without_a_delimiter_behind_it() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    found = trip(talk, odd(0), sealed_reply(0))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.8)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x4",))
    assert names(finding, found.asked)
    assert "1 encrypted body on c1" in finding.why
    assert "(Microsoft WinRM Client) does not follow the specification: part 1: no delimiter after its 500 bytes" in finding.why


def test_a_client_is_one_finding() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    for number in range(3):
        trip(talk, odd(number), sealed_reply(number))
    assert "3 encrypted bodies on c1" in judge(lan).one(RULE).why


def test_the_specifications_own_framing() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_missing_tab_is_common() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, odd(0, b"\tContent-Type", b" Content-Type"), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, odd(0, target=ABSOLUTE), sealed_reply(0))
    assert judge(lan).one(RULE).connections == ("c1",)
