from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, soap
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "enc.proxy-path-not-https"


def test_sealed_requests_through_a_proxy() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    hops = [proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number)) for number in range(2)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [number for hop in hops for number in hop.near]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x4", "c1.x5"))
    assert finding.user == "LAB\\alice"
    assert names(finding, hops[0].near.asked)
    assert "2 encrypted requests of 10.10.1.11 went through the proxy 10.10.1.1:3128 without TLS (HTTPS)" in finding.why


def test_either_leg_shows_it() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    assert len(judge(lan, hosts=CLIENT_LEG).found(RULE)) == 1
    assert len(judge(lan, hosts=UPSTREAM_LEG).found(RULE)) == 1


def test_without_a_proxy() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_readable_requests_are_another_rules() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), reply(200))
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "enc.plaintext-soap-through-proxy" in judged.rules
