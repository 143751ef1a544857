import pytest

from analyzer.records.finding import Severity
from tests.build.talk_faults import SHELL, asks, done, fault
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, handshake, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "wsman.shell-gone"


GONE = 2150858843


def test_a_shell_after_a_long_pause() -> None:
    lan = Wire()
    talk = direct(lan)
    used = trip(talk, post(content=asks("Command", shell_id=SHELL)), reply(200, content=done("Command")))
    lan.wait(95)
    lost = trip(talk, post(content=asks("Command", shell_id=SHELL, number=2)), fault(GONE))

    finding = judge(lan).one(RULE)

    assert finding.title == "Shell 19D433FD no longer exists on srv01.lab.example"
    assert finding.severity is Severity.MEDIUM
    assert packets(finding) == [*lost]
    assert names(finding, lost.answered, used.answered)
    assert f"Shell {SHELL} was last used with success 95.0 s before" in finding.why
    assert "No request in this capture closed it." in finding.why
    assert "IdleTimeout" in finding.advice


def test_a_shell_that_another_connection_closed() -> None:
    lan = Wire()
    talk, other = direct(lan), direct(lan, port=50002)
    trip(talk, post(content=asks("Command", shell_id=SHELL)), reply(200, content=done("Command")))
    closed = trip(other, post(content=asks("Delete", shell_id=SHELL, number=2)), reply(200, content=done("Delete")))
    trip(talk, post(content=asks("Command", shell_id=SHELL, number=3)), fault(GONE))
    finding = judge(lan).one(RULE)
    assert f"had been closed by c2.x1 (packet {closed.answered})" in finding.why


def test_a_shell_that_is_met_for_the_first_time() -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks("Command", shell_id=SHELL)), fault(GONE))
    assert "so when it ended cannot be told" in judge(lan).one(RULE).why


def test_another_server_answers_the_second_logon() -> None:
    lan = Wire()
    first, second = direct(lan), direct(lan, port=50002)
    handshake(first, ntlm("alice"))
    trip(first, post(content=asks("Command", shell_id=SHELL)), reply(200, content=done("Command")))
    handshake(second, ntlm("alice", 2))
    trip(second, post(content=asks("Command", shell_id=SHELL, number=2)), fault(GONE))
    assert "The logons of both connections were answered by" in judge(lan).one(RULE).why


def test_the_client_goes_on_with_another_shell() -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(content=asks("Command", shell_id=SHELL)), fault(GONE))
    trip(talk, post(content=asks("Command", shell_id="0A", number=2)), reply(200, content=done("Command")))
    assert judge(lan).one(RULE).severity is Severity.LOW


@pytest.mark.parametrize("operation", ["Delete", "Signal"])
def test_what_is_to_end_has_ended(operation: str) -> None:
    lan = Wire()
    trip(direct(lan), post(content=asks(operation, shell_id=SHELL)), fault(GONE))
    assert judge(lan).found(RULE) == []


def test_a_receive_of_a_shell_that_the_client_closes() -> None:
    lan = Wire()
    waiting, closing = direct(lan), direct(lan, port=50002)
    waiting.send(post(content=asks("Receive", shell_id=SHELL)))
    trip(closing, post(content=asks("Delete", shell_id=SHELL)), reply(200, content=done("Delete")))
    waiting.answer(fault(GONE))
    assert judge(lan).found(RULE) == []
