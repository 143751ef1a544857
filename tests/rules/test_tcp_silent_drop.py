from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.silent-drop"


def session(lan: Wire, port: int = 50001) -> Talk:
    talk = direct(lan, port=port)
    handshake(talk, ntlm(number=port))
    trip(talk, ask_sealed(0, size=4000), sealed_reply(0))
    return talk


def test_a_request_after_a_pause_is_never_acknowledged() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(300)
    asked = talk.lost(ask_sealed(1), tries=4)
    ended = talk.reset_by_client(10)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.85, "network")
    assert packets(finding) == [asked, *range(asked + 1, asked + 4), ended]
    assert names(finding, asked, ended)
    assert "No packet passed on c1 for 300.0 s" in finding.why
    assert "4 times within 3.0 s. They were never acknowledged." in finding.why
    assert "the path forgot the connection during the silence, or the server is gone" in finding.why
    assert "not in the capture" not in finding.why


def test_a_new_connection_that_works_shows_that_the_server_was_up() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(250)
    talk.lost(ask_sealed(1))
    talk.reset_by_client(5)
    lan.wait(1)
    session(lan, 50002)
    why = judge(lan).one(RULE).why
    assert "A new connection to the same place was answered (c2)" in why
    assert "server is gone" not in why
    assert "Azure Load Balancer and NAT gateway (240 s)" in why


def test_without_a_pause_no_idle_limit_is_blamed() -> None:
    lan = Wire()
    talk = session(lan)
    talk.lost(ask_sealed(1))
    finding = judge(lan).one(RULE)
    assert finding.title == "Packets to 10.20.2.20:5985 are never acknowledged"
    assert "forgot" not in finding.why
    assert "candidates" not in finding.why


def test_two_tries_may_still_be_answered() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(300)
    talk.lost(ask_sealed(1), tries=2)
    assert judge(lan).found(RULE) == []


def test_a_retransmission_that_arrives_is_fine() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(300)
    talk.lost(ask_sealed(1))
    talk.server.received = talk.client.sequence
    talk.answer(sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_the_clients_direction_alone_tells_nothing() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(300)
    asked = talk.lost(ask_sealed(1))
    assert judge(lan, first=asked).found(RULE) == []


def record(kind: int, size: int) -> bytes:
    """A TLS record."""
    return bytes((kind, 3, 3)) + size.to_bytes(2, "big") + bytes((1 if kind == 22 else 7,)) * size


def test_data_inside_tls_is_told_without_a_key() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5986)
    talk.exchange(record(22, 300), record(22, 900))
    talk.exchange(record(23, 700), record(23, 500))
    lan.wait(300)
    asked = talk.lost(record(23, 600))
    finding = judge(lan).one(RULE)
    assert names(finding, asked)
    assert "605 bytes of data inside TLS" in finding.why
    assert "No packet passed on c1 for 300.0 s" in finding.why


def test_the_alert_that_closes_a_tls_session_is_no_request() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.11", 50001, "10.20.2.20", 5986)
    talk.exchange(record(22, 300), record(22, 900))
    talk.exchange(record(23, 700), record(23, 500))
    lan.wait(300)
    talk.lost(record(21, 26))
    assert judge(lan).found(RULE) == []
