import pytest

from analyzer.engine.work import told
from analyzer.records.finding import Severity
from analyzer.rules.catalogue import rules
from tests.build.talk_http import SOAP, Ask, Content, post, reply, soap
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.client-gave-up"


def session(lan: Wire, number: int = 1) -> Talk:
    talk = direct(lan, port=50000 + number)
    handshake(talk, ntlm(number=number))
    trip(talk, ask_sealed(0), sealed_reply(0))
    return talk


def receive(timeout: str) -> Ask:
    """A readable Receive that lets the server wait."""
    text = (
        soap("Receive")
        .body.decode()
        .replace("</s:Header>", f"<w:OperationTimeout xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'>{timeout}</w:OperationTimeout></s:Header>")
    )
    return post(content=Content(SOAP, text.encode()))


def test_the_client_closes_again_and_again_after_the_same_time() -> None:
    lan = Wire()
    asked, ended = [], []
    for number in (1, 2):
        talk = session(lan, number)
        asked.append(talk.send(ask_sealed(1)))
        talk.acked_by_server()
        ended.append(talk.close_by_client(33.3))
        lan.wait(1)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.LOW, 0.8, "client")
    assert packets(finding) == sorted([*asked, *ended])
    assert names(finding, asked[0], ended[0])
    assert "twice, after 33.3 s" in finding.why
    assert "OperationTimeout of the request cannot be read" in finding.why


def test_the_operation_timeout_is_longer_than_the_client_waits() -> None:
    lan = Wire()
    for port in (50001, 50002):
        talk = direct(lan, port=port)
        talk.send(receive("PT1M"))
        talk.acked_by_server()
        talk.close_by_client(20)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.95)
    assert "a Receive request" in finding.why
    assert "lets the server wait 60 s (OperationTimeout)" in finding.why


def test_once_after_an_uneven_time_may_be_a_person() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_client(13.3)
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_once_after_an_even_time_is_a_limit() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_client(30)
    assert judge(lan).one(RULE).severity is Severity.LOW


def test_a_client_that_closes_at_once_is_not_counted() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_client(4)
    assert judge(lan).found(RULE) == []


def test_a_client_that_is_done_is_fine() -> None:
    lan = Wire()
    session(lan).close_by_client(30)
    assert judge(lan).found(RULE) == []


def test_a_long_poll_that_is_answered_is_fine() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(receive("PT60S"))
    lan.wait(59)
    talk.answer(reply(200, content=soap()))
    talk.close_by_client(30)
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("even", [5, 10, 15, 20, 30, 40, 45, 60, 90, 100, 120, 180, 240, 300, 600])
@pytest.mark.parametrize(("off", "severity"), [(0.399, "low"), (0.401, "info"), (-0.399, "low"), (-0.401, "info")])
def test_once_after_what_people_set(even: int, off: float, severity: str) -> None:
    """Less than five seconds is not told."""
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_client(even + off)
    assert [found.severity.value for found in judge(lan).found(RULE)] == ([severity] if even + off >= 5 else [])


def test_what_the_client_sends_later_fails_so_nobody_ended_its_program() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.close_by_client(13.3)
    lan.wait(1)
    again = direct(lan, port=50002)
    handshake(again, ntlm(number=2))
    trip(again, ask_sealed(2), reply(400))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "was answered with an error (c2.x4)" in finding.why


@pytest.mark.parametrize(("least_s", "found"), [(32.001, True), (32.002, False)])
def test_a_wait_as_long_as_the_threshold_counts(least_s: float, *, found: bool) -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1))
    talk.acked_by_server()
    talk.close_by_client(32)
    evidence = judge(lan).evidence
    (own,) = (rule for rule in rules() if rule.id == RULE)
    (waited,) = (one.waited_ns for one in evidence.unanswered)
    assert waited == 32_001_000_000
    assert bool(list(own.find(told(evidence), {"waited_s": least_s}))) is found
