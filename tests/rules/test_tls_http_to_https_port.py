import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import html, offer, post, reply
from tests.build.talks import Wire
from tests.rules.judging import judge, names
from tests.rules.tlsing import https

RULE = "tls.http-to-https-port"
NGINX = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>"


def test_the_server_ends_it_without_a_byte() -> None:
    lan = Wire()
    talk = https(lan)
    sent = talk.send(post())
    ended = talk.reset_by_server()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.7, "client")
    assert finding.title == "HTTP sent to 10.20.2.20:5986, an HTTPS port"
    assert names(finding, sent, ended)


@pytest.mark.parametrize("port", [5986, 8443])
def test_the_server_answers_with_an_alert(port: int) -> None:
    lan = Wire()
    talk = https(lan, to=port)
    talk.send(post("/wsman", ("Authorization", "Basic YTpi")))
    talk.answer(b"\x15\x03\x01\x00\x02\x02\x46")
    talk.close_by_server()
    judged = judge(lan)
    finding = judged.one(RULE)
    assert finding.confidence == 1.0
    assert judged.rules == {RULE, "auth.basic-cleartext"}
    assert "protocol_version" in finding.why
    assert "Basic credentials traveled in clear" in finding.why
    assert "http.lost-framing" not in {issue.code for issue in judged.evidence.issues}


@pytest.mark.parametrize("page", [NGINX, "Client sent an HTTP request to an HTTPS server.\n"])
def test_a_page_says_so(page: str) -> None:
    lan = Wire()
    talk = https(lan, to=8443)
    talk.exchange(post(), reply(400, content=html(page)))
    talk.close_by_server()
    judged = judge(lan)
    assert judged.rules == {RULE}
    assert "page says" in judged.one(RULE).why


def test_another_400_is_no_sign() -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(post(), reply(400, content=html()))
    assert judge(lan).found(RULE) == []


def test_a_server_that_speaks_http_on_5986() -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(post(), offer())
    talk.close_by_server()
    assert judge(lan).found(RULE) == []
