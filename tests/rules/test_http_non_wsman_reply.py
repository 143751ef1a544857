import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Content, html, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, far_leg, handshake, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.non-wsman-reply"


def test_a_page_instead_of_a_message() -> None:
    lan = Wire()
    one = trip(near_leg(lan), ask_sealed(1, ABSOLUTE), reply(200, content=html()))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1",)
    assert finding.user is None
    assert names(finding, one.answered)
    assert "The body is text/html" in finding.why
    assert 'Its page says "Error".' in finding.why
    assert finding.title == "WinRM is answered with a page: Error"


@pytest.mark.parametrize("content", [html(), Content("application/json", b'{"error":1}'), Content("text/plain", b"no")])
def test_any_other_type(content: Content) -> None:
    lan = Wire()
    trip(direct(lan), post(content=soap()), reply(202, content=content))
    assert f"The body is {content.media}" in judge(lan).one(RULE).why


def test_both_legs_tell_it_once() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), reply(200, content=html()))
    finding = judge(lan).one(RULE)
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert "1 request had been forwarded to the server" in finding.why


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 407, 411, 413, 500, 502, 503, 504])
def test_statuses_that_say_why_themselves(status: int) -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(status, content=html()))
    assert judge(lan).found(RULE) == []


def test_messages_sealed_and_clear() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, post(content=soap()), reply(200, content=soap("CreateResponse", 2)))
    assert judge(lan).found(RULE) == []


def test_an_answer_without_a_body() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), reply(200))
    assert judge(lan).found(RULE) == []


def test_a_get_for_a_look_and_another_path() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, Ask("GET", WSMAN, (("Host", "srv01"),)), reply(405, content=html()))
    trip(talk, post("/other", basic()), reply(404, content=html()))
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_response_that_is_not_captured() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(ask_sealed(1))
    talk.answer(reply(200, content=html()), captured=False)
    assert judge(lan).found(RULE) == []
