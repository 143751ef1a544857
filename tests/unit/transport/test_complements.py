"""Parts of one connection that lie at different capture points are put together where their numbers prove it, and only there."""

from array import array
from collections.abc import Iterable
from random import Random

from msgspec.structs import replace

from analyzer.records.capture import Flow, Segments
from analyzer.transport.complements import Together
from analyzer.transport.complements import together as put_together
from analyzer.transport.strays import Untangled
from tests.build.flows import fed
from tests.build.packets import ACK, CLIENT, FIN, RST, SERVER, Frame, Line

SECOND = 1_000_000_000
_NAMES = Segments.__struct_fields__
STEP = 1_000_000


def _line(isns: tuple[int, int] = (1000, 900_000), turns: int = 4) -> Line:
    line = Line(isns=isns)
    line.handshake()
    for place in range(turns):
        line.put(CLIENT, place * 10, b"question!!")
        line.put(SERVER, place * 8, b"answer!!")
    return line


def together(flows: list[Flow]) -> Together:
    """Of flows without stray SYNs."""
    return put_together(Untangled(tuple(flows), {}))


def _flow(frames: Iterable[Frame], point: int, ahead_ns: int = 0) -> Flow:
    """What a capture point that saw only these frames has, by its clock."""
    (flow,) = fed(frames).flows
    rows = flow.segments
    columns = {name: getattr(rows, name) for name in Segments.__struct_fields__}
    columns["ts_ns"] = array("q", (ts + ahead_ns for ts in rows.ts_ns))
    columns["key"] = array("q", (point << 40 | key for key in rows.key))
    return replace(flow, capture=point, point=point, segments=Segments(**columns))


def _numbers(flow: Flow) -> list[tuple[tuple[str, int], int, int]]:
    rows = flow.segments
    ends = list(zip(flow.hosts, flow.ports, strict=True))
    return [(ends[side], seq, size) for side, seq, size in zip(rows.direction, rows.seq, rows.wire_size, strict=True)]


def _is_whole(found: Together, line: Line) -> bool:
    """One flow with all packets, in the order of the line, in times that rise."""
    (flow,) = found.flows
    times = list(flow.segments.ts_ns)
    return _numbers(flow) == _numbers(_flow(line.frames, 0)) and times == sorted(times)


def _directions(line: Line) -> tuple[list[Frame], list[Frame]]:
    whole = fed(line.frames).flows[0].segments.direction
    return [frame for frame, side in zip(line.frames, whole, strict=True) if not side], [frame for frame, side in zip(line.frames, whole, strict=True) if side]


def test_what_follows_at_another_point_is_the_same_connection_whatever_its_clock() -> None:
    line = _line()
    for ahead in (0, -5 * SECOND, 5 * SECOND, -7300 * SECOND):
        for cut in range(2, len(line.frames)):
            assert _is_whole(together([_flow(line.frames[:cut], 0), _flow(line.frames[cut:], 1, ahead)]), line), (ahead, cut)


def test_the_order_in_which_captures_were_given_changes_nothing() -> None:
    line = _line()
    found = together([_flow(line.frames[6:], 0, -5 * SECOND), _flow(line.frames[:6], 1)])
    assert _is_whole(found, line)
    (note,) = found.notes[0]
    assert (note.code, note.capture, note.packet) == ("tcp.joined", 0, 1)


def test_requests_at_one_point_and_answers_at_the_other_are_one_connection() -> None:
    line = _line()
    asked, answered = _directions(line)
    for ahead in (0, -5 * SECOND, 7300 * SECOND):
        found = together([_flow(asked, 0), _flow(answered, 1, ahead)])
        assert _is_whole(found, line), ahead
        (note,) = found.notes[0]
        assert ("moved" in note.detail) == (ahead != 0)


def test_three_points_make_one_connection() -> None:
    line = _line()
    found = together([_flow(line.frames[:4], 0), _flow(line.frames[4:8], 1, 3 * SECOND), _flow(line.frames[8:], 2, -3 * SECOND)])
    assert _is_whole(found, line)
    assert len(found.notes[0]) == 2


def test_packets_that_both_points_have_count_once() -> None:
    line = _line()
    found = together([_flow(line.frames[:8], 0), _flow(line.frames[5:], 1, -SECOND)])
    assert _is_whole(found, line)
    assert "6 packets of the connection lie at this capture point, 3 of them at another one, too: " in found.notes[0][0].detail
    found = together([_flow(line.frames[:4], 0), _flow(line.frames, 1)])
    assert _is_whole(found, line)
    assert "11 packets of the connection lie at this capture point, 4 of them at another one, too: " in found.notes[0][0].detail


def test_two_views_of_a_connection_stay_two() -> None:
    line = _line()
    for view in (line.frames, line.frames[3:], line.frames[1:-1]):
        assert len(together([_flow(line.frames, 0), _flow(view, 1, 3 * SECOND)]).flows) == 2


def test_flows_of_one_point_are_never_joined() -> None:
    line = _line()
    assert len(together([_flow(line.frames[:6], 0), _flow(line.frames[6:], 0)]).flows) == 2


def test_other_numbers_are_another_connection() -> None:
    first, other = _line(), _line(isns=(3_000_000_000, 2_000_000_000))
    for ahead in (0, 5 * SECOND, -5 * SECOND):
        assert len(together([_flow(first.frames[:6], 0), _flow(other.frames[6:], 1, ahead)]).flows) == 2
        asked, answered = _directions(first)[0], _directions(other)[1]
        assert len(together([_flow(asked, 0), _flow(answered, 1, ahead)]).flows) == 2


def test_the_numbers_of_one_side_alone_prove_nothing() -> None:
    first, other = _line(), _line(isns=(1000, 2_000_000_000))
    assert len(together([_flow(first.frames[:7], 0), _flow(other.frames[7:], 1, 5 * SECOND)]).flows) == 2


def test_a_connection_that_was_closed_goes_on_nowhere() -> None:
    line = _line()
    line.put(CLIENT, 40, flags=FIN | ACK)
    line.put(SERVER, 32, flags=FIN | ACK)
    line.put(CLIENT, 41)
    end = len(line.frames)
    line.put(CLIENT, 60, b"question!!")  # a new use, whose numbers are near
    line.put(SERVER, 50, b"answer!!")
    assert len(together([_flow(line.frames[:end], 0), _flow(line.frames[end:], 1, SECOND)]).flows) == 2
    assert len(together([_flow(line.frames[: end - 3], 0), _flow(line.frames[end - 3 : end], 1, SECOND)]).flows) == 1


def test_what_comes_before_a_syn_is_another_use() -> None:
    line = _line(isns=(5000, 950_000))
    before = _line(isns=(5000 - 41, 950_000 - 33))  # it ends where the new one begins
    assert len(together([_flow(before.frames[3:], 0), _flow(line.frames, 1, SECOND)]).flows) == 2


def test_times_that_no_clock_explains_are_no_proof() -> None:
    """An answer before what it acknowledges, and one long after the next request: by no offset are both in order."""
    line = _line()
    asked, answered = _directions(line)
    late = [frame._replace(ts_ns=frame.ts_ns + (60 * SECOND if place % 2 else -60 * SECOND)) for place, frame in enumerate(answered)]
    late.sort(key=lambda frame: frame.ts_ns)
    assert len(together([_flow(asked, 0), _flow(late, 1)]).flows) == 2


def test_packets_that_were_lost_between_do_not_hide_it() -> None:
    line = _line(turns=40)
    kept = [*line.frames[:20], *line.frames[41:]]
    found = together([_flow(kept[:20], 0), _flow(kept[20:], 1)])
    assert len(found.flows) == 1
    assert "go on behind" in found.notes[0][0].detail
    assert len(together([_flow(kept[:20], 0), _flow(kept[20:], 1, -7300 * SECOND)]).flows) == 2  # so much is proved with clocks that fit only


def test_a_syn_alone_goes_on_where_it_is_answered() -> None:
    line = _line()
    assert _is_whole(together([_flow(line.frames[:1], 0), _flow(line.frames[1:], 1)]), line)
    assert len(together([_flow(line.frames[:1], 0), _flow(line.frames[1:], 1, 3600 * SECOND)]).flows) == 2


def test_numbers_that_wrap_are_followed() -> None:
    line = _line(isns=((1 << 32) - 15, (1 << 32) - 9))
    for cut in range(3, len(line.frames)):
        assert _is_whole(together([_flow(line.frames[:cut], 0), _flow(line.frames[cut:], 1, -SECOND)]), line), cut
    asked, answered = _directions(line)
    assert _is_whole(together([_flow(asked, 0), _flow(answered, 1, SECOND)]), line)


def test_of_many_uses_of_the_same_ports_each_finds_its_own() -> None:
    lines = []
    for number in range(100):
        line = _line(isns=(10_000_000 * number, 2_000_000_000 + 10_000_000 * number))
        line.frames = [frame._replace(ts_ns=frame.ts_ns + number * SECOND) for frame in line.frames]
        lines.append(line)
    flows = [*(_flow(line.frames[:6], 0) for line in lines), *(_flow(line.frames[6:], 1, -7300 * SECOND) for line in lines)]
    found = together(flows)
    assert len(found.flows) == 100
    assert [_numbers(flow) for flow in found.flows] == [_numbers(_flow(line.frames, 0)) for line in lines]


def test_a_time_that_no_clock_shows_stays_within_what_a_row_holds() -> None:
    """A damaged packet of one part has the latest time that there is, or none; the part's times are moved by years."""
    line = _line()
    asked, answered = _directions(line)
    latest = (1 << 63) - 1
    for first, other in ((line.frames[:5], line.frames[5:]), (asked, answered)):
        for at, wild in ((-1, latest), (-1, 0), (0, latest), (0, 0)):
            for ahead in (0, 4 * 10**18):
                part = _flow(other, 1)
                part.segments.ts_ns[at] = wild
                found = together([_flow(first, 0, ahead), part])
                assert sum(len(flow.segments.key) for flow in found.flows) == len(line.frames)
                assert all(0 <= ts <= latest for flow in found.flows for ts in flow.segments.ts_ns)


def test_resets_alone_go_on_nowhere() -> None:
    """Anyone sends a reset with the numbers that he guesses, so a part that has nothing else has no numbers; none is taken for 0."""
    line = _line(isns=((1 << 32) - 200, (1 << 32) - 150))
    end = len(line.frames)
    line.put(CLIENT, 40, flags=RST)
    assert len(together([_flow(line.frames[:end], 0), _flow(line.frames[end:], 1)]).flows) == 2


def _long(sizes: list[list[int]], isns: tuple[int, int]) -> Flow:
    """The middle of a connection, most of it not captured: sizes of what each sender sent, in turns."""
    line, at = Line(isns=isns), [0, 0]
    line.handshake()
    for own in zip(*sizes, strict=True):
        for side, sender in enumerate((CLIENT, SERVER)):
            line.put(sender, at[side], b"x" * 100)
            at[side] += own[side]
    return _flow(line.frames[3:], 0)


def test_long_connections_that_share_a_number_by_chance_are_two() -> None:
    """Each has 30 MB of numbers of both senders, so that they overlap easily; one segment of each sender ends at the same number in both."""
    draw = Random(1)
    sizes = [[[draw.randrange(50_000, 150_000) for _ in range(300)] for _ in (0, 1)] for _ in (0, 1)]
    first = _long(sizes[0], (1000, 900_000))
    there = [1000 + sum(sizes[0][0][:200]) - sum(sizes[1][0][:100]), 900_000 + sum(sizes[0][1][:200]) - sum(sizes[1][1][:100])]
    other = _long(sizes[1], (there[0] % (1 << 32), there[1] % (1 << 32)))
    other = replace(other, capture=1, point=1)
    assert len(together([first, other]).flows) == 2
    asked, answered = ([row for row, side in enumerate(first.segments.direction) if side == way] for way in (0, 1))
    parts = [
        replace(first, capture=point, point=point, segments=Segments(*(array("q", [getattr(first.segments, name)[row] for row in own]) for name in _NAMES)))
        for point, own in enumerate((asked, answered))
    ]
    assert len(together(parts).flows) == 1  # as long, and one
