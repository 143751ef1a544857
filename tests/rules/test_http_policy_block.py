from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, html, post, reply
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, direct, far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.policy-block"
FORBIDDEN = reply(403, content=html("<html>Access denied by the proxy</html>")).without("Server").plus(("Server", "squid"))


def test_the_proxy_forbids_an_absolute_target() -> None:
    lan = Wire()
    one = trip(near_leg(lan), post(ABSOLUTE), FORBIDDEN)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [*one]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x1",)
    assert finding.user is None
    assert names(finding, one.answered)
    assert f"(squid) answered 1 request of 10.10.1.11 with 403 (POST {ABSOLUTE})" in finding.why


def test_the_proxy_forbids_connect() -> None:
    lan = Wire()
    trip(near_leg(lan), Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"),)), FORBIDDEN)
    assert "CONNECT srv01:5986" in judge(lan).one(RULE).why


def test_a_403_that_looks_like_a_windows_servers_is_less_certain() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(403))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.5
    assert "which the proxy may have passed on" in finding.why


def test_a_403_of_the_server_that_the_proxy_passed_on() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), FORBIDDEN)
    assert judge(lan).found(RULE) == []


def test_a_403_of_a_server_without_a_proxy() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN), FORBIDDEN)
    assert judge(lan).found(RULE) == []


def test_a_demand_for_authentication_forbids_nothing() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(407, ("Proxy-Authenticate", 'Basic realm="proxy"'), content=html()))
    assert judge(lan).found(RULE) == []


def test_connect_to_another_port() -> None:
    lan = Wire()
    trip(near_leg(lan), Ask("CONNECT", "www.lab.example:443", (("Host", "www.lab.example"),)), FORBIDDEN)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_it() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.exchange(post(ABSOLUTE), FORBIDDEN)
    far.exchange(post(WSMAN, ("Via", "1.1 proxy")), reply(401))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_response_that_is_not_captured() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.send(post(ABSOLUTE))
    near.answer(FORBIDDEN, captured=False)
    assert judge(lan).found(RULE) == []
