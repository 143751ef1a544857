from analyzer.records.finding import Severity
from tests.build.talk_http import Content, offer, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import Shake, basic, handmade, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3, ntlmv2_response

RULE = "enc.no-seal-negotiated"
SEAL = 0x20
WITHOUT = 0xE2888215
FINE = reply(200, content=soap("CreateResponse", 2))


def shake(flags: int) -> Shake:
    user, domain = "alice".encode("utf-16-le"), "LAB".encode("utf-16-le")
    return handmade(ntlm1(), ntlm2(), ntlm3(user, domain, nt=ntlmv2_response(bytes(4)), flags=flags))


def test_a_handshake_without_sealing_and_a_body_after_it() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, shake(WITHOUT))
    body = trip(talk, post(content=soap()), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [last.asked, *body]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x2", "c1.x3", "c1.x4")
    assert finding.user == "LAB\\alice"
    assert names(finding, last.asked, body.asked)


def test_a_body_in_the_last_request_of_the_handshake() -> None:
    lan = Wire()
    handshake(direct(lan), shake(WITHOUT), content=soap(), last=FINE)
    assert "1 request with a body followed" in judge(lan).one(RULE).why


def test_bodies_before_the_handshake_was_over_are_no_bodies_after_it() -> None:
    lan = Wire()
    talk, own = direct(lan), shake(WITHOUT)
    trip(talk, post("/wsman", own.credentials(0), content=soap()), own.challenge())
    trip(talk, post("/wsman", own.credentials(1)), reply(200))
    assert judge(lan).found(RULE) == []


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    content: Content = soap()
    proxied_handshake(near_leg(lan), far_leg(lan), shake(WITHOUT), content=content, last=FINE)
    assert judge(lan).one(RULE).connections == ("c1",)


def test_a_handshake_with_sealing() -> None:
    lan = Wire()
    for port, own in ((50001, shake(WITHOUT | SEAL)), (50002, ntlm())):
        talk = direct(lan, port=port)
        handshake(talk, own)
        trip(talk, post(content=soap(number=port)), FINE)
    assert judge(lan).found(RULE) == []


def test_a_logon_that_carries_nothing() -> None:
    lan = Wire()
    handshake(direct(lan), shake(WITHOUT))
    assert judge(lan).found(RULE) == []


def test_a_logon_that_is_refused() -> None:
    lan = Wire()
    handshake(direct(lan), shake(WITHOUT), content=soap(), last=offer())
    assert judge(lan).found(RULE) == []


def test_mechanisms_without_that_flag() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, kerberos())
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(direct(lan, port=50002), post("/wsman", basic(), content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_without_the_last_message_nobody_knows() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, shake(WITHOUT))
    trip(talk, post(content=soap()), FINE)
    assert judge(lan, first=last.answered).found(RULE) == []
