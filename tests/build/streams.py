"""Connections made of pieces of bytes and holes, for tests of the stages above TCP. A piece is bytes, or the size of a hole.

connection, fetch = talk([b"GET / HTTP/1.1\r\n\r\n"], [b"HTTP/1.1 200 OK\r\n", 1460, b"..."])
"""

from array import array
from collections.abc import Sequence

from analyzer.formats.reader import Fetch, Reader
from analyzer.records.ids import packet_key
from analyzer.records.transport import Connection, End, Endpoint, Extents, Gap, Stream

Piece = bytes | int
T0_NS = 1_767_323_045_000_000_000
STEP_NS = 1_000_000


def stream(pieces: Sequence[Piece], source: int = 0, *, acked: Sequence[int] = (), begins: bool = True, packet: int = 1) -> Stream:
    """One direction; its bytes lie one after the other in ``source``. ``acked``: for each piece that is no hole, what its sender had received."""
    places: list[tuple[int, int, int]] = []
    gaps = []
    at = file_at = 0
    for piece in pieces:
        if isinstance(piece, int):
            gaps.append(Gap(at, piece, "not_captured"))
            at += piece
            continue
        places.append((at, len(piece), file_at))
        at += len(piece)
        file_at += len(piece)
    numbers = range(packet, packet + len(places))
    return Stream(
        Extents(
            stream_at=array("q", [place[0] for place in places]),
            size=array("q", [place[1] for place in places]),
            source=array("q", [source] * len(places)),
            file_at=array("q", [place[2] for place in places]),
            packet=array("q", [packet_key(0, number) for number in numbers]),
            ts_ns=array("q", [T0_NS + number * STEP_NS for number in numbers]),
            acked=array("q", list(acked) or [-1] * len(places)),
        ),
        tuple(gaps),
        at,
        begins=begins,
    )


def fetch_from(*sources: Sequence[Piece]) -> Fetch:
    """Reads the bytes of streams made by `stream`, by their source."""
    data = [b"".join(piece for piece in pieces if isinstance(piece, bytes)) for pieces in sources]
    return lambda source, at, size: data[source][at : at + size]


def reader(pieces: Sequence[Piece], at: int = 0) -> Reader:
    """A reader of one stream."""
    return Reader(stream(pieces), fetch_from(pieces), at)


def talk(
    to_server: Sequence[Piece],
    to_client: Sequence[Piece],
    *,
    client_acked: Sequence[int] = (),
    server_acked: Sequence[int] = (),
    begins: bool = True,
) -> tuple[Connection, Fetch]:
    """A connection; the client's packets are numbered from 1, the server's from 1001."""
    made = Connection(
        id="c1",
        capture=0,
        client=Endpoint("10.0.0.1", 50000),
        server=Endpoint("10.0.0.9", 5985),
        first_ns=T0_NS,
        last_ns=T0_NS + 1_000_000_000,
        packets=array("q"),
        to_server=stream(to_server, 0, acked=client_acked, begins=begins),
        to_client=stream(to_client, 1, acked=server_acked, begins=begins, packet=1001),
        end=End.OPEN,
        ended_by=None,
        closings=(),
        protocol="http",
    )
    return made, fetch_from(to_server, to_client)
