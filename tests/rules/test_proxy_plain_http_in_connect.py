from analyzer.records.finding import Severity
from tests.build.talk_http import WSMAN, Ask, Reply, post, reply, soap
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, ask_sealed, direct, far_leg, near_leg, sealed_reply, trip
from tests.build.talk_tokens import basic
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.plain-http-in-connect"
TLS_HELLO = b"\x16\x03\x01\x00\x50\x01\x00\x00\x4c\x03\x03" + bytes(range(74))


def tunnel(talk: Talk, target: str = "srv01:5985", status: int = 200) -> Trip:
    return trip(talk, Ask("CONNECT", target, (("Host", target),)), Reply(status, ()))


def test_clear_winrm_goes_through_a_tunnel() -> None:
    lan = Wire()
    near = near_leg(lan)
    opened = tunnel(near)
    inside = trip(near, post(WSMAN, basic(), content=soap()), reply(200, content=soap("CreateResponse", 2)))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == [*opened, *inside]
    assert finding.connections == ("c1", "c1.t")
    assert finding.exchanges == ("c1.x1", "c1.t.x1")
    assert finding.user == "alice"
    assert names(finding, inside.asked)
    assert "for a tunnel to srv01:5985" in finding.why
    assert "2 messages readable, 0 encrypted" in finding.why


def test_sealed_messages_in_a_tunnel_are_told_apart() -> None:
    lan = Wire()
    near = near_leg(lan)
    tunnel(near)
    trip(near, ask_sealed(1), sealed_reply(1))
    assert "0 messages readable, 2 encrypted" in judge(lan).one(RULE).why


def test_tls_in_the_tunnel_is_as_it_should_be() -> None:
    lan = Wire()
    near = near_leg(lan)
    tunnel(near, "srv01:5986")
    near.send(TLS_HELLO)
    near.answer(TLS_HELLO)
    assert judge(lan).found(RULE) == []


def test_a_tunnel_that_was_refused() -> None:
    lan = Wire()
    tunnel(near_leg(lan), status=403)
    assert judge(lan).found(RULE) == []


def test_plain_http_without_a_tunnel_is_other_rules() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic(), content=soap()), reply(200))
    assert judge(lan).found(RULE) == []


def test_a_tunnel_in_which_nothing_was_captured() -> None:
    lan = Wire()
    near = near_leg(lan)
    opened = tunnel(near)
    trip(near, ask_sealed(1), sealed_reply(1))
    assert judge(lan, last=opened.answered).found(RULE) == []


def test_the_upstream_leg_alone_shows_no_tunnel() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    tunnel(near)
    near.send(ask_sealed(1))
    trip(far, ask_sealed(1), sealed_reply(1))
    near.answer(sealed_reply(1))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
