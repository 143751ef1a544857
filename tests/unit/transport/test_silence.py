"""What did not come: facts of a connection made of segments put on the wire one by one."""

from analyzer.records.transport import End, Side
from tests.build.flows import made
from tests.build.packets import ACK, CLIENT, FIN, RST, SERVER, Line

REQUEST = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n"


def opened() -> Line:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, REQUEST)
    line.put(SERVER, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    line.put(CLIENT, len(REQUEST), b"")
    return line


def wait(line: Line, seconds: float) -> None:
    line.now_ns += int(seconds * 1e9)


def test_what_was_never_acknowledged() -> None:
    line = opened()
    at = len(REQUEST)
    first = line.put(CLIENT, at, b"x" * 500)
    line.put(CLIENT, at + 500, b"y" * 100)
    for _ in range(2):
        wait(line, 1)
        line.put(CLIENT, at, b"x" * 500)
    heard = line.put(SERVER, 38, b"", acked=at)
    gone = made(line.frames).connection.to_server.unacked
    assert gone is not None
    assert (gone.at, gone.size, gone.segment, gone.tries, gone.passed) == (at, 600, 500, 3, len(REQUEST))
    assert (gone.packets[0], len(gone.packets), gone.heard, gone.heard_packet) == (first, 3, 1, heard)
    assert gone.last_ns - gone.first_ns > 2_000_000_000


def test_all_was_acknowledged() -> None:
    found = made(opened().frames).connection
    assert (found.to_server.unacked, found.to_client.unacked) == (None, None)


def test_pauses_and_who_outlived_them() -> None:
    line = opened()
    wait(line, 30)
    again = line.put(CLIENT, len(REQUEST), REQUEST)
    line.put(SERVER, 38, b"", acked=2 * len(REQUEST))
    wait(line, 11)
    last = line.put(CLIENT, 2 * len(REQUEST), b"x")
    one, two = made(line.frames).connection.pauses
    assert (one.packet, one.survived, round((one.until_ns - one.since_ns) / 1e9)) == (again, True, 30)
    assert (two.packet, two.survived) == (last, False)


def test_a_reset_alone_is_no_life() -> None:
    line = opened()
    wait(line, 30)
    line.put(CLIENT, len(REQUEST), REQUEST)
    line.put(SERVER, 38, b"", RST)
    (pause,) = made(line.frames).connection.pauses
    assert not pause.survived


def test_closings_know_their_ttl_and_who_went_on() -> None:
    line = opened()
    reset = line.put(SERVER, 38, b"", RST, ident=9)
    wait(line, 1)
    on = line.put(SERVER, 38, b"more")
    line.put(SERVER, 42, b"more")
    found = made(line.frames).connection
    (closing,) = found.closings
    assert (closing.packet, closing.kind, closing.side, closing.ttl, closing.ident, closing.fits) == (
        reset,
        End.RESET,
        Side.SERVER,
        64,
        9,
        True,
    )
    assert (closing.went_on, closing.went_on_packet) == (2, on)
    assert found.ttls == ((64,), (64,))


def test_packets_that_a_reset_overtook_are_not_later_ones() -> None:
    line = opened()
    line.put(SERVER, 38, b"", RST)
    line.put(SERVER, 38, b"more")
    assert made(line.frames).connection.closings[0].went_on == 0


def test_a_fin_has_nobody_going_on() -> None:
    line = opened()
    line.put(SERVER, 38, b"", FIN | ACK)
    wait(line, 1)
    line.put(SERVER, 39, b"")
    assert made(line.frames).connection.closings[0].went_on == 0
