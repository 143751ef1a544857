from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, soap
from tests.build.talk_proxy import CLIENT_LEG, ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.context-lost"


def test_a_sealed_request_gets_401_right_after_the_handshake() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, done = handshake(talk, ntlm())
    lost = trip(talk, ask_sealed(0), offer())

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert packets(finding) == [*lost]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ("c1.x4",)
    assert finding.user == "LAB\\alice"
    assert names(finding, done.answered, lost.answered)


def test_on_both_legs_the_way_was_the_same() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), offer())
    finding = judge(lan).one(RULE)
    assert (finding.severity, finding.connections) == (Severity.HIGH, ("c1", "c2"))


def test_the_clients_leg_alone_cannot_exclude_a_move() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    proxied(near, far, ask_sealed(0, ABSOLUTE), offer())
    finding = judge(lan, hosts=CLIENT_LEG).one(RULE)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.5)
    assert "a proxy that moved the client to another connection looks the same" in finding.why


def test_a_move_to_another_upstream_connection_is_another_rules() -> None:
    lan = Wire()
    near, far, other = near_leg(lan), far_leg(lan), far_leg(lan, 40002)
    proxied_handshake(near, far, ntlm())
    proxied(near, other, ask_sealed(0, ABSOLUTE), offer())
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "affinity.client-migrates" in judged.rules


def test_fifteen_idle_seconds_are_reason_enough() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(15)
    trip(talk, ask_sealed(0), offer())
    assert judge(lan).found(RULE) == []


def test_a_request_that_is_served() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_a_clear_request_is_refused_for_another_reason() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, post(content=soap()), offer())
    assert judge(lan).found(RULE) == []


def test_a_new_handshake_with_a_sealed_body_in_its_first_request() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0).plus(ntlm(number=2).credentials(0)), ntlm(number=2).challenge())
    assert judge(lan).found(RULE) == []


def test_a_connection_that_was_never_authenticated() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm(), last=offer())
    trip(talk, ask_sealed(0), offer())
    assert judge(lan).found(RULE) == []


def test_a_capture_without_the_handshake_says_nothing() -> None:
    lan = Wire()
    talk = direct(lan)
    *_, done = handshake(talk, ntlm())
    trip(talk, ask_sealed(0), offer())
    assert judge(lan, first=done.answered + 1).found(RULE) == []
