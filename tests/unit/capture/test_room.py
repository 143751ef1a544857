"""Captures of very many connections stay inside the kernel's limits, and what matters in them is still found."""

from collections.abc import Iterator

from analyzer.records.capture import Verdict
from analyzer.settings import Limits
from tests.build.flows import fed
from tests.build.packets import ACK, CLIENT, SYN, Frame, Line, ethernet, ip4, tcp

NONE: frozenset[int] = frozenset()
WSMAN = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"
HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
SERVER_END = ("10.0.0.9", 443)


def _other(number: int, *, port: int = 443, hello: bool = True) -> Iterator[Frame]:
    """A connection that is none of ours."""
    client = (f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", 50000)
    yield Frame(number * 1000, ethernet(ip4(client[0], SERVER_END[0], 6, tcp(client, (SERVER_END[0], port), 1, None, SYN))))
    if hello:
        yield Frame(number * 1000 + 1, ethernet(ip4(client[0], SERVER_END[0], 6, tcp(client, (SERVER_END[0], port), 2, 1, ACK, HELLO))))


def _winrm(port: int = 5985) -> Line:
    line = Line(server=("10.0.0.9", port))
    line.handshake()
    line.put(CLIENT, 0, WSMAN)
    return line


def test_rejected_connections_are_forgotten_when_the_table_is_full() -> None:
    line = _winrm()
    frames = [*line.frames, *(one for number in range(5000) for one in _other(number))]
    before = len(line.frames)
    line.put(CLIENT, len(WSMAN), WSMAN)
    found = fed([*frames, *line.frames[before:]], force=NONE, limits=Limits(flow_table_slots=1024))
    assert found.kernel.forgotten > 3000
    (flow,) = found.flows
    assert (flow.verdict, len(flow.segments.key)) == (Verdict.HTTP, before + 1)


def test_nothing_is_forgotten_while_there_is_room() -> None:
    found = fed([one for number in range(5000) for one in _other(number)], force=NONE)
    assert (found.kernel.forgotten, found.kernel.given_up, found.flows) == (0, 0, ())


def test_connections_without_a_verdict_are_given_up_the_oldest_first() -> None:
    """A scan: thousands of connections of which nobody says a word."""
    line = _winrm()
    silent = [one for number in range(3000) for one in _other(number, hello=False)]
    found = fed([*line.frames, *silent], force=NONE, limits=Limits(undecided_flows=256))
    assert found.kernel.given_up > 2000
    assert [flow.verdict for flow in found.flows] == [Verdict.HTTP]


def test_unanswered_connections_to_winrm_are_given_up_last() -> None:
    asked = list(_other(70_000, port=5985, hello=False))
    silent = [one for number in range(3000) for one in _other(number, hello=False)]
    found = fed([*asked, *silent], force=NONE, limits=Limits(undecided_flows=256))
    assert [flow.ports[1] for flow in found.flows] == [5985]


def test_a_connection_that_was_given_up_and_shows_winrm_is_named() -> None:
    line = _winrm(8080)
    silent = [one for number in range(3000) for one in _other(number, hello=False)]
    found = fed([*line.frames[:3], *silent, line.frames[3]], force=NONE, limits=Limits(undecided_flows=256))
    assert not found.flows
    assert found.kernel.late == {1}
    again = fed([*line.frames[:3], *silent, line.frames[3]], force=found.kernel.late, limits=Limits(undecided_flows=256))
    (flow,) = again.flows
    assert len(flow.segments.key) == 4
