"""The connection inside a CONNECT tunnel begins where the heads end, with its own offsets."""

from analyzer.transport.tunnels import inner
from tests.build.flows import pieces
from tests.build.streams import Piece, talk

TO_SERVER: list[Piece] = [b"CONNECT a:5985 HTTP/1.1\r\n\r\n", b"hello", 7, b"again"]
TO_CLIENT: list[Piece] = [b"HTTP/1.1 200 OK\r\n\r\nwel", b"come"]
HEADS = (27, 19)
"""The sizes of the two heads."""


def test_streams_begin_behind_the_heads() -> None:
    outer, fetch = talk(TO_SERVER, TO_CLIENT)
    inside = inner(outer, *HEADS, "http")
    assert (inside.id, inside.tunnel_of, inside.protocol) == ("c1.t", "c1", "http")
    assert pieces(inside.to_server, fetch) == [b"hello", 7, b"again"]
    assert pieces(inside.to_client, fetch) == [b"welcome"]
    assert list(inside.to_client.extents.stream_at) == [0, 3]


def test_acknowledgements_move_with_the_streams() -> None:
    outer, _ = talk(TO_SERVER, TO_CLIENT, server_acked=[HEADS[0], HEADS[0] + 5], client_acked=[0, HEADS[1], HEADS[1] + 3])
    inside = inner(outer, *HEADS, "http")
    assert list(inside.to_client.extents.acked) == [0, 5]
    assert list(inside.to_server.extents.acked) == [0, 3]


def test_a_hole_over_the_beginning_stays_a_hole() -> None:
    outer, fetch = talk(TO_SERVER, [30, b"come"])
    inside = inner(outer, *HEADS, "other")
    assert pieces(inside.to_client, fetch) == [30 - HEADS[1], b"come"]


def test_packets_are_those_that_carried_the_tunnel() -> None:
    outer, _ = talk(TO_SERVER, TO_CLIENT)
    assert list(inner(outer, *HEADS, "http").packets) == [2, 3, 1001, 1002]
