from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, IDENTIFY, offer, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.mixed-mode"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_a_sealed_and_a_readable_request_are_both_served() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    sealed = trip(talk, ask_sealed(0), sealed_reply(0))
    clear = trip(talk, post(content=soap()), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [*sealed, *clear]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x5", "c1.x4")
    assert finding.user == "LAB\\alice"
    assert names(finding, sealed.asked, clear.asked)


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    proxied(near, far, post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan).one(RULE).connections == ("c1",)


def test_a_client_that_was_refused_in_clear_and_seals_from_then_on() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=soap()), offer())
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_identify_is_meant_to_be_readable() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=IDENTIFY), reply(200))
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_one_connection_sealed_and_another_readable() -> None:
    lan = Wire()
    one, other = direct(lan), direct(lan, port=50002)
    handshake(one, ntlm())
    trip(one, ask_sealed(0), sealed_reply(0))
    trip(other, post(content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_a_capture_of_the_sealed_part_only() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    sealed = trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, post(content=soap()), FINE)
    assert judge(lan, last=sealed.answered).found(RULE) == []
