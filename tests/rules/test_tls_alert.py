import pytest

from analyzer.records.finding import Severity
from analyzer.rules.tls._alerts import MEANINGS
from tests.build.talk_http import post, reply, sealed
from tests.build.talk_tls import TLS12, TLS13, Tape, client, exchange, hello, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.tlsing import PAPER, https

RULE = "tls.alert"


def alert(number: int, level: int = 2) -> bytes:
    return bytes([21, 3, 3, 0, 2, level, number])


def test_no_common_version() -> None:
    lan = Wire()
    talk = https(lan)
    done = shake(talk, client(TLS12), server(PAPER, TLS13))
    talk.close_by_server()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 1.0, "server")
    assert finding.title == "10.20.2.20:5986 refuses TLS: protocol_version"
    assert names(finding, done.answered[0])
    assert done.asked[0] in packets(finding)
    assert "offered TLS 1.2 and" in finding.why
    assert "enable TLS 1.2" in finding.advice


def test_no_common_cipher_suite() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, ciphers="AES128-SHA256"), server(PAPER, TLS12))
    talk.reset_by_server()
    finding = judge(lan).one(RULE)
    assert "handshake_failure" in finding.title
    assert "cipher suite" in finding.advice


def test_an_unknown_name_is_shown() -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(hello("www.lab.example"), alert(112))
    talk.close_by_server()
    assert "asked for the name www.lab.example" in judge(lan).one(RULE).why


def test_an_alert_of_the_client_is_told_as_the_clients() -> None:
    lan = Wire()
    talk = https(lan)
    talk.send(hello())
    talk.send(alert(80))
    talk.close_by_client()
    finding = judge(lan).one(RULE)
    assert finding.title == "Client ends TLS to 10.20.2.20:5986: internal_error"
    assert finding.owner == "client"


@pytest.mark.parametrize("number", [10, 20, 49, 86, 99, 121, 255])
def test_every_alert_has_a_meaning(number: int) -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(hello(), alert(number))
    talk.close_by_server()
    assert f"({number}; packet 5)" in judge(lan).one(RULE).why


def test_two_kinds_of_alerts_are_two_findings() -> None:
    lan = Wire()
    for port, number in ((50001, 40), (50002, 70), (50003, 40)):
        talk = https(lan, port)
        talk.exchange(hello(), alert(number))
        talk.close_by_server()
    assert [len(finding.connections) for finding in judge(lan).found(RULE)] == [2, 1]


def test_a_warning_with_which_tls_goes_on_is_none() -> None:
    tape = Tape()
    done = shake(tape, client(TLS12, trusts=PAPER), server(PAPER, TLS12))
    exchange(tape, done, post(content=sealed()).wire(), reply(200, content=sealed()).wire())
    lan = Wire()
    talk = https(lan)
    talk.exchange(tape.said[0], alert(112, 1) + tape.said[1])
    for asked, answered in zip(tape.said[2::2], tape.said[3::2], strict=True):
        talk.exchange(asked, answered)
    assert judge(lan).findings == ()


def test_a_farewell_is_none() -> None:
    lan = Wire()
    talk = https(lan)
    talk.exchange(hello(), alert(0, 1))
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_meanings_are_sentences() -> None:
    for meaning in MEANINGS.values():
        assert not meaning.means.endswith(".")
        assert meaning.remedy.endswith(".")
