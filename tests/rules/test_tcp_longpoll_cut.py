from analyzer.records.finding import Severity
from tests.build.talk_http import offer, post, reply
from tests.build.talk_proxy import ALICE, Trip, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.longpoll-cut"


def cut(lan: Wire, place: int, waited: float, how: str = "reset") -> Trip:
    """A session whose second request waits and is cut off."""
    talk = direct(lan, port=50000 + place)
    handshake(talk, ntlm(number=place))
    trip(talk, ask_sealed(0), sealed_reply(0))
    asked = talk.send(ask_sealed(1))
    if how == "504":
        lan.wait(waited)
        return Trip(asked, talk.answer(reply(504)))
    return Trip(asked, talk.reset_by_server(waited) if how == "reset" else talk.close_by_server(waited))


def test_two_waiting_requests_are_reset_after_half_a_minute() -> None:
    lan = Wire()
    trips = [cut(lan, 1, 30), cut(lan, 2, 30.5)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.7)
    assert packets(finding) == sorted(number for one in trips for number in one)
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x5", "c2.x5"))
    assert finding.user == "LAB\\alice"
    assert names(finding, *trips[0])
    assert "were cut off (RST) after 30.0 s, 30.5 s" in finding.why


def test_the_gateway_gives_up() -> None:
    lan = Wire()
    for place in (1, 2):
        cut(lan, place, 60, "504")
    assert "were cut off (504) after 60.0 s" in judge(lan).one(RULE).why


def test_one_may_have_other_reasons() -> None:
    lan = Wire()
    cut(lan, 1, 30)
    assert judge(lan).found(RULE) == []


def test_times_that_differ() -> None:
    lan = Wire()
    cut(lan, 1, 30)
    cut(lan, 2, 75)
    assert judge(lan).found(RULE) == []


def test_a_short_wait() -> None:
    lan = Wire()
    for place in (1, 2):
        cut(lan, place, 10)
    assert judge(lan).found(RULE) == []


def test_a_client_that_gives_up_itself() -> None:
    lan = Wire()
    for place in (1, 2):
        talk = direct(lan, port=50000 + place)
        handshake(talk, ntlm(number=place))
        talk.send(ask_sealed(1))
        talk.close_by_client(30)
    assert judge(lan).found(RULE) == []


def test_requests_that_are_answered_in_the_end() -> None:
    lan = Wire()
    for place in (1, 2):
        talk = direct(lan, port=50000 + place)
        handshake(talk, ntlm(number=place))
        talk.send(ask_sealed(1))
        lan.wait(30)
        talk.answer(sealed_reply(1))
        talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_an_answer_that_was_not_captured() -> None:
    lan = Wire()
    for place in (1, 2):
        talk = direct(lan, port=50000 + place)
        handshake(talk, ntlm(number=place))
        talk.send(ask_sealed(1))
        talk.answer(sealed_reply(1), captured=False)
        talk.close_by_server(30)
    assert judge(lan).found(RULE) == []


def test_without_a_logon_nothing_waits() -> None:
    lan = Wire()
    for place in (1, 2):
        talk = lan.connect(ALICE, 50000 + place, "10.20.2.20", 5985)
        trip(talk, post(), offer())
        talk.send(ask_sealed(1))
        talk.close_by_server(30)
    assert judge(lan).found(RULE) == []
