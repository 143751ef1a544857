from analyzer.records.finding import Severity
from tests.build.talk_http import html, post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.length-required"


def test_a_client_that_sends_no_length() -> None:
    lan = Wire()
    one = trip(direct(lan), post().without("Content-Length"), reply(411, content=html("<title>Length Required</title>")))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.HIGH
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert "The request in this capture has no Content-Length." in finding.why
    assert finding.advice.startswith("Let the client send Content-Length")


def test_a_length_that_got_lost_on_the_way() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(411))
    finding = judge(lan).one(RULE)
    assert "has Content-Length: 0, so something between here and the server took it away" in finding.why
    assert finding.advice.startswith("Find the device")


def test_an_empty_request_with_a_length_that_is_accepted() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(200))
    assert judge(lan).found(RULE) == []
