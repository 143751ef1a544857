from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, soap
from tests.build.talk_proxy import BOB, far_leg, near_leg, proxied, trip
from tests.build.talk_tokens import basic
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxyauth.credentials-missing"
DEMAND = reply(407, ("Proxy-Authenticate", 'Basic realm="gate"'))


def test_a_client_without_credentials_for_the_proxy() -> None:
    lan = Wire()
    first = trip(near_leg(lan), post(ABSOLUTE, content=soap()), DEMAND)
    trip(near_leg(lan, port=50002), post(ABSOLUTE, content=soap()), DEMAND)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.owner, finding.source) == (Severity.MEDIUM, "client", "10.10.1.11")
    assert packets(finding)[:2] == [*first]
    assert names(finding, first.answered)
    assert "answered 10.10.1.11 twice with 407" in finding.why
    assert 'demands Basic realm="gate"' in finding.why
    assert "The client gave none" in finding.why
    assert "never reached the server" in finding.why


def test_wrong_credentials_are_said_to_be_refused() -> None:
    lan = Wire()
    talk = near_leg(lan)
    trip(talk, post(ABSOLUTE), DEMAND)
    trip(talk, post(ABSOLUTE, basic(header="Proxy-Authorization")), DEMAND)
    finding = judge(lan).one(RULE)
    assert finding.title == "Proxy 10.10.1.1:3128 refuses the proxy credentials"
    assert "refused the credentials" in finding.why


def test_a_client_that_gives_them_when_asked_is_healthy() -> None:
    lan = Wire()
    near = near_leg(lan)
    trip(near, post(ABSOLUTE), DEMAND)
    proxied(near, far_leg(lan), post(ABSOLUTE, basic(header="Proxy-Authorization")), reply(200))
    assert judge(lan).found(RULE) == []


def test_one_client_fails_and_another_one_passes() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), DEMAND)
    near = near_leg(lan, BOB, 50002)
    trip(near, post(ABSOLUTE), DEMAND)
    proxied(near, far_leg(lan), post(ABSOLUTE, basic(header="Proxy-Authorization")), reply(200))
    assert [finding.source for finding in judge(lan).found(RULE)] == ["10.10.1.11"]
