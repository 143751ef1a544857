import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.redirect"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_https(status: int) -> None:
    lan = Wire()
    one = trip(direct(lan), post(), reply(status, ("Location", "https://srv01:5986/wsman")))

    finding = judge(lan).one(RULE)

    assert finding.title == f"{status}: WinRM is redirected to https://srv01:5986/wsman"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert "It wants HTTPS." in finding.why


def test_a_redirect_between_powershell_endpoints_is_planned() -> None:
    lan = Wire()
    trip(direct(lan), post("/powershell"), reply(302, ("Location", "https://pod12.mail.example/powershell?x=1")))
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_a_redirect_without_a_place() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(302))
    assert "Its Location is missing." in judge(lan).one(RULE).why


def test_an_answer() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(200))
    assert judge(lan).found(RULE) == []
