"""Which exchange of the client's leg is which of the upstream leg, from transcripts of both."""

import pytest

from analyzer.records.proxy import Hop
from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Field, offer, post, reply, sealed, soap
from tests.build.talk_proxy import (
    BOB,
    PROXY,
    PROXY_FAR,
    SERVER,
    ask_sealed,
    direct,
    far_leg,
    forwarded,
    near_leg,
    proxied,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import basic, handmade, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge
from tests.unit.auth.builders import ntlm1, ntlm2, ntlm3

CHALLENGE_AT = 24
"""Where ServerChallenge stands in message 2 (MS-NLMP 2.2.1.2)."""


def pairs(judged: Judged) -> list[tuple[str, str]]:
    return [(hop.near, hop.far) for hop in judged.evidence.hops]


def only(judged: Judged) -> Hop:
    (hop,) = judged.evidence.hops
    return hop


def ambiguous(judged: Judged) -> list[str | None]:
    return [issue.record for issue in judged.evidence.issues if issue.code == "proxy.ambiguous"]


def test_a_handshake_and_what_follows() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    judged = judge(lan)
    assert pairs(judged) == [("c1.x1", "c2.x1"), ("c1.x2", "c2.x2"), ("c1.x3", "c2.x3"), ("c1.x4", "c2.x4")]
    assert [hop.bases[0] for hop in judged.evidence.hops] == ["headers", "token", "token", "body_digest"]
    assert [hop.confidence for hop in judged.evidence.hops] == [0.8, 1.0, 1.0, 1.0]


def test_a_bare_401_alone_is_told_by_time_only() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), offer())
    assert (only(judge(lan)).bases, only(judge(lan)).confidence) == (("headers", "timing"), 0.6)


def test_a_message_id_tells_it_where_the_proxy_changed_the_envelope() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, content=soap())
    changed = forwarded(post(ABSOLUTE, content=soap()._replace(body=soap().body.replace(b"<s:Body>", b"<s:Body> "))))
    proxied(near_leg(lan), lan.connect(PROXY, 40001, SERVER, 5985), asked, reply(200), onward=changed)
    assert (only(judge(lan)).bases, only(judge(lan)).confidence) == (("message_id", "addresses"), 0.95)


def test_the_delay_is_what_the_request_took_to_go_on() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    lan.wait(0.25)
    far.exchange(forwarded(asked), sealed_reply(1))
    near.answer(sealed_reply(1))
    assert only(judge(lan)).delay_ns == 250_000_000 + lan.step_ns


@pytest.mark.parametrize(
    ("asked", "went", "changes"),
    [
        (("A", "1"), ("A", "2"), "~A"),
        (("A", "1"), ("B", "1"), "-A"),
        (("A", "1"), ("B", "1"), "+B"),
    ],
)
def test_what_the_proxy_changed_in_the_request(asked: Field, went: Field, changes: str) -> None:
    lan = Wire()
    before, after = ask_sealed(1, ABSOLUTE).plus(asked), ask_sealed(1).plus(went)
    proxied(near_leg(lan), far_leg(lan), before, sealed_reply(1), onward=after, back=sealed_reply(1))
    assert changes in only(judge(lan)).header_changes


def test_what_the_proxy_changed_in_the_response() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), sealed_reply(1).plus(("X", "1")), back=sealed_reply(1).plus(("Y", "1")))
    assert {"<-X", "<+Y"} <= set(only(judge(lan)).header_changes)


def test_two_clients_whose_first_messages_are_equal() -> None:
    lan = Wire()
    nears, fars = (near_leg(lan), near_leg(lan, BOB, 50002)), (far_leg(lan), far_leg(lan, 40002))
    second = ntlm2()
    other = second[:CHALLENGE_AT] + b"\xff" * 8 + second[CHALLENGE_AT + 8 :]
    shakes = [handmade(ntlm1(), challenge, ntlm3(b"a\0")) for challenge in (second, other)]
    for near, shake in zip(nears, shakes, strict=True):
        near.send(post(ABSOLUTE, shake.credentials(0)))
    for far, shake in zip(reversed(fars), reversed(shakes), strict=True):
        far.exchange(post(WSMAN, shake.credentials(0), ("Via", "1.1 proxy")), shake.challenge())
    for near, shake in zip(nears, shakes, strict=True):
        near.answer(shake.challenge())
    assert sorted(pairs(judge(lan))) == [("c1.x1", "c3.x1"), ("c2.x1", "c4.x1")]


def test_an_equal_first_message_alone_joins_nothing() -> None:
    """Alice's upstream connection is not captured, nor is the challenge that she got; bob's equal negotiate message must not be taken for hers."""
    lan = Wire()
    alice, bob, far = near_leg(lan), near_leg(lan, BOB, 50002), far_leg(lan)
    first = post(ABSOLUTE, handmade(ntlm1(), ntlm2(), b"").credentials(0))
    alice.send(first)
    alice.answer(handmade(ntlm1(), ntlm2(), b"").challenge(), captured=False)
    lan.wait(5)
    bob.send(first)
    far.exchange(forwarded(first), handmade(ntlm1(), ntlm2(), b"").challenge())
    bob.answer(handmade(ntlm1(), ntlm2(), b"").challenge())
    trip(alice, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert pairs(judge(lan)) == [("c2.x1", "c3.x1")]


def test_two_clients_of_one_proxy_are_not_each_others_upstream() -> None:
    lan = Wire()
    alice, bob = near_leg(lan), near_leg(lan, BOB, 50002)
    first = post(ABSOLUTE, handmade(ntlm1(), ntlm2(), b"").credentials(0))
    alice.send(first)
    alice.answer(handmade(ntlm1(), ntlm2(), b"").challenge(), captured=False)
    bob.exchange(first, handmade(ntlm1(), ntlm2(), b"").challenge())
    trip(alice, ask_sealed(1, ABSOLUTE), sealed_reply(1))
    assert pairs(judge(lan)) == []


def test_two_equal_exchanges_at_once_are_ambiguous_and_not_guessed() -> None:
    lan = Wire()
    nears, fars = (near_leg(lan), near_leg(lan, BOB, 50002)), (far_leg(lan), far_leg(lan, 40002))
    for near in nears:
        near.send(post(ABSOLUTE))
    for far in fars:
        far.exchange(post(WSMAN, ("Via", "1.1 proxy")), offer())
    for near in nears:
        near.answer(offer())
    judged = judge(lan)
    assert pairs(judged) == []
    assert ambiguous(judged)


def test_the_same_body_twice_on_one_connection() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    for _ in range(2):
        proxied(near, far, ask_sealed(7, ABSOLUTE), reply(400))
    assert pairs(judge(lan)) == [("c1.x1", "c2.x1"), ("c1.x2", "c2.x2")]


def test_a_request_that_the_proxy_repeats_has_two_far_sides() -> None:
    lan = Wire()
    near, dead, alive = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    dead.send(forwarded(asked))
    dead.reset_by_server()
    alive.exchange(forwarded(asked), sealed_reply(1))
    near.answer(sealed_reply(1))
    judged = judge(lan)
    assert pairs(judged) == [("c1.x1", "c2.x1"), ("c1.x1", "c3.x1")]
    assert judged.evidence.near["c1.x1"].far == "c3.x1"


def test_two_proxies_in_a_row() -> None:
    lan = Wire()
    first, middle, last = near_leg(lan), lan.connect(PROXY_FAR, 40001, "10.20.2.5", 3128), lan.connect("10.20.3.5", 41001, "10.20.3.20", 5985)
    asked = ask_sealed(1, ABSOLUTE)
    first.send(asked)
    middle.send(asked.plus(("Via", "1.1 a")))
    last.send(forwarded(asked).plus(("Via", "1.1 a, 1.1 b")))
    for talk in (last, middle, first):
        talk.answer(sealed_reply(1))
    assert pairs(judge(lan)) == [("c1.x1", "c2.x1"), ("c2.x1", "c3.x1")]


def test_an_answer_of_the_proxy_itself_still_belongs_to_the_request_that_went_on() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    asked = ask_sealed(1, ABSOLUTE)
    near.send(asked)
    far.exchange(forwarded(asked), sealed_reply(1))
    near.answer(reply(502))
    assert pairs(judge(lan)) == [("c1.x1", "c2.x1")]


@pytest.mark.parametrize("field", [("User-Agent", "Python WinRM client"), ("Host", "srv02.lab.example:5985")])
def test_another_clients_direct_request_at_the_same_time_is_no_leg(field: Field) -> None:
    lan = Wire()
    near, other = near_leg(lan), direct(lan, BOB, 50002)
    near.send(post(ABSOLUTE))
    trip(other, post().without(field[0]).plus(field), offer())
    near.answer(offer())
    assert pairs(judge(lan)) == []


def test_the_same_credentials_from_two_clients_are_no_hop() -> None:
    lan = Wire()
    trip(direct(lan), Ask("POST", WSMAN, (kerberos().credentials(0), ("Content-Length", "0"))), reply(200))
    lan.wait(1)
    trip(direct(lan, BOB, 50002), Ask("POST", WSMAN, (kerberos().credentials(0), ("Content-Length", "0"))), reply(200))
    assert pairs(judge(lan)) == []


def test_a_large_body_in_many_packets() -> None:
    lan = Wire()
    content = sealed(1, size=40_000)
    proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE, content=content), sealed_reply(1))
    assert only(judge(lan)).bases == ("body_digest",)


@pytest.mark.parametrize("number", [1, 2])
def test_one_credential_does_not_make_one_message_of_two(number: int) -> None:
    """Basic is the same in every request. The answer on the client's leg and the request before it on the upstream leg were lost."""
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    near.send(post(ABSOLUTE, basic(), content=soap(number=1)))
    far.exchange(forwarded(post(ABSOLUTE, basic(), content=soap(number=number))), reply(200, content=soap("CreateResponse", 9)))
    near.answer(reply(200), captured=False)
    trip(near, post(ABSOLUTE, content=soap(number=3)), reply(200))
    judged = judge(lan)
    assert pairs(judged) == ([("c1.x1", "c2.x1")] if number == 1 else [])
    assert "enc.body-modified" not in judged.rules


def test_a_repeated_token_is_a_weak_basis() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, basic())
    near, far = near_leg(lan), lan.connect(PROXY, 40001, SERVER, 5985)
    near.send(asked)
    far.exchange(forwarded(asked), reply(200))
    near.answer(reply(200))
    assert (only(judge(lan)).bases, only(judge(lan)).confidence) == (("repeated_token", "addresses"), 0.9)
