"""Oddities of packets by their names in Zeek's weird.log, each beside a connection that has none."""

from collections.abc import Callable

import pytest

from analyzer.http.exchanges import odd_target
from tests.build.talk_http import post, reply
from tests.build.talk_proxy import direct, trip
from tests.build.talks import ACK, FIN, PSH, RST, SYN, Talk, Wire
from tests.rules.judging import Judged, judge


def names(done: Judged) -> list[tuple[str, int]]:
    return [(issue.detail, issue.repeats) for issue in done.evidence.issues if issue.code == "tcp.weird"]


def _reset_then_data(lan: Wire, talk: Talk) -> None:
    talk.reset_by_server()
    talk.send(post())


def _reset_with_data(lan: Wire, talk: Talk) -> None:
    lan.put(talk.server, talk.client, RST | ACK, b"no")


def _another_begins(lan: Wire, talk: Talk) -> None:
    """On the same addresses and ports, with numbers of its own."""
    talk.client.sequence += 1_000_000_000
    talk.server.sequence += 1_000_000_000
    talk.open(captured=True)
    trip(talk, post(), reply(200))


@pytest.mark.parametrize(
    ("then", "told"),
    [(_reset_then_data, [("data_after_reset", 1)]), (_reset_with_data, [("RST_with_data", 1)]), (_another_begins, [("active_connection_reuse", 1)])],
)
def test_what_follows_an_exchange(then: Callable[[Wire, Talk], None], told: list[tuple[str, int]]) -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), reply(200))
    then(lan, talk)
    assert names(judge(lan)) == told


def test_what_comes_before_the_connection_stands() -> None:
    lan = Wire()
    talk = Talk(lan, ("10.10.1.11", 50001), ("10.20.2.20", 5985))
    lan.put(talk.client, talk.server, SYN, b"early")
    lan.put(talk.client, talk.server, PSH | ACK, b"POST /wsman HTTP/1.1\r\n\r\n")
    lan.put(talk.client, talk.server, FIN | ACK)
    lan.put(talk.server, talk.client, SYN | ACK)
    assert names(judge(lan)) == [("SYN_with_data", 1), ("data_before_established", 1), ("inappropriate_FIN", 1)]


@pytest.mark.parametrize("end", ["close_by_client", "close_by_server", "reset_by_server"])
def test_connections_as_they_are(end: str) -> None:
    lan = Wire()
    talk = direct(lan)
    trip(talk, post(), reply(200))
    getattr(talk, end)()
    _another_begins(lan, talk)
    assert names(judge(lan)) == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/wsman%2541", ["double_%_in_URI"]),
        ("/wsman%4", ["illegal_%_at_end_of_URI"]),
        ("/ws%zzman", ["unescaped_%_in_URI"]),
        ("/wsman?PSVersion=5.1%20x", []),
    ],
)
def test_targets(target: str, told: list[str]) -> None:
    assert list(odd_target(target)) == told
    lan = Wire()
    trip(direct(lan), post(target), reply(404))
    assert [issue.detail for issue in judge(lan).evidence.issues if issue.code == "http.weird"] == told
