from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, far_leg, forwarded, near_leg, proxied, sealed_reply
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.cookie-lost"
SETS = ("Set-Cookie", "MS-WSMAN=server-7; path=/; HttpOnly")
SENDS = ("Cookie", "a=1; MS-WSMAN=server-7")


def test_the_clients_cookie_does_not_reach_the_server() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(SETS))
    asked = ask_sealed(1, ABSOLUTE).plus(SENDS)
    hop = proxied(near, far, asked, sealed_reply(1), onward=forwarded(asked).without("Cookie"))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 1.0)
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x2", "c2.x2"))
    assert names(finding, hop.near.asked)
    assert "The client sent the cookie MS-WSMAN (packet " in finding.why
    assert "but it did not reach the server. This happened once. The first is c1.x2" in finding.why


def test_it_reaches_the_server_with_another_value() -> None:
    lan = Wire()
    asked = ask_sealed(0, ABSOLUTE).plus(SENDS)
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(0), onward=forwarded(asked).without("Cookie").plus(("Cookie", "MS-WSMAN=server-8")))
    assert len(judge(lan).found(RULE)) == 1


def test_the_servers_cookie_does_not_reach_the_client() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(SETS), back=sealed_reply(0))
    assert "The server set the cookie MS-WSMAN (packet " in judge(lan).one(RULE).why


def test_cookies_that_pass() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(SETS))
    proxied(near, far, ask_sealed(1, ABSOLUTE).plus(SENDS), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_an_old_client_that_never_sends_it_back() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0).plus(SETS))
    proxied(near, far, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_other_cookies_do_not_matter() -> None:
    lan = Wire()
    asked = ask_sealed(0, ABSOLUTE).plus(("Cookie", "XMS-WSMAN=1; session=2"))
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(0), onward=forwarded(asked).without("Cookie"))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    asked = ask_sealed(0, ABSOLUTE).plus(SENDS)
    proxied(near_leg(lan), far_leg(lan), asked, sealed_reply(0), onward=forwarded(asked).without("Cookie"))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
