from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post
from tests.build.talk_proxy import CLIENT_LEG, UPSTREAM_LEG, Hop, far_leg, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.challenge-merged"


def merged(near: Talk, far: Talk) -> Hop:
    """A 401 whose two challenges reach the client in one line."""
    return proxied(near, far, post(ABSOLUTE), offer("Negotiate", "Kerberos"), back=offer("Negotiate, Kerberos"))


def gives_up(lan: Wire, place: int = 1) -> Hop:
    near, far = near_leg(lan, port=50000 + place), far_leg(lan, 40000 + place)
    hop = merged(near, far)
    near.close_by_client()
    far.close_by_client()
    return hop


def test_a_client_that_gives_up_three_times() -> None:
    lan = Wire()
    hops = [gives_up(lan, place) for place in (1, 2, 3)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.8)
    assert packets(finding) == sorted(number for hop in hops for trip in hop for number in trip)
    assert finding.connections == ("c1", "c2", "c3", "c4", "c5", "c6")
    assert finding.exchanges == ("c1.x1", "c2.x1", "c3.x1", "c4.x1", "c5.x1", "c6.x1")
    assert names(finding, hops[0].far.answered, hops[0].near.answered)
    assert "had 2 WWW-Authenticate lines: Negotiate, Kerberos (c2.x1, packet 9)" in finding.why


def test_once_is_less_certain() -> None:
    lan = Wire()
    gives_up(lan)
    assert judge(lan).one(RULE).confidence == 0.6


def test_a_client_that_asks_again_in_vain() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    merged(near, far)
    merged(near, far)
    assert judge(lan).one(RULE).exchanges[:2] == ("c1.x1", "c2.x1")


def test_a_client_that_reads_the_joined_line() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    merged(near, far)
    proxied_handshake(near, far, ntlm())
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_a_client_that_authenticates_on_another_connection() -> None:
    lan = Wire()
    gives_up(lan)
    proxied_handshake(near_leg(lan, port=50002), far_leg(lan, 40002), ntlm())
    assert judge(lan).found(RULE) == []


def test_lines_that_stay_apart() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE), offer("Negotiate", "Kerberos"))
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_a_line_that_is_lost_is_another_rules() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE), offer("Negotiate", "Kerberos"), back=offer("Negotiate"))
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_the_server_itself_may_offer_one_line() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied(near, far, post(ABSOLUTE), offer("Negotiate, Kerberos"))
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_without_the_end_of_the_connection_the_client_may_have_gone_on() -> None:
    lan = Wire()
    merged(near_leg(lan), far_leg(lan))
    assert judge(lan).found(RULE) == []


def test_what_the_client_said_next_was_not_captured() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    merged(near, far)
    near.send(post(ABSOLUTE, ntlm().credentials(0)), captured=False)
    near.close_by_client()
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    gives_up(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_probe_that_asks_for_one_answer_gives_nothing_up() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = post(ABSOLUTE).without("Connection").plus(("Connection", "close"))
    proxied(near, far, asked, offer("Negotiate", "Kerberos"), back=offer("Negotiate, Kerberos"))
    near.close_by_client()
    far.close_by_client()
    assert judge(lan).found(RULE) == []
