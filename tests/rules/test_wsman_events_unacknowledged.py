"""Deliveries of events without an acknowledgement: refused, answered otherwise, or ended before; sent again or not."""

import pytest

from analyzer.engine.work import told
from analyzer.records.finding import Severity
from tests.build.forwarding import FAULT, MACHINE, ack, delivery, envelope, event, source_talk, tell
from tests.build.talks import Wire
from tests.golden.claims import wrong
from tests.rules.judging import Judged, judge

RULE = "wsman.events-unacknowledged"
REFUSAL = (
    "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail>"
    '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858804"/></s:Detail></s:Fault>'
)


def test_the_connection_ended_first_and_all_came_again() -> None:
    lan = Wire()
    talk = source_talk(lan)
    asked, _ = tell(talk, delivery([event(1), event(2)]), None)
    talk.close_by_server(after=0.01)
    again, _ = tell(source_talk(lan, 50002), delivery([event(1), event(2)]), ack())
    judged = judge(lan)
    (finding,) = judged.found(RULE)
    assert finding.severity is Severity.LOW
    assert f"{MACHINE} sent 1 message to 10.10.1.21 that the collector did not acknowledge" in finding.why
    assert f"The first, packet {asked}, brought 2 events; no answer came before the connection ended." in finding.why
    assert f"The events were sent again, first in packet {again}." in finding.why
    assert list(wrong(told(judged.evidence), finding)) == []


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (envelope(FAULT, REFUSAL), 500, "fault 2150858804 came back"),
        ("", 503, "HTTP status 503 came back"),
        ("", 200, "the answer has no acknowledgement"),
    ],
)
def test_something_else_came_back(answer: str, status: int, words: str) -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([event(1)]), answer, status=status)
    (finding,) = judge(lan).found(RULE)
    assert finding.severity is Severity.MEDIUM
    assert words in finding.why
    assert "They were not sent again in this capture." in finding.why


def test_what_is_acknowledged() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, delivery([], kind="Heartbeat"), ack())
    tell(talk, delivery([event(1)], number=2), ack(2))
    assert judge(lan).found(RULE) == []


def test_what_does_not_ask() -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([event(1)], ask=False), "", status=202)
    assert judge(lan).found(RULE) == []


def test_the_capture_ended_first() -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([event(1)]), None)
    assert judge(lan).found(RULE) == []


def test_the_answer_is_not_in_the_capture() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, delivery([event(1)]), None)
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", captured=False)
    tell(talk, delivery([event(2)], number=2), ack(2))
    assert judge(lan).found(RULE) == [], "it was sent, and nobody captured it"


def test_a_heartbeat_alone_is_low() -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([], kind="Heartbeat"), "", status=503)
    (finding,) = judge(lan).found(RULE)
    assert finding.severity is Severity.LOW
    assert "brought a heartbeat" in finding.why


def tries(*batches: tuple[list[int], bool]) -> Judged:
    """Batches with these records, each on its own connection, acknowledged or not."""
    lan = Wire()
    for number, (records, answered) in enumerate(batches, 1):
        talk = source_talk(lan, 50000 + number)
        tell(talk, delivery([event(record) for record in records], number=number), ack(number) if answered else None)
        talk.close_by_server(after=0.01)
    return judge(lan)


def told_of(judged: Judged) -> tuple[Severity, str]:
    (finding,) = judged.found(RULE)
    assert list(wrong(told(judged.evidence), finding)) == []
    return finding.severity, finding.why


def test_sent_again_with_others() -> None:
    severity, why = told_of(tries(([1, 2], False), ([1, 2, 3], True)))
    assert severity is Severity.LOW
    assert "The events were sent again, first in packet" in why


def test_sent_again_in_two() -> None:
    severity, why = told_of(tries(([1, 2], False), ([1], True), ([2], True)))
    assert severity is Severity.LOW
    assert "The events were sent again, first in packet" in why


def test_sent_three_times() -> None:
    severity, why = told_of(tries(([1, 2], False), ([1, 2], False), ([1, 2], True)))
    assert severity is Severity.LOW
    assert "sent 2 messages" in why
    assert "Together they brought 2 events. The events were sent again, first in packet" in why


def test_sent_again_and_not_acknowledged_either() -> None:
    severity, why = told_of(tries(([1, 2], False), ([1, 2], False)))
    assert severity is Severity.MEDIUM
    assert "Together they brought 2 events. The events of 1 of them were sent again" in why


def test_some_sent_again() -> None:
    severity, why = told_of(tries(([1, 2], False), ([1], True)))
    assert severity is Severity.MEDIUM
    assert "That all of them were sent again cannot be seen in this capture." in why
