from analyzer.records.finding import Severity
from tests.build.talk_http import post
from tests.build.talk_proxy import ALICE, SERVER, ask_sealed, direct, far_leg, near_leg, proxied_handshake
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.test_tcp_client_gave_up import receive, session

RULE = "tcp.never-answered"


def later(lan: Wire, seconds: float) -> None:
    """The capture goes on for so long."""
    lan.wait(seconds)
    lan.refused(ALICE, 50999, SERVER, 445)


def test_the_operation_timeout_passed_long_ago() -> None:
    lan = Wire()
    talk = direct(lan)
    asked = talk.send(receive("PT20S"))
    talk.acked_by_server()
    later(lan, 51)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.9, "server")
    assert packets(finding) == [asked]
    assert names(finding, asked)
    assert "acknowledged a Receive request on c1" in finding.why
    assert "It had waited 51.0 s when the capture ended" in finding.why
    assert "lets the server wait 20 s only" in finding.why


def test_the_client_gives_up_after_its_operation_timeout() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(receive("PT20S"))
    talk.acked_by_server()
    ended = talk.close_by_client(30)
    done = judge(lan)
    assert names(done.one(RULE), ended)
    assert "tcp.client-gave-up" not in done.rules


def test_a_body_that_cannot_be_read_waits_for_long() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.acked_by_server()
    later(lan, 205)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.6)
    assert "60 s is usual" in finding.why


def test_a_capture_that_ends_while_a_long_poll_waits_is_fine() -> None:
    for ask, seconds in ((receive("PT60S"), 89), (ask_sealed(1), 199), (post(), 100)):
        lan = Wire()
        talk = session(lan)
        talk.send(ask)
        talk.acked_by_server()
        later(lan, seconds)
        assert judge(lan).found(RULE) == []


def test_a_request_that_was_not_acknowledged_is_no_silence_of_the_server() -> None:
    lan = Wire()
    session(lan).send(ask_sealed(1))
    later(lan, 300)
    assert judge(lan).found(RULE) == []


def test_of_two_sides_of_a_proxy_the_server_is_told() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    near.send(ask_sealed(1))
    near.acked_by_server()
    far.send(ask_sealed(1))
    far.acked_by_server()
    later(lan, 300)
    assert judge(lan).one(RULE).connections == ("c2",)
