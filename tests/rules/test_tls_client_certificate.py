import pytest

from analyzer.records.finding import Severity
from tests.build.talk_tls import TLS12, TLS13, client, exchange, hello, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names
from tests.rules.tlsing import PAPER, https

RULE = "tls.client-certificate"
OLD = paper("alice", days=(-800, -100))


def test_a_missing_certificate() -> None:
    lan = Wire()
    talk = https(lan)
    done = shake(talk, client(TLS12, checks=False), server(PAPER, TLS12, asks=PAPER))
    talk.close_by_server()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 1.0, "client")
    assert finding.title == "10.20.2.20:5986 wants a client certificate, none was sent"
    assert names(finding, done.answered[-1])
    assert "empty list" in finding.why


def test_one_that_the_server_refuses_is_described() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, checks=False, own=OLD), server(PAPER, TLS12, asks=PAPER))
    talk.close_by_server()
    finding = judge(lan).one(RULE)
    assert finding.title == "10.20.2.20:5986 refuses the client's certificate"
    assert "CN=alice, self-signed, and expired 2025-09-24" in finding.why


@pytest.mark.parametrize("own", [None, OLD])
def test_tls_1_3_shows_it_by_sizes(own: "object") -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS13, checks=False, own=OLD if own else None), server(PAPER, TLS13, asks=PAPER))
    talk.reset_by_server()
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.7
    assert "By the sizes of encrypted records" in finding.why
    assert "size of an encrypted alert" in finding.why
    assert ("none was sent" in finding.title) is (own is None)


def test_certificate_required_says_it() -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(hello(), bytes([21, 3, 3, 0, 2, 2, 116]))
    talk.close_by_server()
    assert "none was sent" in judge(lan).one(RULE).title


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_one_that_is_taken(version: int) -> None:
    lan = Wire()
    talk = https(lan)
    chosen = TLS12 if version == TLS12 else TLS13
    done = shake(talk, client(chosen, trusts=PAPER, own=PAPER), server(PAPER, chosen, asks=PAPER))
    exchange(talk, done, b"POST /wsman HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
    assert judge(lan).findings == ()
