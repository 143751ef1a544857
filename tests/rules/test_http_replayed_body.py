from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, soap
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Trip, ask_sealed, direct, far_leg, forwarded, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.replayed-body"


def sent_twice(lan: Wire) -> tuple[Trip, list[Trip]]:
    """A sealed request that the proxy sends again on another connection; the client's trip and both of the proxy's."""
    near, asked = near_leg(lan), ask_sealed(0, ABSOLUTE)
    first = near.send(asked)
    fars = [trip(far_leg(lan, 40001), forwarded(asked), reply(503)), trip(far_leg(lan, 40002), forwarded(asked), reply(500))]
    return Trip(first, near.answer(reply(500))), fars


def test_the_proxy_tries_again() -> None:
    lan = Wire()
    own, fars = sent_twice(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.9)
    assert packets(finding) == sorted(number for one in (own, *fars) for number in one)
    assert (finding.connections, finding.exchanges) == (("c1", "c2", "c3"), ("c1.x1", "c2.x1", "c3.x1"))
    assert names(finding, own.asked, fars[0].asked)
    assert "sent it to the server twice, as c2.x1, c3.x1" in finding.why
    assert "The answers were 503, 500" in finding.why


def test_the_client_itself_tries_again() -> None:
    lan = Wire()
    near = near_leg(lan)
    for place in (1, 2):
        proxied(near, far_leg(lan, 40000 + place), ask_sealed(0, ABSOLUTE), reply(500))
    assert judge(lan).found(RULE) == []


def test_requests_of_their_own() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    for number in range(3):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    assert judge(lan).found(RULE) == []


def test_readable_requests_may_be_equal() -> None:
    lan = Wire()
    near, asked = near_leg(lan), post(ABSOLUTE, content=soap())
    near.send(asked)
    for place in (1, 2):
        trip(far_leg(lan, 40000 + place), forwarded(asked), reply(503))
    near.answer(reply(503))
    assert judge(lan).found(RULE) == []


def test_without_a_proxy_it_is_the_clients_doing() -> None:
    lan = Wire()
    talk = direct(lan)
    for _ in range(2):
        trip(talk, ask_sealed(0), reply(500))
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    sent_twice(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
