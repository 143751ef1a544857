from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, offer, post, soap
from tests.build.talk_proxy import UPSTREAM_LEG, Trip, ask_sealed, direct, far_leg, handshake, near_leg, proxied, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "auth.idle-reauth"


def pause(lan: Wire, talk: Talk, seconds: float = 20, number: int = 2) -> tuple[Trip, Trip]:
    """A pause, a sealed request that is refused, and a new handshake; the refused trip and the last of the handshake."""
    lan.wait(seconds)
    lost = trip(talk, ask_sealed(number), offer())
    return lost, handshake(talk, ntlm(number=number))[-1]


def test_a_pause_costs_a_handshake() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(0), sealed_reply(0))
    lost, again = pause(lan, talk)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.8)
    assert packets(finding) == [*lost, *again]
    assert finding.exchanges == ("c1.x5", "c1.x8")
    assert finding.user == "LAB\\alice"
    assert names(finding, lost.asked)
    assert "after 20.0 s" in finding.why


def test_two_pauses_are_one_finding() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    pause(lan, talk, 30, 2)
    pause(lan, talk, 20, 3)
    assert "2 encrypted requests after a pause" in judge(lan).one(RULE).why
    assert "The shortest such pause was 20.0 s" in judge(lan).one(RULE).why


def test_without_a_pause_the_context_is_lost() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    pause(lan, talk, 5)
    judged = judge(lan)
    assert judged.found(RULE) == []
    assert "auth.context-lost" in judged.rules


def test_the_new_handshake_fails() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(20)
    trip(talk, ask_sealed(0), offer())
    handshake(talk, ntlm(number=2), last=offer())
    assert judge(lan).found(RULE) == []


def test_no_new_handshake() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(20)
    trip(talk, ask_sealed(0), offer())
    assert judge(lan).found(RULE) == []


def test_a_readable_request_is_refused_for_another_reason() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    lan.wait(20)
    trip(talk, post(content=soap()), offer())
    handshake(talk, ntlm(number=2))
    assert judge(lan).found(RULE) == []


def test_a_connection_that_was_never_authenticated() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), offer())
    pause(lan, talk)
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_tells_it_where_both_are_known() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    proxied_handshake(near, far, ntlm())
    lan.wait(20)
    proxied(near, far, ask_sealed(0, ABSOLUTE), offer())
    proxied_handshake(near, far, ntlm(number=2))
    assert judge(lan).one(RULE).connections == ("c1",)
    assert judge(lan, hosts=UPSTREAM_LEG).one(RULE).confidence == 0.8
