"""A shell is of who was logged on when it was created, never of who logs on to the same connection later."""

import base64
from pathlib import Path

import pytest

import analyzer
from tests.build.packets import Frame, pcap
from tests.hostile.costly import Talk, command, created


def _basic(user: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{user}:pw-{user}-1234'.encode()).decode()}\r\n"


def _users(frames: list[Frame], folder: Path) -> tuple[list[str | None], list[str | None]]:
    path = folder / "c.pcap"
    path.write_bytes(pcap(frames))
    case = analyzer.analyze([path])
    users = (case.shells["user"], case.commands["user"])
    shells, commands = ([None if missing else str(user) for user, missing in zip(column, column.isna(), strict=True)] for column in users)
    return shells, commands


@pytest.mark.parametrize("other", ["bob", "alice"])
def test_who_logs_on_later_owns_nothing_of_before(other: str, tmp_path: Path) -> None:
    frames: list[Frame] = []
    talk = Talk(frames, 1)
    talk.exchange(*created(), _basic("alice"))
    talk.exchange(*command("whoami"), _basic("alice"))
    talk.exchange(*created("S-2"), _basic(other))
    talk.exchange(*command("hostname", "S-2", "C-2"), _basic(other))
    assert _users(frames, tmp_path) == (["alice", other], ["alice", other])


def test_a_shell_before_any_logon_is_nobodys(tmp_path: Path) -> None:
    frames: list[Frame] = []
    talk = Talk(frames, 1)
    talk.exchange(*created())
    talk.exchange(*command("whoami"))
    talk.exchange(*created("S-2"), _basic("bob"))
    shells, commands = _users(frames, tmp_path)
    assert (shells[0], commands[0]) == (None, None)
    assert shells[1] == "bob"
