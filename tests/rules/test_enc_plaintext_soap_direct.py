from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, IDENTIFY, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.plaintext-soap-direct"
FINE = reply(200, content=soap("CreateResponse", 2))


def test_clear_soap_straight_to_the_server() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    one = trip(talk, post(content=soap()), FINE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x4",)
    assert finding.user == "LAB\\alice"
    assert names(finding, one.asked)
    assert "readable SOAP. Asked for: Create" in finding.why


def test_the_media_type_tells_it_where_the_body_itself_is_not_captured() -> None:
    lan = Wire()
    talk = direct(lan)
    head, end, body = post(content=soap(size=2000)).wire().partition(b"\r\n\r\n")
    asked = talk.send(head + end)
    talk.send(body, captured=False)
    talk.answer(reply(200))
    assert packets(judge(lan).one(RULE))[0] == asked


def test_a_short_envelope_that_is_not_captured_may_be_an_identify() -> None:
    lan = Wire()
    talk = direct(lan)
    head, end, body = post(content=soap()).wire().partition(b"\r\n\r\n")
    talk.send(head + end)
    talk.send(body, captured=False)
    talk.answer(reply(200))
    assert judge(lan).found(RULE) == []


def test_a_proxied_path_is_another_rules() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), FINE)
    assert judge(lan).found(RULE) == []


def test_sealed_bodies_are_not_readable() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_identify_is_anonymous_by_design() -> None:
    lan = Wire()
    trip(direct(lan), post(content=IDENTIFY), reply(200))
    assert judge(lan).found(RULE) == []


def test_empty_requests_carry_nothing() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_capture_that_ends_before_the_first_request_says_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, ntlm())
    trip(talk, post(content=soap()), FINE)
    assert judge(lan, last=last.answered).found(RULE) == []
