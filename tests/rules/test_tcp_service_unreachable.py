import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import ALICE, CLIENT_LEG, PROXY_FAR, SERVER, WINRM_PORT, ask_sealed, direct, near_leg, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.service-unreachable"


def test_the_port_is_closed() -> None:
    lan = Wire()
    syn = lan.refused(ALICE, 50001, SERVER, WINRM_PORT)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert packets(finding) == [syn, syn + 1]
    assert finding.connections == ("c1",)
    assert finding.exchanges == ()
    assert finding.user is None
    assert finding.destination == "10.20.2.20:5985"
    assert names(finding, syn, syn + 1)
    assert "1 refused by RST, 0 unanswered" in finding.why


def test_nobody_answers() -> None:
    lan = Wire()
    syn = lan.unanswered(ALICE, 50001, SERVER, WINRM_PORT)
    lan.wait(3)
    trip(direct(lan, "10.10.1.12", 50002), ask_sealed(1), sealed_reply(1))
    finding = judge(lan).one(RULE)
    assert finding.confidence == 0.7
    assert packets(finding) == [syn, syn + 2]
    assert "0 refused by RST, 1 unanswered" in finding.why


def test_the_proxys_answer_to_its_client_is_told_with_it() -> None:
    lan = Wire()
    near = near_leg(lan)
    asked = near.send(post(ABSOLUTE))
    syn = lan.refused(PROXY_FAR, 40001, SERVER, WINRM_PORT)
    answered = near.answer(reply(503, ("Via", "1.1 proxy"), content=html()))
    finding = judge(lan).one(RULE)
    assert packets(finding) == [asked, syn, syn + 1, answered]
    assert finding.connections == ("c2", "c1")
    assert finding.exchanges == ("c1.x1",)
    assert names(finding, syn, answered)
    assert "the proxy answered 1 request with 503" in finding.why


def test_many_servers_of_one_client_are_one_finding() -> None:
    lan = Wire()
    for last in range(5):
        lan.refused(ALICE, 50001 + last, f"10.20.2.{30 + last}", WINRM_PORT)
    assert "5 connection attempts" in judge(lan).one(RULE).why


def sweep(lan: Wire, servers: int) -> None:
    """One client tries the port of many servers, all of which refuse it."""
    for last in range(servers):
        lan.refused(ALICE, 50001 + last, f"10.20.2.{30 + last}", WINRM_PORT)


@pytest.mark.parametrize(("servers", "told"), [(15, False), (16, True)])
def test_a_client_that_fails_at_very_many_servers_is_asked_about_not_the_servers(servers: int, told: bool) -> None:  # noqa: FBT001
    lan = Wire()
    sweep(lan, servers)
    found = judge(lan)
    finding = found.one(RULE)
    assert (finding.title == f"10.10.1.11 finds no WinRM on {servers} servers") is told
    assert ("An inventory or a port scan looks like this" in finding.why) is told
    assert finding.advice.startswith("Ask who runs 10.10.1.11") is told
    assert finding.severity is Severity.MEDIUM
    assert "tcp.midstream" not in {issue.code for issue in found.evidence.issues}, "what refuses a SYN sends none"


def test_a_service_that_answers_a_moment_later() -> None:
    lan = Wire()
    lan.refused(ALICE, 50001, SERVER, WINRM_PORT)
    lan.wait(10)
    trip(direct(lan, port=50002), ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_an_attempt_at_the_end_of_the_capture_may_still_be_answered() -> None:
    lan = Wire()
    lan.unanswered(ALICE, 50001, SERVER, WINRM_PORT, tries=2)
    assert judge(lan).found(RULE) == []


def test_one_syn_alone_may_have_lost_its_answer() -> None:
    lan = Wire()
    lan.unanswered(ALICE, 50001, SERVER, WINRM_PORT, tries=1)
    lan.wait(10)
    trip(direct(lan, "10.10.1.12", 50002), ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_another_port_is_no_winrm() -> None:
    lan = Wire()
    lan.refused(ALICE, 50001, SERVER, 445)
    trip(direct(lan, "10.10.1.12", 50002), ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []


def test_a_reset_of_an_open_connection_is_another_matter() -> None:
    lan = Wire()
    direct(lan).reset_by_server()
    assert judge(lan).found(RULE) == []


def test_the_clients_leg_alone_does_not_show_what_the_proxy_met() -> None:
    lan = Wire()
    near = near_leg(lan)
    near.send(post(ABSOLUTE))
    lan.refused(PROXY_FAR, 40001, SERVER, WINRM_PORT)
    near.answer(reply(503, content=html()))
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []


def test_a_client_that_sent_data_was_answered_outside_of_the_capture() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, SERVER, WINRM_PORT)
    talk.send(ask_sealed(1))
    lan.wait(5)
    talk.send(ask_sealed(2))
    assert judge(lan, hosts=(ALICE,)).found(RULE) == []
