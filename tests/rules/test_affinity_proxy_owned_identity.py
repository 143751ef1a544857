from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, post, reply, soap
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, Hop, far_leg, forwarded, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.proxy-owned-identity"
SERVED = reply(200, content=soap("CreateResponse"))
VAULT = basic("vault")


def through(near: Talk, far: Talk, number: int = 1, *, own: tuple[str, str] | None = None) -> Hop:
    """A request, with credentials of the client's own or none, that goes on with the gateway's."""
    asked = post(ABSOLUTE, *(() if own is None else (own,)), content=soap(number=number))
    return proxied(near, far, asked, SERVED, onward=forwarded(asked).without("Authorization").plus(VAULT))


def test_the_gateway_adds_its_credentials() -> None:
    lan = Wire()
    hop = through(near_leg(lan), far_leg(lan))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.INFO
    assert finding.confidence >= 0.95
    assert packets(finding) == sorted([*hop.near, *hop.far])
    assert finding.connections == ("c2", "c1")
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert finding.user == "vault"
    assert names(finding, hop.near.asked, hop.far.asked)
    assert "of 10.10.1.11 with credentials that the client had not sent (vault)" in finding.why


def test_the_clients_password_is_replaced() -> None:
    lan = Wire()
    through(near_leg(lan), far_leg(lan), own=basic("alice"))
    assert judge(lan).one(RULE).user == "vault"


def test_one_finding_for_all_clients_of_the_gateway() -> None:
    lan = Wire()
    far = far_leg(lan)
    through(near_leg(lan), far, 1)
    through(near_leg(lan, BOB, 50002), far, 2)
    assert "2 requests of 10.10.1.11, 10.10.1.12" in judge(lan).one(RULE).why


def test_credentials_that_pass_through() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, post(ABSOLUTE, basic(), content=soap()), SERVED)
    assert judge(lan).found(RULE) == []


def test_a_token_that_the_proxy_changes_is_another_rules() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, ntlm().credentials(0), content=soap())
    proxied(near_leg(lan), far_leg(lan), asked, SERVED, onward=forwarded(asked).without("Authorization").plus(ntlm("bob").credentials(0)))
    assert judge(lan).found(RULE) == []


def test_requests_without_any_credentials() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=soap()), SERVED, onward=post(WSMAN, ("Via", "1.1 proxy"), content=soap()))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    through(near_leg(lan), far_leg(lan))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
