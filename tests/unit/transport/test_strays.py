"""A packet that anyone can send does not end a connection, nor hide what follows in it; the healthy twin is a connection that really begins again."""

import pytest

from analyzer.records.transport import End
from tests.build.talk_http import SOAP, Content, post, reply
from tests.build.talk_proxy import ALICE, SERVER, direct, trip
from tests.build.talks import ACK, FIN, RST, SYN, Talk, Wire
from tests.hostile.costly import command, created
from tests.rules.judging import Judged, judge


def soap(body: bytes) -> Content:
    return Content(SOAP, body)


def begun(lan: Wire) -> Talk:
    talk = direct(lan)
    asked, answered = created()
    trip(talk, post(content=soap(asked)), reply(200, content=soap(answered)))
    return talk


def run(talk: Talk, text: str) -> None:
    asked, answered = command(text)
    trip(talk, post(content=soap(asked)), reply(200, content=soap(answered)))


def texts(judged: Judged) -> list[str]:
    return [found.text for found in judged.evidence.commands]


def test_a_syn_that_nobody_answered_ends_nothing() -> None:
    for tries in (1, 3):
        lan = Wire()
        talk = begun(lan)
        own = talk.client.sequence
        talk.client.sequence = 3_000_000_000
        for _ in range(tries):
            number = lan.put(talk.client, talk.server, SYN)
        talk.client.sequence = own
        run(talk, "whoami")
        judged = judge(lan)
        assert list(judged.evidence.connections) == ["c1"]
        assert texts(judged) == ["whoami"]
        (issue,) = [issue for issue in judged.evidence.issues if issue.code == "tcp.stray-syn"]
        assert (issue.record, issue.packet, issue.repeats) == ("c1", number - tries + 1, tries)


def test_a_syn_of_the_servers_side_ends_nothing() -> None:
    lan = Wire()
    talk = begun(lan)
    own = talk.server.sequence
    talk.server.sequence = 3_000_000_000
    lan.put(talk.server, talk.client, SYN)
    talk.server.sequence = own
    run(talk, "whoami")
    judged = judge(lan)
    assert list(judged.evidence.connections) == ["c1"]
    assert texts(judged) == ["whoami"]


def test_a_connection_that_begins_again_is_another_one() -> None:
    lan = Wire()
    run(begun(lan), "whoami")
    again = Talk(lan, (ALICE, 50001), (SERVER, 5985))
    again.client.sequence = again.server.sequence = 3_000_000_000
    again.open(captured=True)
    asked, answered = command("hostname", identity="C-2")
    trip(again, post(content=soap(asked)), reply(200, content=soap(answered)))
    assert list(judge(lan).evidence.connections) == ["c1", "c2"]


def test_a_connection_of_which_one_side_is_captured_may_begin_again() -> None:
    """No SYN of the server is there, but what follows has the numbers that the client's SYN announced."""
    lan = Wire()
    run(begun(lan), "whoami")
    talk = direct(lan)
    talk.client.sequence = 3_000_000_000
    lan.put(talk.client, talk.server, SYN)
    talk.client.sequence += 1
    talk.send(post(content=soap(command("hostname")[0])))
    assert "tcp.stray-syn" not in {issue.code for issue in judge(lan).evidence.issues}


@pytest.mark.parametrize("flags", [RST, RST | ACK, FIN | ACK])
@pytest.mark.parametrize("by_server", [True, False])
def test_what_lies_far_outside_of_the_window_ends_nothing(flags: int, by_server: bool) -> None:  # noqa: FBT001
    lan = Wire()
    talk = begun(lan)
    one, other = (talk.server, talk.client) if by_server else (talk.client, talk.server)
    own = one.sequence
    one.sequence = own + 500_000_000
    number = lan.put(one, other, flags)
    one.sequence = own
    run(talk, "whoami")
    judged = judge(lan)
    assert texts(judged) == ["whoami"]
    made = judged.evidence.connections["c1"]
    assert (made.end, made.closings, made.to_server.gaps, made.to_client.gaps) == (End.OPEN, (), (), ())
    assert [(issue.code, issue.packet) for issue in judged.evidence.issues] == [("tcp.out-of-window", number)]


@pytest.mark.parametrize("far", [0, 500_000_000])
def test_a_reset_after_which_nothing_came_is_an_end(far: int) -> None:
    """A device may reset with a number of its own; nobody went on after it."""
    lan = Wire()
    talk = begun(lan)
    talk.server.sequence += far
    lan.put(talk.server, talk.client, RST)
    assert judge(lan).evidence.connections["c1"].end is End.RESET
