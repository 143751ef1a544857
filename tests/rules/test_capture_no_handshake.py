from analyzer.records.finding import Severity
from tests.build.talk_http import offer
from tests.build.talk_proxy import ALICE, SERVER, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "capture.no-handshake"


def test_the_capture_began_too_late() -> None:
    lan = Wire()
    trip(lan.connect(ALICE, 50001, SERVER, 5985, syn=False), ask_sealed(5), sealed_reply(5))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1]
    assert finding.connections == ("c1",)
    assert names(finding, 1)
    assert "1 connection of 10.10.1.11 to 10.20.2.20:5985 carries encrypted messages, but no logon that was accepted" in finding.why
    assert "and began before the capture" in finding.why


def test_one_finding_for_a_client() -> None:
    lan = Wire()
    for port in (50001, 50002):
        trip(lan.connect(ALICE, port, SERVER, 5985, syn=False), ask_sealed(port), sealed_reply(port))
    assert judge(lan).one(RULE).connections == ("c1", "c2")


def test_the_handshake_is_there() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_sealed_request_on_a_new_connection_that_is_refused() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), offer())
    assert judge(lan).found(RULE) == []


def test_a_request_without_an_answer() -> None:
    lan = Wire()
    direct(lan).send(ask_sealed(0))
    assert judge(lan).found(RULE) == []
