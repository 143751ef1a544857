import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, post, sealed
from tests.build.talk_proxy import Trip, direct, far_leg, near_leg, sealed_reply
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "http.expect-100-stall"
EXPECT = ("Expect", "100-continue")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def asks(talk: Talk, waited: float, *, expects: bool = True, allowed: bool = False, late: bool = False) -> tuple[Trip, int]:
    """A request whose body comes after so many seconds; its packets, and the one with which the body begins."""
    whole = (post("/wsman", *([EXPECT] if expects else []), content=sealed(0))).wire()
    head = whole.index(b"\r\n\r\n") + 4
    first = talk.send(whole[:head])
    talk.lan.wait(waited)
    if allowed:
        talk.answer(CONTINUE)
    body = talk.send(whole[head:])
    if late:
        talk.answer(CONTINUE)
    return Trip(first, talk.answer(sealed_reply(0))), body


def test_the_client_waits_a_second_in_vain() -> None:
    lan = Wire()
    found, body = asks(direct(lan), 1.1)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.LOW, 0.9)
    assert packets(finding) == [found.asked, body, found.answered]
    assert (finding.connections, finding.exchanges) == (("c1",), ("c1.x1",))
    assert names(finding, found.asked, body)
    assert "waited for 100 Continue and got none before the body" in finding.why


def test_leave_that_comes_too_late() -> None:
    lan = Wire()
    asks(direct(lan), 1.1, late=True)
    assert len(judge(lan).found(RULE)) == 1


@pytest.mark.parametrize(
    ("waited", "expects", "allowed"), [(1.5, True, True), (0.2, True, False), (1.5, False, False)], ids=["leave given", "short", "no expectation"]
)
def test_no_stall(waited: float, *, expects: bool, allowed: bool) -> None:
    lan = Wire()
    asks(direct(lan), waited, expects=expects, allowed=allowed)
    assert judge(lan).found(RULE) == []


def test_a_body_that_was_not_captured() -> None:
    lan = Wire()
    talk = direct(lan)
    whole = post("/wsman", EXPECT, content=sealed(0)).wire()
    head = whole.index(b"\r\n\r\n") + 4
    talk.send(whole[:head])
    lan.wait(1.5)
    talk.send(whole[head:], captured=False)
    talk.answer(sealed_reply(0))
    assert judge(lan).found(RULE) == []


def test_both_legs_are_one_finding() -> None:
    lan = Wire()
    near, far = near_leg(lan), far_leg(lan)
    whole = post(ABSOLUTE, EXPECT, content=sealed(0)).wire()
    head = whole.index(b"\r\n\r\n") + 4
    near.send(whole[:head])
    lan.wait(1.2)
    near.send(whole[head:])
    far.exchange(post("/wsman", ("Via", "1.1 proxy"), content=sealed(0)), sealed_reply(0))
    near.answer(sealed_reply(0))
    assert judge(lan).one(RULE).connections == ("c1",)
