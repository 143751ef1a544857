from analyzer.records.finding import Severity
from tests.build.talk_proxy import ALICE
from tests.build.talk_tls import hello
from tests.build.talks import ACK, Wire
from tests.rules.judging import judge, names, packets
from tests.rules.tlsing import https, works

RULE = "tls.unanswered"


def test_a_client_hello_that_is_acknowledged_and_not_answered() -> None:
    lan = Wire()
    talk = https(lan)
    sent = talk.send(hello())
    lan.put(talk.server, talk.client, ACK)
    closed = talk.close_by_client(after=10.0)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "server")
    assert finding.title == "10.20.2.20:5986 never answers the ClientHello"
    assert names(finding, sent)
    assert closed in packets(finding)
    assert "10.0 s" in finding.why
    assert "acknowledged all of it" in finding.why


def test_one_that_is_lost_is_the_networks() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.reset_by_client(after=10.0)
    finding = judge(lan).one(RULE)
    assert finding.owner == "network"
    assert "acknowledged 0 of" in finding.why


def test_two_seconds_are_too_short_to_tell() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.close_by_client(after=2.0)
    assert judge(lan).found(RULE) == []


def test_the_end_of_the_capture_may_have_cut_the_answer() -> None:
    lan = Wire()
    https(lan).send(hello())
    assert judge(lan).found(RULE) == []


def test_a_capture_that_goes_on_shows_that_nothing_came() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    lan.wait(5)
    works(lan)
    assert "No data of the server followed for 5.0 s" in judge(lan).one(RULE).why


def test_without_the_servers_direction_nothing_is_said() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.answer(b"\x16\x03\x03\0\x04\x02\0\0\0", captured=False)
    talk.close_by_client(after=9.0, answered=False)
    judged = judge(lan, hosts=(ALICE,))
    assert judged.found(RULE) == []
