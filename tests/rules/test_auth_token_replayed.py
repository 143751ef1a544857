from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, WSMAN, post, reply
from tests.build.talk_proxy import BOB, direct, far_leg, forwarded, handshake, near_leg, proxied, proxied_handshake, trip
from tests.build.talk_tokens import basic, kerberos, ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.token-replayed"
TICKET = post(WSMAN, kerberos().credentials(0))
DONE = reply(200, *kerberos().last_token)


def test_a_ticket_is_used_by_somebody_else() -> None:
    lan = Wire()
    first = trip(direct(lan), TICKET, DONE)
    lan.wait(3)
    second = trip(direct(lan, BOB, 50002), TICKET, DONE)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert packets(finding) == [*first, *second]
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x1", "c2.x1"))
    assert finding.attack == ("T1550",)
    assert names(finding, first.asked, second.asked)
    assert "The same Kerberos ticket was used on c1" in finding.why
    assert "3.0 s later" in finding.why


def test_an_ntlm_answer_as_well() -> None:
    lan = Wire()
    for port in (50001, 50002):
        handshake(direct(lan, port=port), ntlm())
    assert "The same NTLM authenticate message" in judge(lan).one(RULE).why


def test_tickets_of_their_own() -> None:
    lan = Wire()
    for number in (1, 2):
        shake = kerberos(number)
        trip(direct(lan, port=50000 + number), post(WSMAN, shake.credentials(0)), reply(200, *shake.last_token))
    assert judge(lan).found(RULE) == []


def test_twice_on_one_connection_is_no_replay() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, TICKET, DONE)
    trip(talk, TICKET, DONE)
    assert judge(lan).found(RULE) == []


def test_a_first_use_without_answer_was_a_broken_connection() -> None:
    lan = Wire()
    talk = direct(lan)
    talk.send(TICKET)
    talk.reset_by_server()
    trip(direct(lan, port=50002), TICKET, DONE)
    assert judge(lan).found(RULE) == []


def test_passwords_are_always_the_same() -> None:
    lan = Wire()
    for port in (50001, 50002):
        trip(direct(lan, port=port), post(WSMAN, basic()), reply(200))
    assert judge(lan).found(RULE) == []


def test_the_first_message_of_ntlm_is_no_proof() -> None:
    lan = Wire()
    for port, shake in ((50001, ntlm()), (50002, ntlm())):
        trip(direct(lan, port=port), post(WSMAN, shake.credentials(0)), shake.challenge())
    assert judge(lan).found(RULE) == []


def test_the_legs_of_one_handshake() -> None:
    lan = Wire()
    proxied_handshake(near_leg(lan), far_leg(lan), ntlm())
    assert judge(lan).found(RULE) == []


def test_a_proxy_that_sends_one_request_twice_is_another_rules() -> None:
    lan = Wire()
    near, asked = near_leg(lan), post(ABSOLUTE, kerberos().credentials(0))
    near.send(asked)
    trip(far_leg(lan, 40001), forwarded(asked), reply(503))
    trip(far_leg(lan, 40002), forwarded(asked), DONE)
    near.answer(DONE)
    assert judge(lan).found(RULE) == []


def test_two_clients_of_a_proxy_with_one_ticket() -> None:
    lan = Wire()
    asked = post(ABSOLUTE, kerberos().credentials(0))
    proxied(near_leg(lan), far_leg(lan), asked, DONE)
    lan.wait(5)
    proxied(near_leg(lan, BOB, 50002), far_leg(lan, 40002), asked, DONE)
    assert len(judge(lan).found(RULE)) >= 1


def test_on_the_server_side_alone_a_proxy_may_have_sent_it_twice() -> None:
    lan = Wire()
    for place in (0, 1):
        trip(far_leg(lan, 40001 + place), forwarded(TICKET), DONE)
    assert judge(lan).found(RULE) == []
