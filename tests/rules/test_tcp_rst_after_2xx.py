from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import CLIENT_LEG, ask_sealed, direct, far_leg, forwarded, handshake, near_leg, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.rst-after-2xx"


def test_the_proxy_resets_the_clients_connection_after_the_200() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    *_, last = proxied_handshake(near, far, ntlm())
    rst = near.reset_by_server(after=0.01)
    near_leg(lan, port=50002).send(post("http://srv01.lab.example:5985/wsman"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [last.near.asked, last.near.answered, rst]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x3",)
    assert finding.user == "LAB\\alice"
    assert names(finding, last.near.answered, rst)
    assert "The proxy 10.10.1.1:3128 reset the connection" in finding.why


def test_the_reset_races_with_the_clients_next_request() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, ntlm())
    talk.send(ask_sealed(1))
    rst = talk.reset_by_server()

    finding = judge(lan).one(RULE)

    assert packets(finding) == [last.asked, last.answered, rst]
    assert finding.exchanges == ("c1.x3", "c1.x4")
    assert "1 request of the client went unanswered into the reset" in finding.why


def test_a_proxy_that_resets_the_upstream_connection() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    *_, last = proxied_handshake(near, far, ntlm())
    rst = far.reset_by_client(after=0.01)
    asked = post("http://srv01.lab.example:5985/wsman")
    near.send(asked)
    far_leg(lan, port=40002).send(forwarded(asked))

    finding = judge(lan).one(RULE)

    assert packets(finding) == [last.far.asked, last.far.answered, rst]
    assert finding.connections == ("c2",)


def test_a_reset_by_the_client_is_its_own_business() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.reset_by_client()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_reset_after_a_fin_only_ends_what_was_over() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_server(answered=False)
    talk.reset_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_reset_after_the_clients_fin_is_no_fault() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_client(answered=False)
    talk.reset_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_the_end_of_the_session_is_no_fault() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.reset_by_server()
    assert judge(lan).found(RULE) == []


def test_a_reset_after_the_first_answered_request_is_another_matter() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), sealed_reply(1))
    talk.reset_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_reset_after_a_second_of_silence_is_another_matter() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.reset_by_server(after=1.1)
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_refused_handshake_may_be_reset() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm(), last=reply(401, ("WWW-Authenticate", "Negotiate")))
    talk.reset_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_without_the_leg_on_which_it_happens_nothing_is_said() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    far.reset_by_client()
    far_leg(lan, port=40002).send(post())
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_capture_that_ends_before_the_reset_says_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, ntlm())
    talk.send(ask_sealed(1))
    talk.reset_by_server()
    assert judge(lan, last=last.answered).found(RULE) == []


def test_a_proxy_that_follows_its_client_cut_nothing() -> None:
    lan = Wire()
    for number in (1, 2):
        near, far = near_leg(lan, port=50000 + number), far_leg(lan, 40000 + number)
        proxied_handshake(near, far, ntlm(number=number))
        near.reset_by_client()
        far.reset_by_client()
        lan.wait(1)
    assert judge(lan).found(RULE) == []
