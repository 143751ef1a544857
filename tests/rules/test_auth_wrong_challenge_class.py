import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Reply, offer, post, reply
from tests.build.talk_proxy import far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.wrong-challenge-class"
PROXY = ("Proxy-Authenticate", "Negotiate")
SERVER = ("WWW-Authenticate", "Negotiate")


def test_407_without_its_field() -> None:
    lan = Wire()
    found = trip(near_leg(lan), post(ABSOLUTE), reply(407))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [*found]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.answered)
    assert "with 407 without Proxy-Authenticate, in 1 response" in finding.why
    assert "made by Microsoft-HTTPAPI/2.0" in finding.why


@pytest.mark.parametrize(
    ("answer", "what"),
    [(reply(407, SERVER), "407 without Proxy-Authenticate but with WWW-Authenticate"), (reply(401, PROXY), "401 with Proxy-Authenticate instead of")],
)
def test_the_field_of_the_other(answer: Reply, what: str) -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), answer)
    assert what in judge(lan).one(RULE).why


def test_each_kind_of_mistake_is_one_finding() -> None:
    lan = Wire()
    near = near_leg(lan)
    for answer in (reply(407), reply(407), reply(401, PROXY)):
        trip(near, post(ABSOLUTE), answer)
    assert [finding.exchanges for finding in judge(lan).found(RULE)] == [("c1.x1", "c1.x2"), ("c1.x3",)]


@pytest.mark.parametrize("answer", [offer(), reply(407, PROXY), reply(401, SERVER, PROXY), reply(401), reply(403)])
def test_what_is_right_or_says_nothing(answer: Reply) -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), answer)
    assert judge(lan).found(RULE) == []


def test_a_header_block_that_was_cut_may_have_had_it() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(407, ("X-Long", "x" * 300), PROXY))
    for snap in range(100, 460, 30):
        assert judge(lan, snap=snap).found(RULE) == []


def test_both_legs_are_one_story() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), reply(407))
    assert judge(lan).one(RULE).connections == ("c1",)
