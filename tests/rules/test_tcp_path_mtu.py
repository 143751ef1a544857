from analyzer.records.finding import Severity
from tests.build.talk_proxy import ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.path-mtu"


def session(lan: Wire) -> Talk:
    """A logon and small messages: nothing fills a segment."""
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0, size=300), sealed_reply(0))
    return talk


def test_full_segments_are_never_acknowledged_while_the_server_lives() -> None:
    lan = Wire()
    talk = session(lan)
    asked = talk.lost(ask_sealed(1, size=20_000))
    heard = talk.acked_by_server()

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence, finding.owner) == (Severity.MEDIUM, 0.85, "network")
    assert {asked} <= set(packets(finding))
    assert names(finding, asked, heard)
    assert "a segment of 1,460 bytes 5 times" in finding.why
    assert "Segments of up to 810 bytes were acknowledged" in finding.why
    assert finding.title == "Large packets to 10.20.2.20 do not get through (path MTU)"


def test_a_router_tells_the_next_mtu() -> None:
    lan = Wire()
    talk = session(lan)
    asked = talk.lost(ask_sealed(1, size=1000))
    told = lan.icmp("10.10.1.254", 3, 4, mtu=1400)
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.95
    assert names(finding, asked, told)
    assert "10.10.1.254 reported ICMP type 3 code 4, fragmentation needed" in finding.why
    assert "The next hop takes 1,400 bytes" in finding.why


def test_responses_too() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1, size=300))
    talk.client, talk.server = talk.server, talk.client
    sent = talk.lost(sealed_reply(1, size=9000))
    talk.client, talk.server = talk.server, talk.client
    lan.put(talk.client, talk.server, 0x10)
    finding = judge(lan).one(RULE)
    assert names(finding, sent)
    assert finding.title == "Large packets to 10.10.1.11 do not get through (path MTU)"


def test_a_server_that_is_silent_since_may_be_lost_itself() -> None:
    lan = Wire()
    session(lan).lost(ask_sealed(1, size=20_000))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.7
    assert "(path MTU), or that host was lost at this moment" in finding.why


def test_after_a_pause_a_silent_server_shows_no_mtu() -> None:
    lan = Wire()
    talk = session(lan)
    lan.wait(60)
    talk.lost(ask_sealed(1, size=20_000))
    done = judge(lan)
    assert done.found(RULE) == []
    assert "tcp.silent-drop" in done.rules


def test_a_small_segment_is_not_too_large() -> None:
    lan = Wire()
    session(lan).lost(ask_sealed(1, size=400))
    done = judge(lan)
    assert done.found(RULE) == []
    assert "tcp.silent-drop" in done.rules


def test_a_response_is_repeated_until_the_client_closes() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1, size=300))
    talk.client, talk.server = talk.server, talk.client
    sent = talk.lost(sealed_reply(1, size=9000))
    talk.client, talk.server = talk.server, talk.client
    talk.close_by_client(5, answered=False)
    assert names(judge(lan).one(RULE), sent)


def test_a_segment_no_larger_than_others_that_passed_is_lost_for_another_reason() -> None:
    lan = Wire()
    talk = session(lan)
    trip(talk, ask_sealed(1, size=20_000), sealed_reply(1))
    talk.lost(ask_sealed(2, size=20_000))
    talk.acked_by_server()
    done = judge(lan)
    assert done.found(RULE) == []
    assert "so only this direction is broken" in done.one("tcp.silent-drop").why


def test_two_tries_are_too_few() -> None:
    lan = Wire()
    talk = session(lan)
    talk.lost(ask_sealed(1, size=20_000), tries=2)
    talk.acked_by_server()
    assert judge(lan).found(RULE) == []


def test_large_uploads_that_pass_are_fine() -> None:
    lan = Wire()
    talk = session(lan)
    trip(talk, ask_sealed(1, size=90_000), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_at_the_client_the_beginning_of_the_answer_never_came() -> None:
    lan = Wire()
    talk = session(lan)
    asked = talk.send(ask_sealed(1, size=300))
    whole = sealed_reply(1, size=4000).wire()
    had = talk.client.received
    talk.answer(whole[:2920], captured=False)
    came = talk.answer(whole[2920:])
    talk.client.received = had
    ended = talk.close_by_client(20, answered=False)
    finding = judge(lan).one(RULE)
    assert (finding.confidence, finding.title) == (0.7, "Large packets to 10.10.1.11 do not get through (path MTU)")
    assert names(finding, came, ended)
    assert asked < came
    assert "2,920 bytes that the server 10.20.2.20:5985 sent on c1 never came" in finding.why


def test_a_hole_that_the_client_acknowledged_is_the_captures() -> None:
    lan = Wire()
    talk = session(lan)
    talk.send(ask_sealed(1, size=300))
    whole = sealed_reply(1, size=4000).wire()
    talk.answer(whole[:2920], captured=False)
    talk.answer(whole[2920:])
    talk.close_by_client(20)
    assert judge(lan).found(RULE) == []
