from analyzer.records.finding import Severity
from tests.build.talk_tls import TLS12, TLS13, client, paper, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names
from tests.rules.tlsing import PAPER, https, works

RULE = "tls.unused"
PLAIN = paper(ca="Lab Root")


def test_a_client_that_leaves_at_a_wrong_name() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, checks=False), server(PLAIN, TLS12), name="other.lab.example")
    closed = talk.close_by_client()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "client")
    assert names(finding, closed)
    assert "not valid for other.lab.example" in finding.why


def test_without_a_flaw_it_is_a_note_and_twice_it_is_low() -> None:
    found = []
    for times in (1, 2):
        lan = Wire()
        for port in range(50001, 50001 + times):
            talk = https(lan, port)
            shake(talk, client(TLS13, checks=False), server(PLAIN, TLS13))
            talk.reset_by_client()
        finding = judge(lan).one(RULE)
        assert "cannot be told from the packets" in finding.why
        found.append(finding.severity)
    assert found == [Severity.INFO, Severity.LOW]


def test_a_client_that_gets_through_only_looked() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, checks=False), server(PAPER, TLS12))
    talk.close_by_client()
    works(lan)
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_a_server_that_closes_an_idle_connection() -> None:
    lan = Wire()
    talk = https(lan)
    shake(talk, client(TLS12, checks=False), server(PAPER, TLS12))
    talk.close_by_server(after=120.0)
    assert judge(lan).findings == ()


def test_a_healthy_connection() -> None:
    lan = Wire()
    works(lan)
    assert judge(lan).found(RULE) == []
