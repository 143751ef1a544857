"""Ways to damage a capture: bytes overwritten, pieces cut out, doubled and exchanged, in the file or in the frames it holds."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.build.packets import Frame

SMALL = ("badproxy-strip-challenge", "direct-omigod", "wrong-password", "squid-connect-clear-http", "haproxy-http-server-close", "direct-basic")
"""Samples of both containers, with and without a proxy, that are read in a few milliseconds."""

_VALUES = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\r\n", b"\r\n\r\n", b" HTTP/1.1\r\n"]))
_PLACE = st.floats(0, 1, exclude_max=True)
_EDIT = st.tuples(st.sampled_from(["overwrite", "cut", "double", "exchange", "end"]), _PLACE, _PLACE, st.integers(1, 400), _VALUES)
edits = st.lists(_EDIT, min_size=1, max_size=6)


def damaged(data: bytes, todo: Sequence[tuple[str, float, float, int, bytes]]) -> bytes:
    """``data`` after the edits."""
    for what, one, other, size, value in todo:
        at, there = int(one * len(data)), int(other * len(data))
        low, high = min(at, there), max(at, there)
        if what == "overwrite":
            data = data[:at] + value + data[at + len(value) :]
        elif what == "cut":
            data = data[:at] + data[at + size :]
        elif what == "double":
            data = data[: at + size] + data[at:]
        elif what == "exchange":
            moved = min(size, high - low)
            data = data[:low] + data[high : high + moved] + data[low + moved : high] + data[low : low + moved] + data[high + moved :]
        else:
            data = data[:at]
    return data


def damaged_frames(frames: Sequence[Frame], todo: Sequence[tuple[str, float, float, int, bytes]]) -> list[Frame]:
    """The frames with the edits made inside of one frame each: the file stays sound, what it holds does not."""
    listed = list(frames)
    for edit in todo:
        which = int(edit[1] * len(listed))
        data = damaged(listed[which].data, [(edit[0], edit[2], edit[1], edit[3], edit[4])])
        listed[which] = listed[which]._replace(data=data, wire_size=max(len(data), 1))
    return listed
