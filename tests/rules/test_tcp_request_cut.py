from analyzer.records.finding import Severity
from tests.build.talk_proxy import (
    ask_sealed,
    direct,
    far_leg,
    handshake,
    near_leg,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.request-cut"


def session(lan: Wire) -> Talk:
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    return talk


def test_the_server_resets_while_a_request_waits() -> None:
    lan = Wire()
    talk = session(lan)
    asked, ended = talk.send(ask_sealed(1)), talk.reset_by_server(12)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "server")
    assert packets(finding) == [asked, ended]
    assert names(finding, asked, ended)
    assert "The server 10.20.2.20:5985 reset the connection" in finding.why
    assert "had waited 12.0 s for its answer" in finding.why


def test_the_server_closes_while_a_request_waits() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_server(12)
    assert "The server 10.20.2.20:5985 closed the connection" in judge(lan).one(RULE).why


def test_a_device_is_not_called_the_server() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.reset_by_server(12, ttl=250)
    done = judge(lan)
    (finding,) = done.found(RULE)
    assert "A device on the path reset the connection" in finding.why
    assert finding.owner == "network"
    assert RULE not in done.rules  # tcp.device-reset tells it
    assert "tcp.device-reset" in done.rules


def test_a_request_that_crosses_the_servers_fin_is_low() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(2)
    talk.close_by_server(answered=False)
    talk.send(ask_sealed(1))
    talk.reset_by_server()
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.owner) == (Severity.LOW, "client")
    assert "The other side was closing the connection when the client sent" in finding.why


def test_a_fin_that_does_not_acknowledge_the_request_crossed_it() -> None:
    lan = Wire()
    talk = session(lan)
    talk.server.received, had = talk.client.sequence, talk.client.sequence
    talk.send(ask_sealed(1))
    talk.server.received = had
    talk.close_by_server(answered=False)
    assert judge(lan).one(RULE).severity is Severity.LOW


def test_the_side_of_a_proxy_that_only_followed_is_not_told() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    near.send(ask_sealed(1))
    far.send(ask_sealed(1))
    far.reset_by_server(15)
    near.reset_by_server()
    finding = judge(lan).one(RULE)
    assert finding.connections == ("c2",)
    assert "The server 10.20.2.20:5985 reset" in finding.why


def test_an_answer_that_was_not_captured_is_no_cut() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.answer(sealed_reply(1), captured=False)
    talk.reset_by_server(12)
    assert judge(lan).found(RULE) == []


def test_a_client_that_closes_after_its_answer_is_fine() -> None:
    lan = Wire()
    session(lan).close_by_client()
    assert judge(lan).found(RULE) == []
