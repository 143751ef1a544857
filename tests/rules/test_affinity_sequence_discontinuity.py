from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, reply, sealed
from tests.build.talk_proxy import (
    BOB,
    CLIENT_LEG,
    UPSTREAM_LEG,
    ask_sealed,
    direct,
    far_leg,
    handshake,
    near_leg,
    proxied,
    proxied_handshake,
    sealed_reply,
    trip,
)
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "affinity.sequence-discontinuity"


def two_clients(lan: Wire) -> int:
    """Alice's second message is followed, on her upstream connection, by one that bob sealed for his; the packet of that one upstream."""
    alice, far = near_leg(lan), far_leg(lan)
    proxied_handshake(alice, far, ntlm())
    for number in (0, 1):
        proxied(alice, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    bob = near_leg(lan, BOB, 50002)
    proxied_handshake(bob, far_leg(lan, 40002), ntlm("bob"))
    return proxied(bob, far, ask_sealed(0, ABSOLUTE, by="bob"), reply(400)).far.asked


def test_a_message_of_another_client_breaks_the_numbering() -> None:
    lan = Wire()
    foreign = two_clients(lan)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.95)
    assert packets(finding) == [foreign]
    assert finding.connections == ("c2", "c3")
    assert finding.exchanges == ("c2.x6",)
    assert finding.user == "LAB\\alice"
    assert names(finding, foreign)
    assert "has number 0 and follows number 1" in finding.why
    assert "The message came from another client: c3" in finding.why


def test_the_servers_side_alone_does_not_tell_whose_message_it_is() -> None:
    lan = Wire()
    two_clients(lan)
    finding = judge(lan, hosts=UPSTREAM_LEG).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.5)
    assert "whose message it is cannot be told" in finding.why
    assert finding.title == "Encrypted messages on c1 do not follow each other"


def test_the_clients_legs_are_in_order() -> None:
    lan = Wire()
    two_clients(lan)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_response_out_of_order_at_a_proxys_client_counts_as_well() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), sealed_reply(0))
    late = proxied(near, far, ask_sealed(1, ABSOLUTE), sealed_reply(2)).near
    finding = judge(lan, hosts=CLIENT_LEG).one(RULE)
    assert finding.severity is Severity.MEDIUM
    assert finding.exchanges == ("c1.x5",)
    assert late.answered


def test_without_a_proxy_nobody_is_accused() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    trip(talk, ask_sealed(2), sealed_reply(2))
    assert judge(lan).found(RULE) == []


def test_a_client_that_numbers_its_own_messages_in_its_own_way() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    for number in (0, 1, 5):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    assert judge(lan).found(RULE) == []


def test_mixed_handshakes_do_not_tell_whose_logon_it_is() -> None:
    lan = Wire()
    near, other, far, shake = near_leg(lan), near_leg(lan, BOB, 50002), far_leg(lan), ntlm()
    proxied(near, far, post(ABSOLUTE, shake.credentials(0)), shake.challenge())
    proxied(other, far, post(ABSOLUTE, ntlm("bob").credentials(0)), ntlm("bob").challenge())
    proxied(near, far, post(ABSOLUTE, shake.credentials(1)), reply(200))
    for number in (0, 5):
        proxied(near, far, ask_sealed(number, ABSOLUTE), sealed_reply(number))
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_numbers_in_order_from_0_or_from_1() -> None:
    lan = Wire()
    for first in (0, 1):
        talk = direct(lan, port=50001 + first)
        handshake(talk, ntlm(number=first))
        for number in range(first, first + 3):
            trip(talk, ask_sealed(number, by=str(first)), sealed_reply(number))
    assert judge(lan).found(RULE) == []


def test_a_new_handshake_begins_a_new_count() -> None:
    lan = Wire()
    talk = direct(lan)
    for again in (1, 2):
        handshake(talk, ntlm(number=again))
        trip(talk, ask_sealed(0, by=str(again)), sealed_reply(0))
        trip(talk, ask_sealed(1, by=str(again)), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_message_that_is_not_captured_explains_the_jump() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    talk.send(ask_sealed(1), captured=False)
    talk.answer(sealed_reply(1), captured=False)
    trip(talk, ask_sealed(2), sealed_reply(2))
    assert judge(lan).found(RULE) == []


def test_without_the_handshake_there_is_no_context_to_break() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, ask_sealed(7), sealed_reply(7))
    trip(talk, ask_sealed(9), sealed_reply(9))
    assert judge(lan).found(RULE) == []


def test_a_message_that_the_client_sends_again_on_a_new_connection() -> None:
    lan = Wire()
    first = direct(lan)
    handshake(first, ntlm())
    trip(first, ask_sealed(0), sealed_reply(0))
    first.send(ask_sealed(1))
    first.reset_by_server()
    second = direct(lan, port=50002)
    handshake(second, ntlm(number=2), content=sealed(1), last=reply(400))
    assert judge(lan).found(RULE) == []
