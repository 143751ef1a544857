import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import html, post, reply, sealed
from tests.build.talk_tls import client, exchange, hello, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.tlsing import PAPER, https

RULE = "tls.https-to-http-port"


@pytest.mark.parametrize("port", [5985, 47001, 5986])
def test_the_server_answers_in_clear(port: int) -> None:
    lan = Wire()
    talk = https(lan, to=port)
    sent, answered = talk.exchange(hello(), reply(400, content=html()))
    talk.close_by_server()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 1.0, "client")
    assert finding.title == f"HTTPS sent to 10.20.2.20:{port}, an HTTP port"
    assert names(finding, sent, answered)
    assert "HTTP/1.1 400 Status of Microsoft-HTTPAPI/2.0" in finding.why
    assert "5986" in finding.advice


def test_a_reset_at_the_http_port() -> None:
    lan = Wire()
    talk = https(lan, to=5985)
    talk.send(hello())
    ended = talk.reset_by_server()
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.8
    assert ended in packets(finding)


def test_nothing_comes_at_the_http_port() -> None:
    lan = Wire()
    talk = https(lan, to=5985)
    talk.send(hello())
    talk.close_by_client(after=8.0)
    assert judge(lan).one(RULE).confidence == 0.8


def test_a_server_that_speaks_tls_on_5985() -> None:
    lan = Wire()
    talk = https(lan, to=5985)
    done = shake(talk, client(trusts=PAPER), server(PAPER))
    exchange(talk, done, post(content=sealed()).wire(), reply(200, content=sealed()).wire())
    assert judge(lan).findings == ()
