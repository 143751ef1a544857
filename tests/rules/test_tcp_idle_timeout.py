import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import offer, reply, sealed
from tests.build.talk_proxy import UPSTREAM_LEG, ask_sealed, direct, far_leg, handshake, near_leg, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.idle-timeout"


def dropped(lan: Wire, port: int, idle: float, *, by_reset: bool = False) -> tuple[int, int]:
    """A session that the server ends after so many seconds; the packets of its last request and of what ended it."""
    talk = direct(lan, port=port)
    handshake(talk, ntlm(number=port))
    last = trip(talk, ask_sealed(0), sealed_reply(0))
    return last.asked, talk.reset_by_server(idle) if by_reset else talk.close_by_server(idle)


def test_two_connections_end_after_four_minutes() -> None:
    lan = Wire()
    ends = [dropped(lan, 50001, 240.1), dropped(lan, 50002, 239, by_reset=True)]

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.7)
    assert {number for end in ends for number in end} <= set(packets(finding))
    assert (finding.connections, finding.exchanges) == (("c1", "c2"), ("c1.x4", "c2.x4"))
    assert names(finding, ends[0][1])
    assert "2 connections of 10.10.1.11 to 10.20.2.20:5985 were ended after about 240 s without data" in finding.why


def test_a_message_for_the_connection_that_is_gone_fails_on_the_next_one() -> None:
    """What pywinrm does: the message that it sealed before it saw the close is sent on a new connection, and again with the new handshake's last token."""
    lan = Wire()
    _, closed = dropped(lan, 50001, 1.2)
    lan.wait(0.8)
    talk = direct(lan, port=50002)
    first = trip(talk, ask_sealed(1), offer())
    *_, last = handshake(talk, ntlm(number=2), content=sealed(1), last=reply(400))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, 0.9)
    assert finding.connections == ("c1", "c2")
    assert finding.exchanges == ("c1.x4", "c2.x1", "c2.x4")
    assert finding.user == "LAB\\alice"
    assert {closed, first.asked, last.answered} <= set(packets(finding))
    assert names(finding, closed, first.asked, last.answered)
    assert "after 1.2 s without data" in finding.why


def test_a_new_connection_that_works_is_no_loss() -> None:
    lan = Wire()
    dropped(lan, 50001, 1.2)
    talk = direct(lan, port=50002)
    trip(talk, ask_sealed(1), offer())
    handshake(talk, ntlm(number=2), content=sealed(0), last=reply(200, content=sealed(0, by="server")))
    assert judge(lan).found(RULE) == []


def test_a_wrong_password_after_a_pause_is_another_matter() -> None:
    """The new connection begins with a handshake: the client knows that it has to."""
    lan = Wire()
    dropped(lan, 50001, 1.2)
    handshake(direct(lan, port=50002), ntlm(number=2), last=offer())
    assert judge(lan).found(RULE) == []


def test_a_close_right_after_the_last_answer_is_no_pause() -> None:
    lan = Wire()
    dropped(lan, 50001, 0.5)
    trip(direct(lan, port=50002), ask_sealed(1), reply(400))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize("times", [(240,), (240, 60), (200, 200), (5, 5)])
def test_once_or_not_at_a_round_time(times: tuple[float, ...]) -> None:
    lan = Wire()
    for place, idle in enumerate(times):
        dropped(lan, 50001 + place, idle)
    assert judge(lan).found(RULE) == []


def test_a_client_that_closes_itself() -> None:
    lan = Wire()
    for port in (50001, 50002):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port))
        talk.close_by_client(120)
    assert judge(lan).found(RULE) == []


def test_connections_that_were_never_authenticated() -> None:
    lan = Wire()
    for port in (50001, 50002):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port), last=offer())
        talk.close_by_server(120)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_is_not_the_clients() -> None:
    lan = Wire()
    for place in (1, 2):
        near, far = near_leg(lan, port=50000 + place), far_leg(lan, 40000 + place)
        proxied_handshake(near, far, ntlm(number=place))
        lan.wait(120)
        far.close_by_server()
    assert judge(lan).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


@pytest.mark.parametrize("usual", [60, 120, 180, 240, 300, 600, 900, 1800, 3600])
@pytest.mark.parametrize(("share", "told"), [(0.9801, True), (0.9799, False), (1.0199, True), (1.0201, False)])
def test_every_usual_time_and_its_tolerance(usual: int, share: float, told: object) -> None:
    lan = Wire()
    for port in (50001, 50002):
        dropped(lan, port, usual * share)
    assert bool(judge(lan).found(RULE)) is told
