"""Segments in, bytes out: one row for each phenomenon of TCP (RFC 9293) that changes what a stream holds."""

from typing import NamedTuple

import pytest

from analyzer.records.transport import End, Side
from analyzer.settings import Limits
from tests.build.flows import all_made, made
from tests.build.packets import ACK, CLIENT, FIN, PSH, RST, SERVER, SYN, Line, ethernet
from tests.build.streams import Piece


class Case(NamedTuple):
    """The client's segments as (offset, bytes) in the order captured, and the stream they make: bytes, and sizes of holes."""

    name: str
    segments: tuple[tuple[int, bytes], ...]
    stream: list[Piece]
    retransmitted: int = 0
    out_of_order: int = 0
    conflicts: int = 0


CASES = (
    Case("in order", ((0, b"one"), (3, b"two")), [b"onetwo"]),
    Case("two exchanged", ((3, b"two"), (0, b"one")), [b"onetwo"], out_of_order=1),
    Case("backwards", ((6, b"xyz"), (3, b"two"), (0, b"one")), [b"onetwoxyz"], out_of_order=2),
    Case("a hole stays", ((0, b"one"), (6, b"xyz")), [b"one", 3, b"xyz"]),
    Case("a hole is filled late", ((0, b"one"), (6, b"xyz"), (3, b"two")), [b"onetwoxyz"], out_of_order=1),
    Case("sent again", ((0, b"one"), (0, b"one"), (3, b"two")), [b"onetwo"], retransmitted=1),
    Case("sent again with more", ((0, b"one"), (0, b"onetwo")), [b"onetwo"], retransmitted=1),
    Case("a piece of it sent again", ((0, b"onetwo"), (3, b"two")), [b"onetwo"], retransmitted=1),
    Case("overlaps the end of what is there", ((0, b"onetw"), (3, b"two")), [b"onetwo"], retransmitted=1),
    Case("overlaps the beginning of what is there", ((0, b"o"), (3, b"two"), (1, b"netw")), [b"onetwo"], retransmitted=1),
    Case("covers two pieces and the hole between", ((0, b"on"), (4, b"wo"), (0, b"onetwo")), [b"onetwo"], retransmitted=1),
    Case("fills a hole and goes on", ((0, b"on"), (3, b"t"), (2, b"etwo")), [b"onetwo"], retransmitted=1),
    Case("other bytes for the same place: the first win", ((0, b"GOOD"), (0, b"EVIL"), (4, b"!")), [b"GOOD!"], retransmitted=1, conflicts=1),
    Case("other bytes one place on", ((0, b"GOOD"), (1, b"XXXX")), [b"GOODX"], retransmitted=1, conflicts=1),
    Case("other bytes around a hole", ((0, b"one"), (6, b"xyz"), (1, b"ZZtwoZ")), [b"onetwoxyz"], retransmitted=1, conflicts=1),
    Case("a keep-alive repeats the last byte as anything", ((0, b"one"), (2, b"\x00"), (3, b"two")), [b"onetwo"]),
    Case("a zero-window probe sends the next byte", ((0, b"one"), (3, b"t"), (3, b"two")), [b"onetwo"], retransmitted=1),
    Case("one byte at a time", tuple((place, bytes([byte])) for place, byte in enumerate(b"onetwo")), [b"onetwo"]),
    Case("one byte at a time, backwards", tuple((place, b"onetwo"[place : place + 1]) for place in range(5, -1, -1)), [b"onetwo"], out_of_order=5),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("isn", [1000, 0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 2], ids=["plain", "zero", "wraps at once", "wraps inside", "sign bit"])
def test_segments_make_streams(case: Case, isn: int) -> None:
    line = Line(isns=(isn, isn ^ 0x5555))
    line.handshake()
    for at, data in case.segments:
        line.put(CLIENT, at, data)
    found = made(line.frames)
    stream = found.connection.to_server
    assert found.to_server == case.stream
    assert (stream.retransmitted, stream.out_of_order, stream.conflicts) == (case.retransmitted, case.out_of_order, case.conflicts)
    assert stream.begins
    assert ("tcp.conflict" in found.codes) == bool(case.conflicts)
    assert ("tcp.gap" in found.codes) == any(isinstance(piece, int) for piece in case.stream)


def test_each_byte_leads_to_the_packet_that_brought_it() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 3, b"two")
    line.put(CLIENT, 0, b"onetw")
    extents = made(line.frames).connection.to_server.extents
    assert list(zip(extents.stream_at, extents.size, extents.packet, strict=True)) == [(0, 3, 5), (3, 3, 4)]


def test_data_in_a_syn_is_the_beginning() -> None:
    line = Line()
    line.put(CLIENT, -1, b"", SYN, acked=None)
    line.frames.clear()
    line.frame(ethernet(_syn_with_data(line, b"GET /")))
    line.put(SERVER, -1, flags=SYN, acked=5)
    line.put(CLIENT, 5, b" HTTP/1.1")
    assert made(line.frames).to_server == [b"GET / HTTP/1.1"]


def _syn_with_data(line: Line, data: bytes) -> bytes:
    """RFC 7413: the SYN takes one sequence number, its data follow."""
    return line.packet(CLIENT, -1, data, SYN, acked=None)


def test_data_in_a_syn_that_the_server_did_not_take_is_sent_again() -> None:
    line = Line()
    line.frame(ethernet(_syn_with_data(line, b"GET /")))
    line.put(SERVER, -1, flags=SYN, acked=0)
    line.put(CLIENT, 0, b"GET / HTTP/1.1")
    found = made(line.frames)
    assert found.to_server == [b"GET / HTTP/1.1"]
    assert found.connection.to_server.retransmitted == 1


def test_data_after_a_fin_is_kept() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one", FIN | ACK)
    line.put(CLIENT, 3, b"two")
    found = made(line.frames)
    assert found.to_server == [b"onetwo"]
    assert (found.connection.end, found.connection.ended_by) == (End.FIN, Side.CLIENT)


def test_text_in_a_reset_is_no_data() -> None:
    line = Line()
    line.handshake()
    line.put(SERVER, 0, b"one")
    line.put(SERVER, 3, b"go away", RST)
    found = made(line.frames)
    assert found.to_client == [b"one"]
    assert (found.connection.end, found.connection.ended_by) == (End.RESET, Side.SERVER)


def test_what_the_peer_acknowledged_was_sent() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one")
    line.put(SERVER, 0, b"", acked=10)
    found = made(line.frames)
    assert found.to_server == [b"one", 7]
    assert found.connection.to_server.acked == 10


def test_a_fin_that_was_not_captured_is_no_hole() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one")
    line.put(SERVER, 0, b"", acked=4)
    found = made(line.frames)
    assert found.to_server == [b"one"]
    assert "tcp.gap" not in found.codes


def test_an_absurd_acknowledgement_is_not_believed() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one")
    line.put(SERVER, 0, b"", acked=1 << 28)
    assert made(line.frames).to_server == [b"one"]


def test_bytes_that_the_snap_length_cut_are_holes() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one and the rest", cut=13)
    line.put(CLIENT, 16, b"next")
    found = made(line.frames)
    assert found.to_server == [b"one", 13, b"next"]
    assert [gap.why for gap in found.connection.to_server.gaps] == ["snaplen"]


def test_a_stray_far_outside_of_the_window_is_passed_over() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one")
    line.put(CLIENT, 1 << 21, b"stray")
    line.put(CLIENT, 3, b"two")
    found = made(line.frames, Limits(window_bytes=1 << 20))
    assert found.to_server == [b"onetwo"]
    assert "tcp.out-of-window" in found.codes


def test_a_stream_longer_than_the_sequence_space_goes_on() -> None:
    line = Line()
    line.handshake()
    for place in range(12):
        line.put(CLIENT, place << 29, b"x")
    stream = made(line.frames).connection.to_server
    assert stream.size == (11 << 29) + 1
    assert list(stream.extents.stream_at) == [place << 29 for place in range(12)]


def test_without_syn_the_first_bytes_seen_begin_the_stream() -> None:
    line = Line()
    line.put(CLIENT, 500, b"GET / HTTP/1.1\r\n", acked=900)
    line.put(SERVER, 900, b"HTTP/1.1 200 OK\r\n")
    found = made(line.frames)
    assert (found.to_server, found.to_client) == ([b"GET / HTTP/1.1\r\n"], [b"HTTP/1.1 200 OK\r\n"])
    assert not found.connection.to_server.begins
    assert "tcp.midstream" in found.codes


def test_without_syn_packets_out_of_order_at_the_start_are_put_in_order() -> None:
    line = Line()
    line.put(CLIENT, 505, b" HTTP/1.1\r\n", acked=0)
    line.put(CLIENT, 500, b"GET /", acked=0)
    assert made(line.frames).to_server == [b"GET / HTTP/1.1\r\n"]


def test_without_syn_an_acknowledgement_tells_what_was_lost_at_the_start() -> None:
    line = Line()
    line.put(CLIENT, 0, b"GET / HTTP/1.1\r\n", acked=100)
    line.put(SERVER, 150, b"HTTP/1.1 200 OK\r\n", acked=16)
    assert made(line.frames).to_client == [50, b"HTTP/1.1 200 OK\r\n"]


def test_one_side_only() -> None:
    line = Line()
    line.put(CLIENT, -1, flags=SYN, acked=None)
    line.put(CLIENT, 0, b"POST /", acked=0)
    line.put(CLIENT, 6, b"wsman", acked=80)
    found = made(line.frames)
    assert (found.to_server, found.to_client) == ([b"POST /wsman"], [80])
    assert "tcp.one-sided" in found.codes


def test_a_late_syn_belongs_to_its_connection() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman")
    line.frames.append(line.frames.pop(0))
    found = made(line.frames)
    assert found.to_server == [b"POST /wsman"]
    assert found.connection.to_server.begins


def test_a_reused_pair_of_ends_is_a_new_connection() -> None:
    first, second = Line(), Line(isns=(77_000_000, 88_000_000))
    for line, data in ((first, b"one"), (second, b"two")):
        line.handshake()
        line.put(CLIENT, 0, data)
        line.put(CLIENT, 3, flags=FIN)
    one, two = all_made(first.frames + second.frames)
    assert (one.to_server, two.to_server) == ([b"one"], [b"two"])
    assert len(one.connection.packets) == len(two.connection.packets) == 5


def test_a_syn_sent_again_is_the_same_connection() -> None:
    line = Line()
    line.put(CLIENT, -1, flags=SYN, acked=None)
    line.handshake()
    line.put(CLIENT, 0, b"one")
    assert made(line.frames).to_server == [b"one"]


def _twice(line: Line, place: int, after_ns: int) -> None:
    line.frames.insert(place + 1, line.frames[place]._replace(ts_ns=line.frames[place].ts_ns + after_ns))


@pytest.mark.parametrize(("hosts", "after_ns", "copies"), [("4", 1_000, 1), ("4", 30_000_000_000, 1), ("6", 1_000, 1), ("6", 50_000_000, 0)])
def test_a_packet_captured_twice_counts_once(hosts: str, after_ns: int, copies: int) -> None:
    """IPv4 has an identification; without one only a copy that comes at once is a copy, a later one was sent again."""
    line = Line() if hosts == "4" else Line(client=("fd00::1", 50000), server=("fd00::9", 5985))
    line.handshake()
    line.put(CLIENT, 0, b"one", PSH)
    _twice(line, 3, after_ns)
    found = made(line.frames)
    assert found.to_server == [b"one"]
    assert found.connection.duplicates == copies
    assert found.connection.to_server.retransmitted == 1 - copies
    assert ("capture.duplicate-packets" in found.codes) == bool(copies)


def test_a_retransmission_is_no_copy() -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"one")
    line.put(CLIENT, 0, b"one")
    found = made(line.frames).connection
    assert (found.duplicates, found.to_server.retransmitted) == (0, 1)


@pytest.mark.parametrize("start", [b"POST /wsman HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
@pytest.mark.parametrize("server_port", [5985, 60001])
def test_without_syn_who_asks_is_the_client(start: bytes, server_port: int) -> None:
    line = Line(server=("10.0.0.9", server_port))
    line.put(SERVER, 0, b"", acked=0)
    line.put(CLIENT, 0, start)
    found = made(line.frames).connection
    assert (found.client.host, found.server.port) == ("10.0.0.1", server_port)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"\x16\x03\x03\x00\x5a\x02\x00\x00\x56"])
def test_without_syn_who_answers_is_the_server(start: bytes) -> None:
    line = Line(server=("10.0.0.9", 60001))
    line.put(SERVER, 0, start, acked=0)
    assert made(line.frames).connection.server.port == 60001


def test_without_any_sign_the_lower_port_is_the_server() -> None:
    line = Line()
    line.put(SERVER, 0, b"hello", acked=0)
    assert made(line.frames).connection.server.port == 5985
