from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, reply, sealed
from tests.build.talk_proxy import BOB, CLIENT_LEG, UPSTREAM_LEG, Hop, far_leg, near_leg, proxied, proxied_handshake
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.handshake-interleaved"


def mixed(lan: Wire) -> tuple[Hop, Hop, Hop]:
    """Alice's challenge, bob's challenge, alice's answer: all on one upstream connection."""
    alice, bob, far = near_leg(lan), near_leg(lan, BOB, 50002), far_leg(lan)
    hers, his = ntlm(), ntlm("bob")
    return (
        proxied(alice, far, post(ABSOLUTE, hers.credentials(0)), hers.challenge()),
        proxied(bob, far, post(ABSOLUTE, his.credentials(0)), his.challenge()),
        proxied(alice, far, post(ABSOLUTE, hers.credentials(1)), offer()),
    )


def test_another_clients_token_comes_before_the_handshake_is_over() -> None:
    lan = Wire()
    mine, other, _ = mixed(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 1.0)
    assert packets(finding) == sorted([*mine.far, *other.far])
    assert finding.connections == ("c3", "c1", "c2")
    assert finding.exchanges == ("c3.x1", "c3.x2", "c1.x1", "c2.x1")
    assert finding.user == "LAB\\alice"
    assert names(finding, mine.far.asked, other.far.asked)


def test_one_handshake_after_the_other() -> None:
    lan = Wire()
    far = far_leg(lan)
    proxied_handshake(near_leg(lan), far, ntlm())
    proxied_handshake(near_leg(lan, BOB, 50002), far, ntlm("bob"))
    assert judge(lan).found(RULE) == []


def test_a_handshake_that_the_client_gave_up_leaves_the_connection_free() -> None:
    lan = Wire()
    alice, far = near_leg(lan), far_leg(lan)
    proxied(alice, far, post(ABSOLUTE, ntlm().credentials(0)), ntlm().challenge())
    alice.close_by_client()
    proxied_handshake(near_leg(lan, BOB, 50002), far, ntlm("bob"))
    assert judge(lan).found(RULE) == []


def test_two_handshakes_at_once_on_two_connections() -> None:
    lan = Wire()
    alice, bob, fars = near_leg(lan), near_leg(lan, BOB, 50002), (far_leg(lan), far_leg(lan, 40002))
    hers, his = ntlm(), ntlm("bob")
    for turn, answers in enumerate(((hers.challenge(), his.challenge()), (reply(200), reply(200)))):
        proxied(alice, fars[0], post(ABSOLUTE, hers.credentials(turn)), answers[0])
        proxied(bob, fars[1], post(ABSOLUTE, his.credentials(turn)), answers[1])
    assert judge(lan).found(RULE) == []


def test_another_clients_request_without_a_token_is_another_matter() -> None:
    lan = Wire()
    alice, bob, far, shake = near_leg(lan), near_leg(lan, BOB, 50002), far_leg(lan), ntlm()
    proxied(alice, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    proxied(bob, far, post(ABSOLUTE, content=sealed(9, by="bob")), offer())
    proxied(alice, far, post(ABSOLUTE, shake.credentials(1)), offer())
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_whose_tokens_they_are() -> None:
    lan = Wire()
    mixed(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []
