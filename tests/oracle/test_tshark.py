"""Every capture read by us and by tshark: the same packets, the same HTTP messages in the same packets, the same bytes, the same names."""

import shutil
from collections.abc import Sequence

import pytest

from tests.oracle import exceptions
from tests.oracle.captures import NAMES, PUBLIC, path
from tests.oracle.conftest import Opinions
from tests.oracle.ours import Spoken, ours
from tests.oracle.tshark import Pair, Said

pytestmark = [pytest.mark.tshark, pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")]
_each_capture = pytest.mark.parametrize("name", NAMES)


@pytest.mark.captures
def test_the_public_captures_are_here() -> None:
    if not PUBLIC:
        pytest.skip("WINRM_CAPTURES names no folder of captures")
    tables = (exceptions.COUNTS, exceptions.TCP_COUNTS, exceptions.REQUESTS, exceptions.RESPONSES, exceptions.STREAMS, exceptions.NAMES)
    assert {name for table in tables for name in table} <= set(NAMES)


@_each_capture
def test_packets_are_counted_alike(name: str, opinions: Opinions) -> None:
    _agree(name, exceptions.COUNTS, ours(path(name)).packets == opinions[name].packets)


@_each_capture
def test_tcp_packets_are_counted_alike(name: str, opinions: Opinions) -> None:
    _agree(name, exceptions.TCP_COUNTS, ours(path(name)).tcp_packets == opinions[name].tcp_packets)


@_each_capture
def test_requests_are_the_same(name: str, opinions: Opinions) -> None:
    _same(name, exceptions.REQUESTS, ours(path(name)).requests, opinions[name].requests)


@_each_capture
def test_responses_are_the_same(name: str, opinions: Opinions) -> None:
    _same(name, exceptions.RESPONSES, ours(path(name)).responses, opinions[name].responses)


@_each_capture
def test_ntlm_names_are_the_same(name: str, opinions: Opinions) -> None:
    _agree(name, exceptions.NAMES, sorted(ours(path(name)).names) == sorted(opinions[name].names))


@_each_capture
def test_streams_have_the_same_bytes(name: str, opinions: Opinions) -> None:
    theirs = opinions[name].streams
    different = []
    for mine in ours(path(name)).streams:
        there = theirs.get(mine.pair)
        back = theirs.get(Pair(mine.pair.other, mine.pair.one), (b"", b""))
        if (mine.to_server, mine.to_client) != (back[::-1] if there is None else there):
            different.append(mine.connection)
    _agree(name, exceptions.STREAMS, not different, different)


def _same(name: str, table: dict[str, str], mine: Sequence[Spoken], theirs: Sequence[Said]) -> None:
    """Each message of tshark's is one of ours, in a packet of ours; each of ours that tshark must see is one of tshark's."""
    left = list(mine)
    only_theirs = []
    for said in theirs:
        match = next((one for one in left if one.words == said.words and said.packet in one.packets), None)
        if match is None:
            only_theirs.append(said)
        else:
            left.remove(match)
    only_ours = [one for one in left if one.sure]
    _agree(name, table, not only_theirs and not only_ours, [*only_theirs[:5], *only_ours[:5]])


def _agree(name: str, table: dict[str, str], same: bool, different: Sequence[object] = ()) -> None:  # noqa: FBT001  a test's verdict
    reason = table.get(name)
    if reason is None:
        assert same, different
    else:
        assert not same, f"agrees now; take it out of the table ({reason})"
        pytest.xfail(reason)
