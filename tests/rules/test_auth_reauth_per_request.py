from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, reply
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.reauth-per-request"


def requests(lan: Wire, count: int, handshakes: int) -> list[Trip]:
    """So many sealed requests, the first ones each with a connection and a handshake of its own; the first trips of the handshakes' tokens."""
    firsts = []
    talk = direct(lan)
    for number in range(count):
        if number < handshakes:
            talk = direct(lan, port=50002 + number)
            firsts.append(handshake(talk, ntlm(number=number))[1])
        trip(talk, ask_sealed(number, size=600 + number), sealed_reply(number))  # not one and the same message again and again
    return firsts


def test_five_requests_with_five_handshakes() -> None:
    lan = Wire()
    firsts = requests(lan, 5, 5)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.9), "the client's own habit"
    assert packets(finding) == [first.asked for first in firsts]
    assert finding.connections == ("c2", "c3", "c4", "c5", "c6")
    assert set(finding.exchanges) >= {"c2.x2", "c2.x3", "c2.x4"}
    assert finding.user == "LAB\\alice"
    assert names(finding, firsts[0].asked)
    assert "5 handshakes for 5 requests" in finding.why
    assert "The client opened 5 connections, one for nearly each request" in finding.why


def test_four_in_five_is_nearly_every_request() -> None:
    lan = Wire()
    requests(lan, 5, 4)
    assert "4 handshakes for 5 requests" in judge(lan).one(RULE).why


def test_the_proxy_is_named_when_the_client_kept_its_connection() -> None:
    lan = Wire()
    near = near_leg(lan)
    for number in range(5):
        far = far_leg(lan, 40001 + number)
        proxied_handshake(near, far, ntlm(number=number))
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    (finding,) = judge(lan).found(RULE)
    assert "The client kept 1 connection, the proxy used 5 server connections" in finding.why


def test_three_in_five_is_not() -> None:
    lan = Wire()
    requests(lan, 5, 3)
    assert judge(lan).found(RULE) == []


def test_four_requests_are_too_few() -> None:
    lan = Wire()
    requests(lan, 4, 4)
    assert judge(lan).found(RULE) == []


def test_five_requests_on_one_handshake() -> None:
    lan = Wire()
    requests(lan, 5, 1)
    assert judge(lan).found(RULE) == []


def test_requests_that_were_answered_401_do_not_count() -> None:
    lan = Wire()
    for number in range(5):
        talk = direct(lan, port=50001 + number)
        handshake(talk, ntlm(number=number))
        trip(talk, ask_sealed(number), reply(401))
    assert judge(lan).found(RULE) == []


def test_basic_needs_no_handshake() -> None:
    lan = Wire()
    talk = direct(lan)
    for number in range(5):
        trip(talk, ask_sealed(number).plus(basic()), sealed_reply(number))
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_mixes_clients() -> None:
    lan = Wire()
    for number in range(5):
        near, far = near_leg(lan, port=50001 + number), far_leg(lan, 40001 + number)
        proxied_handshake(near, far, ntlm(number=number))
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
