import pytest

from analyzer.records.finding import Severity
from tests.build.talk_prefaces import login, reply4, request4, socks5
from tests.build.talk_proxy import ALICE, PROXY, ask_sealed, sealed_reply, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names

RULE = "proxy.socks-refused"


@pytest.mark.parametrize(
    ("reply", "words", "owner"),
    [
        (2, "not_allowed_by_ruleset", "proxy"),
        (4, "host_unreachable", "proxy"),
        (5, "connection_refused", "server"),
        (77, "reply_77", "proxy"),
    ],
)
def test_the_reply_and_its_meaning(reply: int, words: str, owner: str) -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    _, answered = socks5(talk, reply=reply)
    talk.close_by_server()

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.owner) == (Severity.MEDIUM, owner)
    assert words in finding.title
    assert names(finding, answered)
    assert f"(code {reply})" in finding.why
    assert "srv01.lab.example:5985" in finding.why


def test_socks_4() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    talk.exchange(request4("10.20.2.20", 5986), reply4(91))
    talk.close_by_server()
    assert "rejected_or_failed" in judge(lan).one(RULE).title


def test_requests_with_two_replies_are_two_findings() -> None:
    lan = Wire()
    for port, reply in ((50001, 1), (50002, 5), (50003, 1)):
        socks5(lan.connect(ALICE, port, PROXY, 1080), reply=reply)
    assert [len(finding.connections) for finding in judge(lan).found(RULE)] == [2, 1]


def test_a_refused_logon_before_a_destination_is_known() -> None:
    """Nothing tells that this is about WinRM, so nothing is said."""
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    talk.exchange(b"\x05\x01\x02", b"\x05\x02")
    talk.exchange(login("alice", "x"), b"\x01\x01")
    talk.close_by_server()
    assert judge(lan).findings == ()


def test_a_granted_request() -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, PROXY, 1080)
    socks5(talk)
    trip(talk, ask_sealed(1), sealed_reply(1))
    assert judge(lan).found(RULE) == []
