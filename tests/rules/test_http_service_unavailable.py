from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.service-unavailable"


def test_the_server_s_own_503_in_the_middle_of_a_session() -> None:
    lan = Wire()
    talk = direct(lan)
    good = trip(talk, ask_sealed(0), sealed_reply(0))
    lan.wait(20)
    one = trip(talk, ask_sealed(1), reply(503, content=html("<title>Service Unavailable</title>")))

    finding = judge(lan).one(RULE)

    assert finding.title == "503: the WinRM service is not available on 10.20.2.20"
    assert finding.severity is Severity.HIGH
    assert packets(finding) == [*one]
    assert names(finding, one.answered, good.answered)
    assert "WinRM had answered on this connection 20.0 s before" in finding.why
    assert "proxy" not in finding.why + finding.advice


def test_nothing_worked_before() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(503))
    assert "WinRM had answered" not in judge(lan).one(RULE).why


def test_the_server_behind_a_proxy() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), reply(503))
    assert RULE in judge(lan).rules


def test_a_503_of_a_proxy() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(503).without("Server").plus(("Server", "squid")))
    assert judge(lan).found(RULE) == []


def test_a_server_that_serves() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_an_answer_that_names_no_product() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(503).without("Server"))
    finding = judge(lan).one(RULE)
    assert finding.title == "503: 10.20.2.20 is out of service"
    assert "cannot be told from this answer" in finding.why


def test_the_page_of_a_balancer() -> None:
    lan = Wire()
    page = html("<h1>503 Service Unavailable</h1> No server is available to handle this request.")
    trip(direct(lan), post(), reply(503, content=page).without("Server"))
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "http.gateway-error" in judged.rules
