from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, offer, post, reply, soap
from tests.build.talk_proxy import (
    BOB,
    CLIENT_LEG,
    PROXY,
    PROXY_FAR,
    UPSTREAM_LEG,
    direct,
    far_leg,
    handshake,
    near_leg,
    proxied,
    proxied_handshake,
    trip,
)
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.credential-exposure"


def test_what_a_proxy_saw_of_three_clients() -> None:
    lan = Wire()
    _, first, last = proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    near, far = near_leg(lan, BOB, 50002), far_leg(lan, 40002)
    own = proxied(near, far, post(ABSOLUTE, basic("bob"), content=soap()), reply(200))
    proxied_handshake(near_leg(lan, "10.10.1.13", 50003), far_leg(lan, 40003), kerberos())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert {first.near.asked, last.near.asked, own.near.asked} < set(packets(finding))
    assert finding.connections == ("c1", "c3", "c5")
    assert finding.user is None
    assert names(finding, first.near.asked)
    assert f"The proxy {PROXY} saw 3 logons to servers that it could read" in finding.why
    for kind in ("1 with NTLM (a response that can be guessed offline)", "1 with Basic (the password)", "1 with Kerberos (ticket and authenticator)"):
        assert kind in finding.why
    assert "LAB\\alice, bob" in finding.why


def test_the_upstream_leg_alone_names_the_proxy_as_well() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert f"The proxy {PROXY_FAR} saw 1 logon" in judge(lan, hosts=UPSTREAM_LEG).one(RULE).why
    assert f"The proxy {PROXY} saw 1 logon" in judge(lan, hosts=CLIENT_LEG).one(RULE).why
    assert judge(lan).one(RULE).user == "LAB\\alice"


def test_without_a_proxy() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_question_for_credentials_shows_none() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []


def test_a_logon_to_the_proxy_itself_is_another_matter() -> None:
    lan = Wire()
    trip(near_leg(lan), Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"), basic(header="Proxy-Authorization"))), reply(407))
    assert judge(lan).found(RULE) == []
