from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, Ask
from tests.build.talk_proxy import BOB, ask_sealed, direct, far_leg, near_leg, proxied, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "attack.tool-fingerprint"


def by(agent: str, number: int = 0, target: str = "/wsman") -> Ask:
    return ask_sealed(number, target).without("User-Agent").plus(("User-Agent", agent))


def test_two_programs_of_one_host() -> None:
    lan = Wire()
    talk = direct(lan)
    first = trip(talk, by("Python WinRM client"), sealed_reply(0))
    second = trip(talk, by("Ruby WinRM Client (2.8.3)", 1), sealed_reply(1))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.INFO, 0.8)
    assert packets(finding) == [*first, *second]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1", "c1.x2"))
    assert finding.attack == ("T1021.006",)
    assert names(finding, first.asked)
    assert "10.10.1.11 sent 2 WinRM requests with the User-Agent" in finding.why
    assert '"Python WinRM client" (pywinrm, also in Ansible\'s winrm)' in finding.why
    assert '"Ruby WinRM Client (2.8.3)" (WinRb, also in evil-winrm, Chef and Vagrant)' in finding.why


def test_a_program_that_nobody_knows() -> None:
    lan = Wire()
    trip(direct(lan), by("pwn/1"), sealed_reply(0))
    assert 'with the User-Agent "pwn/1". The first' in judge(lan).one(RULE).why


def test_each_host_is_one_finding() -> None:
    lan = Wire()
    trip(direct(lan), by("curl/8.0"), sealed_reply(0))
    trip(direct(lan, BOB, 50002), by("curl/8.0"), sealed_reply(0))
    assert [finding.source for finding in judge(lan).found(RULE)] == ["10.10.1.11", BOB]


def test_windows_and_nameless_programs() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, by("Microsoft WinRM Client"), sealed_reply(0))
    trip(talk, ask_sealed(1).without("User-Agent"), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    proxied(near_leg(lan), far_leg(lan), by("curl/8.0", target=ABSOLUTE), sealed_reply(0))
    assert judge(lan).one(RULE).connections == ("c1",)
