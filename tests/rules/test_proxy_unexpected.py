from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE
from tests.build.talk_proxy import BOB, CLIENT_LEG, SERVER, ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.unexpected"


def through(lan: Wire, number: int = 0) -> None:
    proxied(near_leg(lan, port=50001 + number), far_leg(lan, 40001 + number), ask_sealed(number, ABSOLUTE), sealed_reply(number))


def test_both_ways() -> None:
    lan = Wire()
    through(lan)
    through(lan, 1)
    trip(direct(lan, port=50009), ask_sealed(5), sealed_reply(5))

    finding = judge(lan).one(RULE)

    assert finding.severity is Severity.INFO
    assert finding.connections == ("c1", "c3", "c5")
    assert (finding.source, finding.exchanges) == ("10.10.1.11", ())
    assert len(packets(finding)) == 2
    assert names(finding, *packets(finding))
    assert "10.10.1.11 reaches 10.20.2.20 directly with 1 connection, the first c5" in finding.why
    assert "goes through the proxy 10.10.1.1 with 2 connections, the first c1" in finding.why


def test_one_way_only() -> None:
    lan = Wire()
    through(lan)
    assert judge(lan).found(RULE) == []
    other = Wire()
    trip(direct(other), ask_sealed(5), sealed_reply(5))
    assert judge(other).found(RULE) == []


def test_another_client_goes_directly() -> None:
    lan = Wire()
    through(lan)
    trip(direct(lan, BOB, 50009), ask_sealed(5), sealed_reply(5))
    assert judge(lan).found(RULE) == []


def test_another_server_is_reached_directly() -> None:
    lan = Wire()
    through(lan)
    trip(lan.connect("10.10.1.11", 50009, "10.20.2.21", 5985), ask_sealed(5), sealed_reply(5))
    assert judge(lan).found(RULE) == []


def test_without_the_upstream_leg_the_server_is_not_known() -> None:
    lan = Wire()
    through(lan)
    trip(direct(lan, port=50009), ask_sealed(5), sealed_reply(5))
    assert judge(lan, hosts=(*CLIENT_LEG, SERVER)).found(RULE)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_server_that_never_answered_was_not_reached() -> None:
    lan = Wire()
    through(lan)
    lan.unanswered("10.10.1.11", 50009, SERVER, 5985)
    assert judge(lan).found(RULE) == []
