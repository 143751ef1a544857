from analyzer.records.finding import Severity
from tests.build.talk_tls import TLS12, TLS13, Tape, client, server, shake
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets
from tests.rules.tlsing import PAPER, https, works

RULE = "tls.broken-off"


def flights(version: int) -> list[bytes]:
    tape = Tape()
    chosen = TLS12 if version == 12 else TLS13
    shake(tape, client(chosen, checks=False), server(PAPER, chosen))
    return tape.said


def test_the_server_ends_it_after_the_clients_last_message() -> None:
    said = flights(12)
    lan = Wire()
    talk = https(lan)
    talk.exchange(said[0], said[1])
    talk.send(said[2])
    ended = talk.reset_by_server()

    judged = judge(lan)
    finding = judged.one(RULE)

    assert judged.rules == {RULE}
    assert (finding.severity, finding.owner) == (Severity.MEDIUM, "server")
    assert finding.title == "TLS handshake with 10.20.2.20:5986 is ended by the server"
    assert names(finding, ended)
    assert packets(finding)[-1] == ended
    assert "after the client's last message" in finding.why
    assert "No alert can be read" in finding.why


def test_an_encrypted_alert_of_tls_1_3_shows_by_its_size() -> None:
    said = flights(13)
    lan = Wire()
    talk = https(lan)
    talk.exchange(said[0], said[1])
    talk.send(b"\x17\x03\x03\x00\x13" + bytes(range(19)))
    talk.close_by_client()
    finding = judge(lan).one(RULE)
    assert finding.owner == "client"
    assert "refuses the server's certificate ends it here" in finding.why
    assert "19 bytes, the size of an encrypted alert. Which one cannot be told without a key log" in finding.why


def test_a_handshake_that_stalls() -> None:
    said = flights(12)
    lan = Wire()
    talk = https(lan)
    talk.exchange(said[0], said[1])
    lan.wait(4)
    works(lan)
    finding = judge(lan).one(RULE)
    assert finding.owner == "network"
    assert finding.title == "TLS handshake with 10.20.2.20:5986 stalls"


def test_it_stalls_for_less_than_three_seconds() -> None:
    said = flights(12)
    lan = Wire()
    talk = https(lan)
    talk.exchange(said[0], said[1])
    lan.wait(2.9)
    assert judge(lan).found(RULE) == []


def test_lost_packets_are_not_taken_for_an_end() -> None:
    said = flights(12)
    lan = Wire(mss=400)
    talk = https(lan)
    talk.send(said[0])
    talk.answer(said[1][:200])
    talk.answer(said[1][200:400], captured=False)
    talk.answer(said[1][400:])
    talk.reset_by_server()
    assert judge(lan).found(RULE) == []


def test_tls_that_works_and_is_reset_later() -> None:
    lan = Wire()
    talk = https(lan)
    done = shake(talk, client(TLS13, trusts=PAPER), server(PAPER, TLS13))
    done.ends[0].tls.write(b"POST /wsman HTTP/1.1\r\n\r\n")
    talk.send(done.ends[0].outgoing.read())
    talk.reset_by_server(after=30.0)
    assert judge(lan).found(RULE) == []
