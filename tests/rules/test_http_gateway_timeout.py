import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import SHELL, asks, done
from tests.build.talk_http import html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, forwarded, near_leg, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.gateway-timeout"


PAGE = html("<title>504 Gateway Time-out</title>")
ERROR = reply(504, content=PAGE).without("Server").plus(("Server", "awselb/2.0"))


def test_a_receive_that_waited_too_long_for_the_gateway() -> None:
    lan = Wire()
    talk = direct(lan)
    good = trip(talk, post(content=asks("Create")), reply(200, content=done()))
    asked = talk.send(post(content=asks("Receive", shell_id=SHELL, timeout="PT1M30S")))
    lan.wait(60)
    answered = talk.answer(ERROR)

    finding = judge(lan).one(RULE)

    assert finding.title == "Gateway gave up on a waiting Receive after 60 s (504)"
    assert finding.severity is Severity.HIGH
    assert packets(finding) == [asked, answered]
    assert names(finding, answered, good.answered)
    assert "by its OperationTimeout of 90 s at the latest" in finding.why
    assert "(60 s) points to a configured timeout" in finding.why
    assert "The server had answered on this connection before" in finding.why
    assert "could not reach" not in finding.why + finding.advice
    assert "idle_timeout" in finding.settings[0].text
    assert finding.settings[0].seen


def test_a_request_that_cannot_be_read() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.send(ask_sealed(1))
    lan.wait(30)
    talk.answer(ERROR)
    finding = judge(lan).one(RULE)
    assert finding.title == "Gateway gave up waiting for a response after 30 s (504)"
    assert "What the request was cannot be read." in finding.why


def test_the_first_request_of_a_connection_leaves_it_open_whether_the_server_was_reached() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(ask_sealed(0))
    lan.wait(30)
    talk.answer(ERROR)
    finding = judge(lan).one(RULE)
    assert "Whether the server was reached cannot be told from this side." in finding.why
    assert finding.advice.startswith("Check whether the gateway reaches the server at all")


@pytest.mark.parametrize(("seconds", "found"), [(4.9, False), (5.1, True)])
def test_an_answer_at_once_is_no_time_out(seconds: float, *, found: bool) -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(ask_sealed(0))
    lan.wait(seconds)
    talk.answer(ERROR)
    judged = judge(lan)
    assert bool(judged.found(RULE)) is found
    assert bool(judged.found("http.gateway-error")) is not found


def test_both_sides_have_a_rule_of_their_own() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1)
    near.send(asked)
    far.send(forwarded(asked))
    lan.wait(60)
    near.answer(ERROR)
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "http.gateway-error" in judged.rules


def test_a_503_of_the_server_after_a_wait() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(ask_sealed(0))
    lan.wait(20)
    talk.answer(reply(503))
    assert judge(lan).found(RULE) == []
