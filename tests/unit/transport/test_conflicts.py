"""TCP data that differs between copies: which was used, why, and that both are kept."""

from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.errors import InputError
from analyzer.settings import Limits
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import direct
from tests.build.talk_tokens import basic
from tests.build.talks import ACK, Talk, Wire

REQUEST = post(content=soap(size=3000)).plus(basic()).wire()
PLACE, SIZE = 700, 600
OTHER = b"#" * SIZE


def _say(talk: Talk, at: int, data: bytes, begin: int) -> int:
    talk.client.sequence = begin + at
    return talk.send(data)


def _case(folder: Path, *, asked: int, got: bool = False, limits: Limits | None = None) -> tuple[Case, int, int]:
    """A request of which one part comes twice; between the copies the server says ``asked`` times that it lacks this part, or that it ``got`` it."""
    wire = Wire()
    talk = direct(wire)
    begin = talk.client.sequence
    _say(talk, 0, REQUEST[:PLACE], begin)
    talk.server.received = begin + PLACE
    first = _say(talk, PLACE, REQUEST[PLACE : PLACE + SIZE], begin)
    talk.server.received = begin + PLACE + SIZE * got
    for _ in range(asked + got):
        wire.put(talk.server, talk.client, ACK)
    again = _say(talk, PLACE, OTHER, begin)
    _say(talk, PLACE + SIZE, REQUEST[PLACE + SIZE :], begin)
    talk.answer(reply(200))
    return analyzer.analyze(wire.capture(folder / "capture.pcap"), limits=limits), first, again


@pytest.mark.parametrize(
    ("asked", "got", "later", "choice"),
    [(0, False, False, "first"), (1, False, False, "first"), (3, False, True, "acknowledged"), (3, True, False, "acknowledged")],
)
def test_the_receivers_acknowledgements_choose_else_the_first(tmp_path: Path, asked: int, got: bool, later: bool, choice: str) -> None:  # noqa: FBT001
    case, first, again = _case(tmp_path, asked=asked, got=got)
    (row,) = case.listed("conflicts")
    used, other = (again, first) if later else (first, again)
    assert (row["choice"], row["used_packets"], row["other_packets"]) == (choice, str(used), str(other))
    assert (row["exchange_id"], row["sender"], row["stream_at"], row["size_bytes"]) == ("c1.x1", "client", PLACE, SIZE)
    own = REQUEST[PLACE : PLACE + SIZE]
    assert case.contents("c1.k1") == ((OTHER, own) if later else (own, OTHER))
    assert case.bytes("c1.x1.q") == (REQUEST[:PLACE] + OTHER + REQUEST[PLACE + SIZE :] if later else REQUEST)


def test_equal_copies_are_no_conflict(tmp_path: Path) -> None:
    wire = Wire()
    talk = direct(wire)
    begin = talk.client.sequence
    for _ in range(2):
        _say(talk, 0, REQUEST, begin)
    talk.answer(reply(200))
    case = analyzer.analyze(wire.capture(tmp_path / "capture.pcap"))
    assert case.listed("conflicts") == []
    with pytest.raises(InputError):
        case.contents("c1.k1")


def test_limits_leave_counts(tmp_path: Path) -> None:
    case, _, _ = _case(tmp_path, asked=0, limits=Limits(conflicts=0))
    assert case.listed("conflicts") == []
    assert [issue.code for issue in case.evidence.issues if issue.code in ("tcp.conflict", "tcp.limit")] == ["tcp.conflict", "tcp.limit"]
    case, _, _ = _case(tmp_path, asked=0, limits=Limits(conflict_bytes=10))
    assert [len(content) for content in case.contents("c1.k1")] == [10, 10]
