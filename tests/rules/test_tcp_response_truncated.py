from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, reply, sealed
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, direct, far_leg, forwarded, handshake, near_leg
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.response-truncated"
LONG = reply(200, content=sealed(7, size=4000))
CUT = LONG.wire()[:2000]


def test_the_proxy_cuts_what_the_server_sent_whole() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = near.send(ask_sealed(1, ABSOLUTE))
    far_asked, far_answered = far.exchange(forwarded(ask_sealed(1, ABSOLUTE)), LONG)
    answered = near.answer(CUT)
    rst = near.reset_by_server()

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [asked, far_asked, far_answered, answered, rst]
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert names(finding, answered, rst)
    assert f"declared {len(LONG.body):,} bytes" in finding.why
    assert "On the server side the same response is complete, so the proxy cut it" in finding.why


def test_one_leg_shows_the_cut_but_not_who_made_it() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    asked, answered = talk.exchange(ask_sealed(1), CUT)
    fin = talk.close_by_server()
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.9
    assert packets(finding) == [asked, answered, fin]
    assert finding.user == "LAB\\alice"
    assert "server side" not in finding.why


def test_a_chunked_body_without_its_last_chunk() -> None:
    lan = Wire()
    talk = direct(lan)
    head = Reply(200, (("Content-Type", sealed().media), ("Transfer-Encoding", "chunked")), b"100\r\n" + bytes(256) + b"\r\n")
    talk.exchange(ask_sealed(1), head)
    talk.reset_by_server()
    assert "declared a chunked body" in judge(lan).one(RULE).why


def test_what_the_server_cut_is_told_once_where_it_happened() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.send(ask_sealed(1, ABSOLUTE))
    far.exchange(forwarded(ask_sealed(1, ABSOLUTE)), CUT)
    far.reset_by_server()
    near.answer(CUT)
    near.reset_by_server()
    assert judge(lan).one(RULE).connections == ("c2",)


def test_a_whole_response_before_the_close() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.exchange(ask_sealed(1), LONG)
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_client_that_hangs_up_by_itself() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.exchange(ask_sealed(1), CUT)
    talk.reset_by_client()
    assert judge(lan).found(RULE) == []


def test_a_capture_that_ends_in_the_middle() -> None:
    lan = Wire()
    talk = direct(lan)
    _, answered = talk.exchange(ask_sealed(1), LONG)
    talk.close_by_server()
    assert judge(lan, last=answered + 1).found(RULE) == []


def test_a_gap_in_the_capture_is_no_cut() -> None:
    lan = Wire()
    talk = direct(lan)
    whole = LONG.wire()
    talk.send(ask_sealed(1))
    talk.answer(whole[:1460])
    talk.answer(whole[1460:2920], captured=False)
    talk.answer(whole[2920:])
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_an_end_that_was_not_captured_is_no_cut() -> None:
    lan = Wire()
    talk = direct(lan)
    whole = LONG.wire()
    talk.send(ask_sealed(1))
    talk.answer(whole[:1460])
    talk.answer(whole[1460:], captured=False)
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_snap_length_is_no_cut() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.exchange(ask_sealed(1), LONG)
    talk.close_by_server()
    assert judge(lan, snap=700).found(RULE) == []


def test_the_upstream_leg_alone_is_whole() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.send(ask_sealed(1, ABSOLUTE))
    far.exchange(forwarded(ask_sealed(1, ABSOLUTE)), LONG)
    near.answer(CUT)
    near.reset_by_server()
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
