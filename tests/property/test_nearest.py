"""What lies nearest along a line of time, compared with a look at all of it."""

from hypothesis import given
from hypothesis import strategies as st

from analyzer.hostlogs.nearest import First, Mark, Rows, Spans

_TIME = st.integers(0, 12)
_WINDOW = st.tuples(_TIME, st.integers(0, 5)).map(lambda one: (one[0], one[0] + one[1]))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), _TIME), max_size=12),
    st.lists(st.tuples(st.sampled_from("ab").map(lambda one: one) | st.just("both"), _WINDOW, _TIME, st.sampled_from("xy")), max_size=12),
)
def test_the_nearest_that_is_left(things: list[tuple[str, int]], asked: list[tuple[str, tuple[int, int], int, str]]) -> None:
    rows = Rows()
    marks = [(key, Mark(at, place, str(place))) for place, (key, at) in enumerate(things)]
    for key, mark in marks:
        rows.add(key, mark)
    taken: set[tuple[str, str]] = set()
    for which, (first, last), at, by in asked:
        keys = "ab" if which == "both" else which
        inside = [mark for key, mark in marks if key in keys and first <= mark.at_ns <= last]
        near = [mark for mark in inside if (by, mark.subject) not in taken]
        want = (min(near, key=lambda mark: (abs(mark.at_ns - at), mark.place)), len(near) == 1) if near else None
        rows_asked = [(key, (first, last)) for key in keys]
        assert rows.nearest(rows_asked, at, by) == want
        assert rows.count(rows_asked) == len(inside)
        if want is not None:
            taken.add((by, want[0].subject))
            rows.take(by, want[0].subject)


@given(st.lists(_WINDOW, max_size=8, unique_by=lambda one: one[0]), _TIME, st.integers(0, 4))
def test_the_one_that_lasts_and_begins_nearest(things: list[tuple[int, int]], at: int, room: int) -> None:
    own = [one for one in things if one[0] - room <= at <= one[1] + room]
    want = (min(own, key=lambda one: abs(one[0] - at)), len(own) == 1) if own else None
    assert Spans(things, lambda one: one).nearest(at, room) == want


@given(st.lists(_WINDOW, max_size=8), _TIME)
def test_the_first_that_lasts(things: list[tuple[int, int]], at: int) -> None:
    want = next((place for place, (first, last) in enumerate(things) if first <= at <= last), None)
    assert First([(one, place) for place, one in enumerate(things)]).at(at) == want
