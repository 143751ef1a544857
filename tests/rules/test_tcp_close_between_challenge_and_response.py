import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, offer, post, reply
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, direct, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.close-between-challenge-and-response"


def challenged(talk: Talk, target: str = WSMAN, number: int = 1) -> Trip:
    """The first round trip of a handshake."""
    shake = ntlm(number=number)
    return trip(talk, post(target, shake.credentials(0)), shake.challenge())


def test_the_proxy_closes_after_the_challenge() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    hop = proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    fin = near.close_by_server(after=0.01)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.95)
    assert packets(finding) == [*hop.near, fin]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1",)
    assert finding.user is None  # message 1 names nobody
    assert names(finding, hop.near.answered, fin)
    assert "The proxy 10.10.1.1:3128 closed the connection" in finding.why


def test_a_reset_and_a_request_in_a_race_with_it() -> None:
    lan = Wire()
    talk = direct(lan)
    one = challenged(talk)
    received = talk.server.received
    talk.send(post(WSMAN, ntlm().credentials(1)))
    talk.server.received = received  # the server resets before it has any of it
    rst = talk.reset_by_server()
    finding = judge(lan).one(RULE)
    assert packets(finding) == [*one, rst]
    assert "The server 10.20.2.20:5985 reset the connection" in finding.why


def test_proxy_authentication_breaks_the_same_way() -> None:
    lan = Wire()
    near, shake = near_leg(lan), ntlm()
    one = trip(near, post(ABSOLUTE, shake.credentials(0, "Proxy-Authorization")), shake.proxy_challenge().plus(("Proxy-Connection", "close")))
    fin = near.close_by_server()
    finding = judge(lan).one(RULE)
    assert packets(finding) == [*one, fin]
    assert "status 407" in finding.why
    assert "as announced with Connection: close" in finding.why


def test_a_first_offer_may_be_followed_by_a_close() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("version", "connection"), [("HTTP/1.1", "close"), ("HTTP/1.0", "TE")])
def test_a_client_that_asked_for_a_close(version: str, connection: str) -> None:
    lan = Wire()
    talk = direct(lan)
    asked = post(WSMAN, ntlm().credentials(0)).without("Connection").plus(("Connection", connection))
    trip(talk, asked._replace(version=version), ntlm().challenge())
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_client_that_gives_up() -> None:
    lan = Wire()
    talk = direct(lan)
    challenged(talk)
    talk.close_by_client()
    assert judge(lan).found(RULE) == []


def test_a_client_that_lets_the_server_wait() -> None:
    lan = Wire()
    talk = direct(lan)
    challenged(talk)
    talk.close_by_server(after=6)
    assert judge(lan).found(RULE) == []


def test_a_handshake_that_was_answered_before_the_close() -> None:
    lan = Wire()
    talk = direct(lan)
    challenged(talk)
    trip(talk, post(WSMAN, ntlm().credentials(1)), reply(200))
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_a_server_that_had_the_clients_answer_refused_it_in_its_own_way() -> None:
    lan = Wire()
    talk = direct(lan)
    challenged(talk)
    talk.send(post(WSMAN, ntlm().credentials(1)))
    talk.close_by_server()
    assert judge(lan).found(RULE) == []


def test_connect_is_another_rules() -> None:
    lan = Wire()
    near, shake = near_leg(lan), ntlm()
    asked = Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"), shake.credentials(0, "Proxy-Authorization")))
    trip(near, asked, shake.proxy_challenge())
    near.close_by_server()
    assert judge(lan).found(RULE) == []


def test_on_the_upstream_leg_a_close_may_be_the_clients_wish() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    far.close_by_client()
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_capture_that_ends_before_the_close_says_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    one = challenged(talk)
    talk.close_by_server()
    assert judge(lan, last=one.answered).found(RULE) == []
