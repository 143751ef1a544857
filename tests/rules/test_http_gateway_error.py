import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, html, post, reply
from tests.build.talk_proxy import CLIENT_LEG, PROXY_FAR, UPSTREAM_LEG, ask_sealed, direct, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.gateway-error"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_the_proxy_answers_without_the_server(status: int) -> None:
    lan = Wire()
    one = trip(near_leg(lan), post(ABSOLUTE), reply(status, ("Via", "1.1 proxy"), content=html()).without("Server"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1",)
    assert finding.user is None
    assert names(finding, one.answered)
    assert f"with {status} of its own" in finding.why
    assert ABSOLUTE in finding.why


def test_a_request_that_went_on_and_was_never_answered() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    far.send(forwarded(asked))
    far.reset_by_server()
    near.answer(reply(502, content=html()))
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c1", "c2")
    assert "1 request was forwarded to the server. On c2 the server ended the connection before it answered (packet" in finding.why
    assert finding.advice.startswith("Look at WinRM's event log on the server for restarts")
    assert finding.title == "Proxy 10.10.1.1 answers 502 for a server that it reached"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_request_that_did_not_go_on_makes_one_look_at_the_way_there(status: int) -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(status, content=html()).without("Server"))
    assert judge(lan).one(RULE).advice.startswith("Check from the proxy's host that name resolution")


def test_a_server_that_answers_too_late() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.send(ask_sealed(1, ABSOLUTE))
    far.send(forwarded(ask_sealed(1, ABSOLUTE)))
    lan.wait(30)
    near.answer(reply(504, content=html()))
    lan.wait(2)
    far.answer(sealed_reply(1))
    finding = judge(lan).one(RULE)
    assert "The server answered 200 2.0 s after the proxy had given up (packet" in finding.why
    assert "did answer, but only after the proxy had given up" in finding.advice
    assert "listener" not in finding.advice


def test_a_server_that_says_nothing() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.send(ask_sealed(1, ABSOLUTE))
    far.send(forwarded(ask_sealed(1, ABSOLUTE)))
    lan.wait(30)
    near.answer(reply(504, content=html()))
    far.close_by_client()
    finding = judge(lan).one(RULE)
    assert "The server did not answer c2.x1 in 30.0 s." in finding.why
    assert "Name resolution and listener are fine" in finding.advice


def test_an_answer_that_the_proxy_did_not_pass_on() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1), back=reply(502, content=html()))
    finding = judge(lan).one(RULE)
    assert "The server answered 200 before the proxy's own answer (packet" in finding.why
    assert finding.advice.startswith("Look into the proxy's log and error page for what it did not accept")


def test_connect_that_fails() -> None:
    lan = Wire()
    trip(near_leg(lan), Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"),)), reply(503, content=html()))
    assert "for srv01:5986" in judge(lan).one(RULE).why


def test_a_gateway_without_other_traces_is_less_certain() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(504, content=html()))
    assert judge(lan).one(RULE).confidence == 0.7


def test_a_503_of_the_server_that_the_proxy_passed_on() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), reply(503))
    assert judge(lan).found(RULE) == []


def test_a_503_of_the_server_itself() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(503))
    assert judge(lan).found(RULE) == []


def test_an_error_of_the_server_is_none_of_a_gateway() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(500))
    assert judge(lan).found(RULE) == []


def test_other_sites_behind_the_proxy() -> None:
    lan = Wire()
    trip(near_leg(lan), post("http://www.lab.example/", ("Authorization", "Basic eDp5")), reply(502, content=html()))
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_it() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    far.send(forwarded(asked))
    near.answer(reply(504, content=html()))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
    assert len(judge(lan, hosts=CLIENT_LEG).found(RULE)) == 1


def test_a_response_that_is_not_captured() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.send(post(ABSOLUTE))
    near.answer(reply(502, content=html()), captured=False)
    assert judge(lan).found(RULE) == []


def test_a_chain_of_two_proxies_of_which_the_second_gives_up() -> None:
    lan = Wire()
    near, middle = near_leg(lan), lan.connect(PROXY_FAR, 40001, "10.20.2.9", 8080)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    middle.send(asked.plus(("Via", "1.1 proxy")))
    middle.answer(reply(502, content=html()).without("Server"))
    near.answer(reply(502, ("Via", "1.1 proxy"), content=html()).without("Server"))
    finding = judge(lan).one(RULE)
    assert finding.title == "Proxy 10.20.2.9 answers 502 in place of the server"
    assert finding.exchanges == ("c1.x1", "c2.x1")
