from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import CLIENT_LEG, ask_sealed, direct, far_leg, forwarded, handshake, near_leg, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.close-after-auth-2xx"


def test_the_proxy_closes_the_clients_connection_after_the_200() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    *_, last = proxied_handshake(near, far, ntlm())
    fin = near.close_by_server(after=0.01)
    again = near_leg(lan, port=50002)
    again.send(post("http://srv01.lab.example:5985/wsman"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [last.near.asked, last.near.answered, fin]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x3",)
    assert finding.user == "LAB\\alice"
    assert names(finding, last.near.answered, fin)
    assert "The proxy 10.10.1.1:3128 closed the connection" in finding.why
    assert "without announcing it" in finding.why


def test_the_proxy_closes_the_upstream_connection_after_the_200() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    *_, last = proxied_handshake(near, far, ntlm())
    fin = far.close_by_client(after=0.01)
    asked = post("http://srv01.lab.example:5985/wsman")
    near.send(asked)
    far_leg(lan, port=40002).send(forwarded(asked))

    finding = judge(lan).one(RULE)

    assert packets(finding) == [last.far.asked, last.far.answered, fin]
    assert finding.connections == ("c2",)
    assert "The proxy 10.20.2.1 closed" in finding.why


def test_a_server_that_closes_a_direct_connection_counts_too() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, kerberos(), last=reply(200, ("Connection", "close")))
    fin = talk.close_by_server()
    direct(lan, port=50002)

    finding = judge(lan).one(RULE)

    assert packets(finding) == [last.asked, last.answered, fin]
    assert finding.user is None
    assert "as the response had announced with Connection: close" in finding.why


def test_one_client_is_one_finding_however_often_it_happens() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port))
        talk.close_by_server()
    direct(lan, port=50004)

    finding = judge(lan).one(RULE)

    assert finding.connections == ("c1", "c2", "c3")
    assert "3 times" in finding.why


def test_a_client_that_closes_by_itself_only_tested_its_logon() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_client()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_the_end_of_the_session_is_no_fault() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_client_that_comes_back_much_later_had_finished() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_server()
    lan.wait(31)
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_close_after_more_than_a_second_is_another_matter() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_server(after=1.1)
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_request_that_was_answered_in_between_shows_that_the_connection_lived() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), sealed_reply(1))
    talk.close_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_refused_handshake_may_be_closed() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm(), last=reply(401, ("WWW-Authenticate", "Negotiate")))
    talk.close_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_a_reset_is_another_rules() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.reset_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_another_clients_connection_is_no_return() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.close_by_server()
    direct(lan, "10.10.1.12", 50002)
    assert judge(lan).found(RULE) == []


def test_without_the_leg_on_which_it_happens_nothing_is_said() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    far.close_by_client()
    far_leg(lan, port=40002).send(post())
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_without_the_final_response_nothing_is_said() -> None:
    lan = Wire()
    talk = direct(lan)
    shake = ntlm()
    trip(talk, post("/wsman", shake.credentials(0)), shake.challenge())
    talk.send(post("/wsman", shake.credentials(1)))
    talk.answer(reply(200), captured=False)
    talk.close_by_server()
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_without_the_fin_nothing_is_said() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, last = handshake(talk, ntlm())
    talk.close_by_server()
    direct(lan, port=50002)
    assert judge(lan, last=last.answered).found(RULE) == []
