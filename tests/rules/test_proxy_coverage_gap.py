import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, html, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, ask_sealed, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.coverage-gap"


def test_a_request_whose_upstream_leg_was_not_captured() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    alone = trip(near, ask_sealed(1, ABSOLUTE), sealed_reply(1))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.9)
    assert packets(finding) == [*alone]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x2",))
    assert names(finding, alone.asked)
    assert "1 exchange of the proxy 10.10.1.1 is known on one side only. The first is packet " in finding.why
    assert "1 exchange of this evidence is known on both" in finding.why


def test_a_request_whose_clients_leg_was_not_captured() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    trip(far, forwarded(ask_sealed(1, ABSOLUTE)), sealed_reply(1))
    assert judge(lan).one(RULE).exchanges == ("c2.x2",)


def test_everything_is_known_on_both() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    for number in range(3):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("answer", [reply(407, ("Proxy-Authenticate", "Negotiate")), reply(502, content=html())], ids=["407", "502"])
def test_the_proxys_own_answers_have_no_other_leg(answer: Reply) -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    trip(near, ask_sealed(1, ABSOLUTE), answer)
    assert judge(lan).found(RULE) == []


def test_a_request_without_an_answer_may_not_have_gone_on() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    near.send(ask_sealed(1, ABSOLUTE))
    assert judge(lan).found(RULE) == []


def test_with_one_leg_there_is_nothing_to_compare() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
