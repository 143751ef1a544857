"""Which flows of several captures are one connection seen twice."""

from array import array

from msgspec.structs import replace

from analyzer.records.capture import Flow, Segments
from analyzer.settings import Limits
from analyzer.transport.connections import connection
from analyzer.transport.threads import Thread, same, threads
from tests.build.flows import fed, pieces
from tests.build.packets import ACK, CLIENT, FIN, SERVER, Line

SECOND = 1_000_000_000


def _flow(line: Line, capture: int, packets: slice, *, late_ns: int = 0) -> Flow:
    """What a capture that saw only these packets has of the line; its clock is ``late_ns`` late."""
    (flow,) = fed(line.frames[packets]).flows
    rows = flow.segments
    columns = {name: getattr(rows, name) for name in Segments.__struct_fields__}
    columns["ts_ns"] = array("q", (ts - late_ns for ts in rows.ts_ns))
    return replace(flow, capture=capture, point=capture, segments=Segments(**columns))


def _line() -> Line:
    line = Line()
    line.handshake()
    for place in range(4):
        line.put(CLIENT, place * 10, b"question!!")
        line.put(SERVER, place * 8, b"answer!!")
    return line


def test_pieces_of_rotated_files_make_one_stream() -> None:
    line = _line()
    first, second = fed(line.frames[:6]), fed(line.frames[6:])
    flows = [first.flows[0], replace(second.flows[0], capture=1, point=1, segments=_from_source(second.flows[0], 1))]
    assert flows[0].hosts[0] != flows[1].hosts[0]  # the second piece begins with the server's packet
    both = (first.fetch, second.fetch)
    one, _ = connection("c1", flows, lambda source, at, size: both[source >> 1](source, at, size), Limits())
    assert pieces(one.to_server, lambda source, at, size: both[source >> 1](source, at, size)) == [b"question!!" * 4]
    assert pieces(one.to_client, lambda source, at, size: both[source >> 1](source, at, size)) == [b"answer!!" * 4]


def test_pieces_of_a_connection_in_which_nothing_is_odd_are_as_the_whole() -> None:
    line = _line()
    line.put(CLIENT, 40, flags=ACK | FIN)
    line.put(SERVER, 32, flags=ACK | FIN)
    whole = fed(line.frames)
    made, issues = connection("c1", whole.flows, whole.fetch, Limits())
    first, second = fed(line.frames[:6]), fed(line.frames[6:])
    flows = [first.flows[0], replace(second.flows[0], segments=_from_source(second.flows[0], 1))]
    both = (first.fetch, second.fetch)
    one, told = connection("c1", flows, lambda source, at, size: both[source >> 1](source, at, size), Limits())
    assert len(one.packets) == len(line.frames)
    assert [stream.size for stream in (one.to_server, one.to_client)] == [40, 32]
    assert [(found.kind, found.side, found.stream_at, found.acked) for found in one.closings] == [
        (found.kind, found.side, found.stream_at, found.acked) for found in made.closings
    ]
    assert len(one.closings) == 2
    assert (told, issues) == ((), ())


def _from_source(flow: Flow, capture: int) -> Segments:
    columns = {name: getattr(flow.segments, name) for name in Segments.__struct_fields__}
    columns["source"] = array("q", (capture * 2 + (source & 1) for source in flow.segments.source))
    return Segments(**columns)


def test_two_capture_points_are_twins() -> None:
    line = _line()
    assert threads([_flow(line, 0, slice(0, None)), _flow(line, 1, slice(0, None))]) == (Thread(0, None), Thread(1, 0))


def test_twins_are_known_by_their_first_numbers_when_the_clocks_differ() -> None:
    line = _line()
    flows = [_flow(line, 0, slice(0, None)), _flow(line, 1, slice(0, None), late_ns=3600 * SECOND)]
    assert threads(flows) == (Thread(0, 1), Thread(1, None))


def test_twins_without_a_handshake_are_known_by_their_data() -> None:
    line = _line()
    flows = [_flow(line, 0, slice(3, None)), _flow(line, 1, slice(3, None), late_ns=-SECOND)]
    assert threads(flows) == (Thread(0, None), Thread(1, 0))


def test_a_new_connection_on_the_same_ports_is_neither() -> None:
    first, second = _line(), Line(isns=(5_000_000, 6_000_000), now_ns=_line().now_ns + SECOND)
    second.handshake()
    second.put(CLIENT, 0, b"question!!")
    assert threads([_flow(first, 0, slice(0, None)), _flow(second, 1, slice(0, None))]) == (Thread(0, None), Thread(1, None))


def test_flows_of_one_file_are_never_joined() -> None:
    line = _line()
    flows = [_flow(line, 0, slice(0, 5)), _flow(line, 0, slice(5, None))]
    assert [thread.twin_of for thread in threads(flows)] == [None, None]


def test_many_connections_on_the_same_ports_find_their_twins() -> None:
    lines, now = [], 0
    for number in range(40):
        line = Line(isns=(1_000_000 * number, 2_000_000_000 + 1_000_000 * number), now_ns=now)
        line.handshake()
        line.put(CLIENT, 0, b"question!!")
        lines.append(line)
        now = line.now_ns + SECOND
    late = 3600 * SECOND
    flows = [*(_flow(line, 0, slice(0, None)) for line in lines), *(_flow(line, 1, slice(0, None), late_ns=late) for line in lines)]
    found = threads(flows)
    assert [thread.flow for thread in found] == list(range(80))
    assert [thread.twin_of for thread in found] == [*(index + 40 for index in range(40)), *[None] * 40]
    assert same(found, flows) == tuple((number, number + 40) for number in range(1, 41))


def test_numbers_that_many_connections_share_make_them_no_views_of_each_other() -> None:
    line = _line()
    few, many = [_flow(line, 0, slice(0, None))] * 5, [_flow(line, 0, slice(0, None))] * 33
    assert same(threads(few), few) == ((1, 2, 3, 4, 5),)
    assert same(threads(many), many) == ()
