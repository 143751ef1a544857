from analyzer.records.finding import Severity
from analyzer.records.story import Certainty
from tests.build.talk_http import ABSOLUTE, WSMAN, html, offer, post, reply
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "capture.one-leg"


def session() -> Wire:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(0, ABSOLUTE), sealed_reply(0))
    return lan


def test_the_clients_leg_alone() -> None:
    finding = judge(session(), hosts=CLIENT_LEG).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.INFO, 1.0)
    assert packets(finding) == [1]
    assert finding.connections == ("c1",)
    assert names(finding, 1)
    assert "1 connection of 10.10.1.11 to 10.10.1.1:3128 goes through a proxy. Only one side (the client's side)" in finding.why


def test_the_upstream_leg_alone() -> None:
    finding = judge(session(), hosts=UPSTREAM_LEG).one(RULE)
    assert "Only one side (the server side)" in finding.why
    assert finding.confidence == 0.5
    assert "claims to come from a proxy, by a field such as Via or X-Forwarded-For. Any sender can write such a field." in finding.why


def test_a_client_that_writes_the_field_itself_is_no_proof() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0).plus(("Via", "1.1 nobody")), sealed_reply(0))
    done = judge(lan)
    assert "claims to come from a proxy" in done.one(RULE).why
    (issue,) = (one for one in done.evidence.issues if one.code == "proxy.one-leg")
    assert "which any sender can write" in issue.detail
    assert all(party.certainty is not Certainty.PROVED for party in done.evidence.story.parties)


def test_one_finding_for_a_place_whoever_asks_there() -> None:
    lan = Wire()
    for host, port in (("10.10.1.11", 50001), (BOB, 50002)):
        trip(near_leg(lan, host, port), ask_sealed(0, ABSOLUTE, by=host), sealed_reply(0))

    done = judge(lan)
    finding = done.one(RULE)

    assert finding.connections == ("c1", "c2")
    assert "2 connections of 2 clients to 10.10.1.1:3128 go through a proxy." in finding.why
    first, last = (done.evidence.connections[identity] for identity in ("c1", "c2"))
    assert first.last_ns < last.first_ns
    assert (finding.first_ns, finding.last_ns) == (first.first_ns, last.last_ns)


def test_what_is_only_claimed_is_said_apart() -> None:
    lan = Wire()
    trip(far_leg(lan), ask_sealed(0, WSMAN).plus(("Via", "1.1 proxy")), sealed_reply(0))
    proxied(near_leg(lan), far_leg(lan, 40002), ask_sealed(0, ABSOLUTE, by="other"), sealed_reply(0))
    assert judge(lan).found(RULE) == []  # that host was seen to forward
    trip(direct(lan, "10.20.2.99"), ask_sealed(0, WSMAN, by="third").plus(("Via", "1.1 nobody")), sealed_reply(0))
    assert [finding.confidence for finding in judge(lan).found(RULE)] == [0.5]


def test_both_legs() -> None:
    assert judge(session()).found(RULE) == []


def test_no_proxy() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_refuses_by_itself_has_no_other_leg() -> None:
    lan = Wire()
    trip(near_leg(lan), ask_sealed(0, ABSOLUTE), reply(403, content=html()))
    assert judge(lan).found(RULE) == []


def test_legs_that_could_not_be_told_apart() -> None:
    lan = Wire()
    nears = near_leg(lan), near_leg(lan, BOB, 50002)
    fars = far_leg(lan), far_leg(lan, 40002)
    for near in nears:
        near.send(post(ABSOLUTE))
    for far in fars:
        far.exchange(post(WSMAN, ("Via", "1.1 proxy")), offer())
    for near in nears:
        near.answer(offer())
    assert judge(lan).found(RULE) == []
