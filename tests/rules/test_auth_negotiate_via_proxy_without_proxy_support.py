from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, Reply, offer, post, reply
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.negotiate-via-proxy-without-proxy-support"
PROMISE = ("Proxy-Support", "Session-Based-Authentication")


def test_it_works_without_the_promise() -> None:
    lan = Wire()
    first, *_ = proxied_handshake(near_leg(lan), far_leg(lan), ntlm())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.6)
    assert packets(finding) == [*first.near]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert finding.user == "LAB\\alice"
    assert names(finding, first.near.answered)
    assert "None of them failed" in finding.why


def test_it_fails_without_the_promise() -> None:
    lan = Wire()
    handshake(near_leg(lan), ntlm(), target=ABSOLUTE, last=offer())
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert "It failed" in finding.why


def test_spread_over_two_connections_it_is_the_proxys_failure() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), [far_leg(lan), far_leg(lan, 40002), far_leg(lan, 40003)], ntlm(), last=offer())
    assert [finding.severity for finding in judge(lan).found(RULE)] == [Severity.MEDIUM]


def test_kept_together_all_the_way_it_is_not_the_proxys_failure() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm(), last=offer())
    assert judge(lan).one(RULE).severity is Severity.INFO


def test_the_promise_is_there() -> None:
    lan = Wire()
    near, shake = near_leg(lan), ntlm()
    trip(near, post(ABSOLUTE), offer().plus(PROMISE))
    trip(near, post(ABSOLUTE, shake.credentials(0)), shake.challenge().plus(PROMISE))
    trip(near, post(ABSOLUTE, shake.credentials(1)), offer())
    assert judge(lan).found(RULE) == []


def test_reverse_proxies_and_servers_never_promise() -> None:
    lan = Wire()
    near, far, shake = near_leg(lan), far_leg(lan), ntlm()
    answers: tuple[Reply, ...] = (shake.challenge(), reply(200))
    for turn, answer in enumerate(answers):
        proxied(near, far, post(WSMAN, shake.credentials(turn)), answer)
    handshake(direct(lan, port=50009), ntlm(number=2))
    assert judge(lan).found(RULE) == []


def test_a_client_that_does_not_go_on() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), offer())
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_is_needed() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert len(judge(lan, hosts=CLIENT_LEG).found(RULE)) == 1
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
