from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from analyzer.records.story import Outcome, Wanted
from tests.build.talk_http import IDENTIFY, html, offer, post, reply
from tests.build.talk_proxy import ask_sealed, direct, handshake, near_leg, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.request-failed"


def test_an_error_of_the_server() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    one = trip(talk, ask_sealed(1), reply(418, content=html("<title>Teapot</title>")))

    judged = judge(lan)
    (finding,) = judged.found(RULE)

    assert finding.title == "The last request failed: status 418 from server 10.20.2.20"
    assert finding.severity is Severity.MEDIUM
    assert finding.owner == "server"
    assert set(packets(finding)) == {*one}
    assert names(finding, one.answered)
    assert "No later request of this client to this service succeeded." in finding.why
    (failure,) = judged.evidence.story.failures
    assert (failure.wanted, failure.outcome, failure.status) == (Wanted.REQUEST, Outcome.ERROR_BY_SERVER, 418)


def test_a_later_success_is_no_failure() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    trip(talk, ask_sealed(1), reply(418))
    trip(talk, ask_sealed(2), sealed_reply(2))
    judged = judge(lan)
    assert RULE not in judged.rules
    assert judged.evidence.story.failures == ()


def test_the_first_step_of_a_logon_is_no_failure() -> None:
    lan = Wire()
    handshake(direct(lan), ntlm())
    assert judge(lan).evidence.story.failures == ()


def test_a_capture_that_ends_in_the_middle_is_no_failure() -> None:
    lan = Wire()
    talk = direct(lan)
    handshake(talk, ntlm())
    talk.send(ask_sealed(1))
    judged = judge(lan)
    assert RULE not in judged.rules
    assert judged.evidence.story.failures == ()


def test_a_401_at_the_end_of_the_capture_is_no_failure() -> None:
    lan = Wire()
    trip(direct(lan), post(), offer("Negotiate"))
    assert judge(lan).evidence.story.failures == ()


def test_a_client_that_leaves_when_it_is_asked_to_log_on() -> None:
    lan = Wire()
    talk = direct(lan)
    one = trip(talk, post(), offer("Negotiate"))
    talk.close_by_client()

    finding = judge(lan).one(RULE)

    assert finding.title == "Client did not log on when server 10.20.2.20 asked for it (401)"
    assert finding.severity is Severity.LOW
    assert names(finding, one.answered)


def test_a_client_that_only_looks_whether_a_server_is_there() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=IDENTIFY), offer("Negotiate"))
    talk.close_by_client()
    assert judge(lan).evidence.story.failures == ()


def test_connections_that_never_came_up() -> None:
    lan = Wire()
    lan.refused("10.10.1.11", 50001, "10.20.2.20", 5985)
    judged = judge(lan)
    (failure,) = judged.evidence.story.failures
    assert (failure.wanted, failure.outcome) == (Wanted.CONNECTION, Outcome.RESET)
    (finding,) = judged.found(RULE)
    assert finding.title == "Connections to server 10.20.2.20 never came up"
    assert RULE not in judged.rules


def test_an_answer_of_a_proxy_whose_other_side_is_not_there() -> None:
    lan = Wire()
    trip(near_leg(lan), post(), reply(418, ("Via", "1.1 proxy (squid/5.7)")))
    (finding,) = judge(lan).found(RULE)
    assert finding.owner == "proxy"
    assert "where it stopped is not known" in finding.why
    assert finding.advice.startswith("Capture both sides of the proxy")


def test_what_another_rule_explains_is_told_once() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(404, content=html()))
    judged = judge(lan)
    assert RULE not in judged.rules
    assert judged.found(RULE)
    assert len(judged.evidence.story.failures) == 1


@pytest.mark.parametrize("sample", ["squid-ntlm-healthy", "lost-by-the-capture", "https-direct", "midstream-start"])
def test_healthy_traffic_has_no_failure(sample: str) -> None:
    from tests.rules.judging import judge_files

    folder = Path(__file__).parents[2] / "sample_pcaps" / sample
    assert judge_files(sorted(folder.glob("*.pcap*"))).evidence.story.failures == ()
