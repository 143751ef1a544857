from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, post, reply
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxyauth.over-plain-http"
DEMAND = reply(407, ("Proxy-Authenticate", 'Basic realm="proxy"'))


def test_basic_to_the_proxy_is_readable() -> None:
    lan = Wire()
    near = near_leg(lan)
    demanded = trip(near, post(ABSOLUTE), DEMAND)
    given = trip(near, ask_sealed(1, ABSOLUTE).plus(basic("webuser", header="Proxy-Authorization")), sealed_reply(1))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 1.0)
    assert packets(finding) == [*demanded, *given]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1", "c1.x2")
    assert finding.user == "webuser"
    assert names(finding, demanded.asked)
    assert "asked for authentication once" in finding.why
    assert "Passw0rd" not in finding.why


def test_ntlm_to_the_proxy_is_less_grave() -> None:
    lan = Wire()
    near, shake = near_leg(lan), ntlm()
    trip(near, post(ABSOLUTE, shake.credentials(0, "Proxy-Authorization")), shake.proxy_challenge())
    trip(near, ask_sealed(1, ABSOLUTE).plus(shake.credentials(1, "Proxy-Authorization")), sealed_reply(1))
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.user) == (Severity.HIGH, "LAB\\alice")
    assert "(NTLM, user LAB\\alice)" in finding.why


def test_a_demand_alone_shows_no_credentials() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), DEMAND)
    assert judge(lan).found(RULE) == []
    assert "proxyauth.credentials-missing" in judge(lan).rules


def test_a_proxy_that_asks_for_nothing() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_connect_is_another_rules() -> None:
    lan = Wire()
    near = near_leg(lan)
    trip(near, Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"), basic(header="Proxy-Authorization"))), DEMAND)
    assert judge(lan).found(RULE) == []


def test_a_relative_target_goes_to_no_forward_proxy() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN, basic(header="Proxy-Authorization")), reply(200))
    assert judge(lan).found(RULE) == []


def test_another_site_behind_the_proxy_is_no_winrm() -> None:
    lan = Wire()
    trip(near_leg(lan), post("http://www.lab.example/", basic(header="Proxy-Authorization")), DEMAND)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_it() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE).plus(basic(header="Proxy-Authorization")), sealed_reply(1))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
    assert len(judge(lan).found(RULE)) == 1
