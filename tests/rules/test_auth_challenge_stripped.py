from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, far_leg, forwarded, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.challenge-stripped"
NOTHING = reply(401, ("Via", "1.1 proxy"))


def test_the_offers_are_gone_on_the_clients_leg() -> None:
    lan = Wire()
    hop = proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", "Kerberos"), back=NOTHING)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.6)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert finding.user is None
    assert names(finding, hop.near.asked, hop.far.answered)
    assert "the challenge Negotiate, Kerberos is missing on the client's side" in finding.why


def test_the_token_of_a_challenge_is_gone() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    asked = post(ABSOLUTE, shake.credentials(0))
    proxied(near, far, asked, shake.challenge(), back=NOTHING)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert "the challenge Negotiate with a token is missing on the client's side" in finding.why


def test_the_clients_token_does_not_reach_the_server() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, ntlm().credentials(0))
    hop = proxied(near_leg(lan), far_leg(lan), asked, reply(401), onward=forwarded(asked).without("Authorization"))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.HIGH
    assert names(finding, hop.near.asked)
    assert "the client's Negotiate token is missing on the server side" in finding.why


def test_a_challenge_that_lost_one_of_its_offers_is_low() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", "Kerberos"), back=offer("Negotiate"))
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "the challenge Kerberos is missing on the client's side, others were left" in finding.why


def test_a_challenge_that_passed_whole() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_offers_in_one_line_are_still_there() -> None:
    lan = Wire()
    merged = reply(401, ("WWW-Authenticate", "Negotiate, Kerberos"))
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer("Negotiate", "Kerberos"), back=merged)
    assert judge(lan).found(RULE) == []


def test_basic_does_not_belong_to_the_connection() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer('Basic realm="WSMAN"'), back=NOTHING)
    assert judge(lan).found(RULE) == []


def test_a_gateway_that_puts_its_own_credentials_in_place() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, ntlm().credentials(0))
    own = forwarded(asked).without("Authorization").plus(basic("vault"))
    proxied(near_leg(lan), far_leg(lan), asked, reply(200), onward=own)
    assert judge(lan).found(RULE) == []


def test_the_last_token_of_a_handshake_is_no_challenge() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), reply(200, *shake.challenge().fields), back=reply(200))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer(), back=NOTHING)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_two_401_at_once_cannot_be_told_apart() -> None:
    lan = Wire()
    alice, bob = near_leg(lan), near_leg(lan, "10.10.1.12", 50002)
    fars = far_leg(lan), far_leg(lan, 40002)
    for near in (alice, bob):
        near.send(post(ABSOLUTE))
    for far in fars:
        far.exchange(post(WSMAN, ("Via", "1.1 proxy")), offer())
    for near in (alice, bob):
        near.answer(NOTHING)
    assert judge(lan).found(RULE) == []
