from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.forbidden"


PAGE = html("<title>403 - Forbidden</title><body>Your address is not allowed.</body>")


def test_the_server_forbids_it() -> None:
    lan = Wire()
    one = trip(direct(lan), post(), reply(403, content=PAGE))

    finding = judge(lan).one(RULE)

    assert finding.title == "403: the server forbids WinRM requests for /wsman"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert 'It goes on: "403 - Forbidden Your address is not allowed.".' in finding.why
    assert "IPv4Filter" in finding.advice


def test_a_firewall_in_front_of_it() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(403, content=PAGE).without("Server").plus(("Server", "BigIP")))
    finding = judge(lan).one(RULE)
    assert finding.title.startswith("403: the proxy forbids")
    assert "web application firewall" in finding.advice


def test_the_server_behind_a_proxy() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), reply(403))
    assert judge(lan).one(RULE).title.startswith("403: the server")


def test_a_proxy_that_is_asked_for_another_host_has_a_rule_of_its_own() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(403, content=PAGE))
    assert judge(lan).found(RULE) == []


def test_an_answer() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(200))
    assert judge(lan).found(RULE) == []
