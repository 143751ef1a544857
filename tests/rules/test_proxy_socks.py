from analyzer.records.finding import Severity
from analyzer.records.story import Kind
from tests.build.talk_prefaces import socks5
from tests.build.talk_proxy import ALICE, PROXY, ask_sealed, direct, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.socks"


def test_the_proxy_and_the_destination_are_named() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    asked, answered = socks5(talk)
    trip(talk, ask_sealed(1), sealed_reply(1))

    judged = judge(lan)
    finding = judged.one(RULE)

    assert finding.severity is Severity.INFO
    assert finding.title == "WinRM runs through the SOCKS proxy 10.10.1.1:1080"
    assert "srv01.lab.example:5985" in finding.why
    assert names(finding, asked)
    assert {asked, answered} <= set(packets(finding))
    assert Kind.SOCKS in {party.kind for party in judged.evidence.story.parties}
    assert {found.severity for found in judged.findings} <= {Severity.INFO, Severity.LOW}


def test_a_direct_connection() -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_refused_request_runs_nowhere() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    socks5(talk, reply=1)
    assert judge(lan).found(RULE) == []
