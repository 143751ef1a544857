"""Hostile captures cost time in proportion to their size: four times the bytes cost no eight times the CPU, in one process."""

import gc
import random
import time
from collections.abc import Callable

import pytest

from analyzer.capture.containers import rows
from analyzer.capture.window import Walk
from analyzer.settings import Limits
from tests.build import traces
from tests.build.packets import CLIENT, Frame, Line, filling
from tests.build.traces import NDIS, buffer, event, ndis_data, netsh_trace, trace_header

_MORE, _QUADRATIC, _FLOOR_S = 4, 8.0, 0.05
HEADER = buffer(trace_header(traces.USUAL), 1 << 12, compressed=True, kind=4)


def frames(count: int) -> list[Frame]:
    line = Line()
    for place in range(count):
        line.put(CLIENT, 50 * place, bytes(50))
    return line.frames


def bombs(count: int) -> bytes:
    return HEADER + buffer(bytes(1 << 20), 0, compressed=True) * count


def damaged_buffers(count: int) -> bytes:
    one = buffer(b"".join(event(NDIS, 1001, ndis_data(bytes(60)), 7, keywords=0xC0000001) for _ in range(2)), 0, compressed=True)
    return HEADER + b"".join(one + b"\xff\xff\xff\xff" + one[4:] for _ in range(count))


def damaged_events(count: int) -> bytes:
    one = event(NDIS, 1001, ndis_data(bytes(60)), 7, keywords=0xC0000001)
    return HEADER + buffer((one + bytes(8) + one[8:]) * count, 72 + 2 * len(one) * count)


def one_frame_of_many_parts(count: int) -> bytes:
    parts = [event(NDIS, 1001, ndis_data(b"x"), 7 + place, keywords=0x40000001 if place == 0 else 1) for place in range(count)]
    return traces.trace([(0, part) for part in parts])


def frames_without_end(count: int) -> bytes:
    return traces.trace([(0, event(NDIS, 1001, ndis_data(bytes(60)), 7 + place, keywords=0x40000001, thread=place)) for place in range(count)])


def noise_after_the_header(count: int) -> bytes:
    return HEADER + random.Random(1).randbytes(100 * count)


def plain_buffers_of_noise(count: int) -> bytes:
    return netsh_trace(frames(20), size=4096) + random.Random(1).randbytes(100 * count)


def damaged_snoop(count: int) -> bytes:
    one = traces.snoop(frames(4))
    return one[:16] + (one[16:] + bytes(60)) * count


def damaged_erf(count: int) -> bytes:
    return (traces.erf(frames(4)) + bytes(60)) * count


HOSTILE: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "compressed buffers that become large": (300, bombs),
    "compressed buffers, each second one damaged": (3000, damaged_buffers),
    "events, each second one damaged": (10_000, damaged_events),
    "one frame of many parts": (10_000, one_frame_of_many_parts),
    "frames without an end": (10_000, frames_without_end),
    "noise after a compressed header": (20_000, noise_after_the_header),
    "noise after plain buffers": (20_000, plain_buffers_of_noise),
    "snoop with damage between packets": (1500, damaged_snoop),
    "ERF with damage between packets": (1500, damaged_erf),
}


def spent(data: bytes) -> float:
    """Seconds of CPU: the better of two times."""
    best = []
    gc.collect()
    for _ in range(2):
        begin = time.process_time()
        for _row in rows(filling(data), Limits(), Walk()):
            pass
        best.append(time.process_time() - begin)
    return min(best)


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_bytes_cost_no_eight_times_as_much(name: str) -> None:
    number, made = HOSTILE[name]
    few, many = spent(made(number)), spent(made(_MORE * number))
    assert many < max(_FLOOR_S, _QUADRATIC * few)


def test_what_is_unpacked_is_bounded_by_what_was_packed() -> None:
    one = event(NDIS, 1001, ndis_data(bytes(60_000)), 7, keywords=0xC0000001)
    packed = buffer(one * 200, 0, compressed=True)
    walk = Walk()
    found = list(rows(filling(HEADER + packed * 20), Limits(trace_ratio=2), walk))
    assert 1000 < len(found) < 1200, "64 MiB of them"
    told = [detail for code, detail, _ in walk.problems if code == "capture.limit"]
    assert told
    assert all(detail.startswith("trace_ratio=2: ") for detail in told)
    assert len(list(rows(filling(HEADER + packed * 5), Limits(trace_ratio=2), Walk()))) == 1000
