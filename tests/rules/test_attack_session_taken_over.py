"""A session that changes hands: from another address, by another account; not where the same client comes back, and not where the server refused."""

from analyzer.records.finding import Severity
from analyzer.records.ids import key_number
from tests.build.sessions import Session
from tests.build.talks import Wire
from tests.rules.judging import judge

RULE = "attack.session-taken-over"


def _left(lan: Wire) -> None:
    first = Session(lan)
    first.create()
    first.run("Get-Secret", 1)
    first.disconnect()
    first.talk.close_by_client()


def test_another_address() -> None:
    lan = Wire()
    _left(lan)
    second = Session(lan, client="10.10.1.12", port=50002)
    second.connect()
    second.run("whoami", 2)
    second.delete()
    judged = judge(lan)
    finding = judged.one(RULE)
    assert finding.severity is Severity.INFO
    assert finding.title == "Session on 10.10.1.21 taken over by 10.10.1.12"
    (shell,) = judged.evidence.shells
    assert [command.text for command in judged.evidence.commands] == ["Get-Secret", "whoami"]
    assert [(event.what, event.client, event.asked_as, event.outcome) for event in shell.events] == [
        ("create", "10.10.1.11", "LAB\\carla", "done"),
        ("disconnect", "10.10.1.11", "LAB\\carla", "done"),
        ("connect", "10.10.1.12", "LAB\\carla", "done"),
        ("delete", "10.10.1.12", "LAB\\carla", "done"),
    ]
    left, taken = shell.events[1:3]
    assert f"10.10.1.11 (LAB\\carla) left the session {shell.id} on 10.10.1.21 (packet {key_number(left.packets[0])})." in finding.why
    assert f"10.10.1.12 (LAB\\carla) connected to it (packet {key_number(taken.packets[0])})." in finding.why
    assert "1 command ran in it afterwards." in finding.why
    assert set(finding.packets) == {left.packets[0], *taken.packets}


def test_another_account() -> None:
    lan = Wire()
    _left(lan)
    Session(lan, port=50002, user="LAB\\mallory").connect()
    finding = judge(lan).one(RULE)
    assert finding.severity is Severity.LOW
    assert "10.10.1.11 (LAB\\mallory) connected to it" in finding.why


def test_the_same_client_and_another_spelling_of_its_account() -> None:
    lan = Wire()
    _left(lan)
    back = Session(lan, port=50002, user="carla@lab.example")
    back.reconnect()
    back.disconnect()
    back.connect()
    judged = judge(lan)
    assert RULE not in judged.rules
    assert [event.what for event in judged.evidence.shells[0].events] == ["create", "disconnect", "reconnect", "disconnect", "connect"]


def test_what_the_server_refused() -> None:
    lan = Wire()
    _left(lan)
    Session(lan, client="10.10.1.12", port=50002).connect(refused=True)
    judged = judge(lan)
    assert RULE not in judged.rules
    assert judged.evidence.shells[0].events[-1].outcome == "refused"


def test_two_sessions_of_two_clients() -> None:
    lan = Wire()
    _left(lan)
    other = Session(lan, client="10.10.1.12", port=50002, identity="AAAAAAAA-2222-3333-4444-555555555555")
    other.create()
    other.disconnect()
    other.connect()
    assert RULE not in judge(lan).rules
