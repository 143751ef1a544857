from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.zero-window"


def session(lan: Wire) -> Talk:
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    return talk


def test_the_server_closes_its_window_and_never_opens_it_again() -> None:
    lan = Wire()
    talk = session(lan)
    asked = talk.send(ask_sealed(1, size=50_000).wire()[:20_000])
    closed = talk.acked_by_server(window=0)
    again = talk.acked_by_server(window=0, after=40)
    ended = talk.reset_by_client(35)

    done = judge(lan)
    finding = done.one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.95, "server")
    assert packets(finding) == [asked, closed, again, ended]
    assert names(finding, asked, closed, again, ended)
    assert "window 0 from packet" in finding.why
    assert not {"tcp.client-gave-up", "tcp.silent-drop", "tcp.path-mtu"} & done.rules
    assert {issue.code for issue in done.evidence.issues} == {"http.body-unsent", "http.no-response"}


def test_a_server_that_reads_again_made_its_client_wait() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1, size=5000))
    talk.acked_by_server(window=0)
    talk.acked_by_server(after=12)
    talk.answer(sealed_reply(1))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "opened the window again after 12.0 s" in finding.why


def test_a_moment_is_ordinary() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1, size=5000))
    talk.acked_by_server(window=0)
    talk.acked_by_server(after=9)
    talk.answer(sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_the_window_of_a_reset_says_nothing() -> None:
    lan = Wire()
    talk = session(lan)
    lan.put(talk.server, talk.client, 0x14, window=0)
    lan.wait(60)
    lan.put(talk.server, talk.client, 0x14, window=0)
    assert judge(lan).found(RULE) == []
