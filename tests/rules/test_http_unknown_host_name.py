from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, forwarded, near_leg, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.unknown-host-name"


PAGE = html("<TITLE>Bad Request - Invalid Hostname</TITLE><p>HTTP Error 400. The request hostname is invalid.</p>")


def test_the_page_of_windows_web_server() -> None:
    lan = Wire()
    one = trip(direct(lan), post(), reply(400, content=PAGE))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.HIGH
    assert finding.title == "400: the server has no listener for srv01.lab.example:5985"
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert 'Its page says "Bad Request - Invalid Hostname".' in finding.why
    assert "proxy" not in finding.why + finding.advice


def test_a_proxy_that_writes_another_name() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    far.send(forwarded(asked).without("Host").plus(("Host", "backend:5985")))
    far.answer(reply(400, content=PAGE))
    near.answer(reply(400, content=PAGE))
    finding = judge(lan).one(RULE)
    assert "The proxy sent backend:5985 to the server instead." in finding.why
    assert "Let the proxy pass the client's Host field on." in finding.advice


def test_a_misdirected_request() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(421))
    assert judge(lan).one(RULE).title.startswith("421: ")


def test_a_400_for_another_reason() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(400, content=html("<title>Bad Request</title>")))
    assert judge(lan).found(RULE) == []
