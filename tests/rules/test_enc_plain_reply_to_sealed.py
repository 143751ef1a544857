from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, html, post, reply, soap
from tests.build.talk_proxy import Trip, ask_sealed, direct, far_leg, handshake, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.plain-reply-to-sealed"
READABLE = reply(200, content=soap("http://schemas.xmlsoap.org/ws/2004/09/transfer/CreateResponse", 2))


def sealed_then(lan: Wire, answered: Reply) -> Trip:
    talk = direct(lan)
    handshake(talk, ntlm())
    return trip(talk, ask_sealed(0), answered)


def test_the_answer_to_a_sealed_request_is_readable() -> None:
    lan = Wire()
    one = sealed_then(lan, READABLE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x4",)
    assert finding.user == "LAB\\alice"
    assert names(finding, *one)
    assert "answered 200 with CreateResponse" in finding.why


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), READABLE)
    assert judge(lan).one(RULE).connections == ("c1",)


def test_a_sealed_answer() -> None:
    lan = Wire()
    sealed_then(lan, sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_readable_answer_to_a_readable_request() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), READABLE)
    assert judge(lan).found(RULE) == []


def test_an_error_may_be_readable() -> None:
    lan = Wire()
    sealed_then(lan, READABLE._replace(status=500))
    assert judge(lan).found(RULE) == []


def test_a_page_is_another_rules() -> None:
    lan = Wire()
    sealed_then(lan, reply(200, content=html()))
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "http.non-wsman-reply" in judged.rules


def test_an_answer_without_a_body() -> None:
    lan = Wire()
    sealed_then(lan, reply(200))
    assert judge(lan).found(RULE) == []


def test_without_the_request_nobody_knows() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(ask_sealed(0), captured=False)
    talk.answer(READABLE)
    assert judge(lan).found(RULE) == []
