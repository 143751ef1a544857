import pytest

from analyzer.records.finding import Severity
from tests.build.talk_tls import TLS12, TLS13, Tape, client, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names
from tests.rules.tlsing import PAPER, https, works

RULE = "tls.certificate-refused"
OLD = paper(days=(-800, -100))
OTHER_CA = paper(ca="Lab Root")


def test_an_unknown_authority() -> None:
    lan = Wire()
    talk = https(lan)
    done = shake(talk, client(TLS12), server(PAPER, TLS12))
    talk.close_by_client()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 1.0, "client")
    assert finding.title == "Client refuses the certificate of 10.20.2.20:5986: unknown_ca"
    assert names(finding, done.answered[0], done.asked[1])
    assert "CN=srv01.lab.example and is self-signed" in finding.why
    assert "valid by its dates" in finding.why
    assert "Trusted Root" in finding.advice


def test_an_issuer_is_named() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12), server(OTHER_CA, TLS12))
    talk.close_by_client()
    assert "issued by CN=Lab Root" in judge(lan).one(RULE).why


def test_an_expired_certificate_is_the_servers() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, trusts=OLD, dates=True), server(OLD, TLS12))
    talk.close_by_client()
    finding = judge(lan).one(RULE)
    assert finding.owner == "server"
    assert "certificate_expired (45;" in finding.why
    assert "expired on 2025-09-24, 100 days before" in finding.why
    assert "renew" in finding.advice


def test_a_wrong_name_is_told() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12), server(PAPER, TLS12), name="web.lab.example")
    talk.close_by_client()
    assert "not valid for web.lab.example, only for srv01.lab.example" in judge(lan).one(RULE).why


def test_tls_1_3_hides_the_certificate_not_this_alert() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS13), server(PAPER, TLS13))
    talk.close_by_client()
    finding = judge(lan).one(RULE)
    assert "unknown_ca" in finding.title
    assert "only a key log would show it" in finding.why


@pytest.mark.parametrize("flaw", [True, False])
def test_a_client_that_closes_at_the_certificate_without_a_word(flaw: bool) -> None:  # noqa: FBT001
    tape = Tape()
    shake(tape, client(TLS12, checks=False), server(OLD if flaw else OTHER_CA, TLS12))
    lan = Wire()
    talk = https(lan)
    talk.exchange(tape.said[0], tape.said[1])
    talk.close_by_client()
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.6
    assert finding.severity is (Severity.MEDIUM if flaw else Severity.LOW)
    assert finding.title == "Client closes TLS at the certificate of 10.20.2.20:5986"
    assert "without an alert" in finding.why


def test_a_handshake_at_the_end_of_the_capture_is_not_over() -> None:
    tape = Tape()
    shake(tape, client(TLS12, checks=False), server(OLD, TLS12))
    lan = Wire()
    https(lan).exchange(tape.said[0], tape.said[1])
    assert judge(lan).findings == ()


def test_a_client_that_goes_on() -> None:
    lan = Wire()
    works(lan)
    assert judge(lan).findings == ()
