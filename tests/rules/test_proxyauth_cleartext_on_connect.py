from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask, Field, Reply, html, reply
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, far_leg, near_leg, sealed_reply, trip
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxyauth.cleartext-on-connect"
OPENED = Reply(200, ())
DEMAND = reply(407, ("Proxy-Authenticate", 'Basic realm="proxy"'), content=html())


def connect(*fields: Field, target: str = "srv01:5986") -> Ask:
    return Ask("CONNECT", target, (("Host", target), *fields))


def test_basic_in_a_connect() -> None:
    lan = Wire()
    near = near_leg(lan)
    trip(near, connect(), DEMAND)
    given = trip(near, connect(basic("webuser", header="Proxy-Authorization")), OPENED)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == [*given]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x2",)
    assert finding.user == "webuser"
    assert names(finding, given.asked)
    assert "With Basic the password is readable there" in finding.why
    assert "Passw0rd" not in finding.why


def test_ntlm_in_a_connect_is_less_grave() -> None:
    lan = Wire()
    near, shake = near_leg(lan), ntlm()
    trip(near, connect(shake.credentials(0, "Proxy-Authorization")), shake.proxy_challenge())
    trip(near, connect(shake.credentials(1, "Proxy-Authorization")), OPENED)
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.user) == (Severity.MEDIUM, "LAB\\alice")


def test_a_demand_that_the_client_does_not_meet() -> None:
    lan = Wire()
    trip(near_leg(lan), connect(), DEMAND)
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_asks_for_nothing() -> None:
    lan = Wire()
    trip(near_leg(lan), connect(), OPENED)
    assert judge(lan).found(RULE) == []


def test_an_absolute_target_is_another_rules() -> None:
    lan = Wire()
    trip(near_leg(lan), ask_sealed(1, ABSOLUTE).plus(basic(header="Proxy-Authorization")), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_connect_to_another_service() -> None:
    lan = Wire()
    trip(near_leg(lan), connect(basic(header="Proxy-Authorization"), target="www.lab.example:443"), OPENED)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_it() -> None:
    lan = Wire()
    near = near_leg(lan)
    trip(near, connect(basic(header="Proxy-Authorization"), target="srv01:5985"), OPENED)
    far = far_leg(lan)
    near.send(ask_sealed(1))
    trip(far, ask_sealed(1), sealed_reply(1))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
