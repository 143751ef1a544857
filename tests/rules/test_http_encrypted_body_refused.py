from analyzer.records.finding import Severity
from tests.build.talk_http import html, reply
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.encrypted-body-refused"


def test_the_body_of_a_lost_connection() -> None:
    lan = Wire()
    old, new = direct(lan), direct(lan, port=50002)
    sent = old.send(ask_sealed(3))
    one = trip(new, ask_sealed(3), reply(400))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.LOW
    assert packets(finding) == sorted((sent, *one))
    assert names(finding, one.answered, sent)
    assert "The same encrypted body had been sent before on c1" in finding.why


def test_a_number_that_goes_on_from_an_older_logon() -> None:
    lan = Wire()
    old, new = direct(lan), direct(lan, port=50002)
    before = trip(old, ask_sealed(2), sealed_reply(2))
    one = trip(new, ask_sealed(3), reply(400))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "has the sequence number 3, although it is the first on this connection" in finding.why
    assert names(finding, one.answered, before.asked)


def test_a_logon_that_was_never_used() -> None:
    lan = Wire()
    old = direct(lan)
    handshake(old, ntlm("alice"))
    old.reset_by_server()
    trip(direct(lan, port=50002), ask_sealed(0), reply(400))
    judged = judge(lan)
    (finding,) = judged.found(RULE)
    assert "nothing encrypted was sent there after it" in finding.why
    assert RULE not in judged.rules  # what ended the connection explains it


def test_the_reason_cannot_be_told() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, ask_sealed(1), reply(400))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "cannot be told from here" in finding.why


def test_a_page_says_why_itself() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), reply(400, content=html("<title>Bad Request</title>")))
    assert judge(lan).found(RULE) == []


def test_an_answer() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []
