import pytest

from analyzer.records.finding import Severity
from tests.build.talk_proxy import PROXY, PROXY_FAR, SERVER
from tests.build.talk_tls import hello
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.tlsing import https, works

RULE = "tls.ended-at-hello"


def test_the_server_resets_at_the_client_hello() -> None:
    lan = Wire()
    sent, ended = [], []
    for port in (50001, 50002, 50003):
        talk = https(lan, port)
        sent.append(talk.send(hello()))
        ended.append(talk.reset_by_server())

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "server")
    assert finding.title == "TLS to 10.20.2.20:5986 is reset at the ClientHello"
    assert packets(finding) == sorted((*sent, *ended))
    assert names(finding, sent[0], ended[0])
    assert "3 connections" in finding.why
    assert "srv01.lab.example" in finding.why
    assert "TLS 1.3" in finding.why


def test_a_close_is_told_as_one() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.close_by_server()
    finding = judge(lan).one(RULE)
    assert finding.title == "TLS to 10.20.2.20:5986 is closed at the ClientHello"
    assert "(FIN)" in finding.why


def test_other_connections_that_work_are_told() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.reset_by_server()
    works(lan)
    assert "TLS came up on 1 other connection" in judge(lan).one(RULE).why


def test_in_a_tunnel_the_server_that_connect_names_is_named() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, PROXY, 3128)
    talk.exchange(b"CONNECT srv01.lab.example:5986 HTTP/1.1\r\nHost: srv01.lab.example:5986\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
    talk.send(hello())
    talk.reset_by_server()
    assert judge(lan).one(RULE).title == "TLS to srv01.lab.example:5986 is reset at the ClientHello"


def test_tls_that_a_proxy_passes_on_is_one_finding_about_the_server() -> None:
    lan = Wire()
    near = lan.connect("10.10.1.11", 50001, PROXY, 5986)
    said = hello()
    near.send(said)
    far = lan.connect(PROXY_FAR, 40001, SERVER, 5986)
    far.send(said)
    far.reset_by_server()
    near.reset_by_server()
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c2", "c1")
    assert SERVER in finding.title


def test_a_healthy_connection() -> None:
    lan = Wire()
    works(lan)
    assert judge(lan).findings == ()


def test_a_client_that_ends_it_itself_says_nothing_of_the_server() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.reset_by_client()
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("port", [443, 8443])
def test_tls_on_other_ports_is_no_winrm(port: int) -> None:
    lan = Wire()
    talk = https(lan, to=port)
    talk.send(hello())
    talk.reset_by_server()
    assert judge(lan).findings == ()
