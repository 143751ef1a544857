"""The captures as the first screen names them: one paragraph for each capture point, however many files it wrote."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence, subject
from analyzer.reports.facts import counted, winrm_connections
from analyzer.reports.lines import Line, Span, line
from analyzer.tables.times import on_screen, seconds

_POINTS = 20
_UNREADABLE = 5


def capture_points(evidence: Evidence, *, full: bool = False) -> Iterator[Line]:
    """Files, packets, time span and WinRM connections of each point; then the files that could not be read. ``full``: all of them."""
    unread = {issue.capture: issue.detail for issue in evidence.issues if issue.code == "capture.unreadable"}
    points: dict[int, list[Capture]] = {}
    for capture in evidence.captures:
        if capture.ordinal not in unread:
            points.setdefault(capture.point, []).append(capture)
    ours, twins = Counter[int](), Counter[int]()
    for connection in winrm_connections(evidence):
        ours[connection.point] += 1
        twins[connection.point] += connection.twin_of is not None
    shown = list(points) if full or len(points) <= _POINTS else sorted(sorted(points, key=lambda point: -ours[point])[:_POINTS])
    for point in shown:
        yield from _point(points[point], counted(ours[point], f"{subject(evidence)} connection"), twins[point])
    left = [point for point in points if point not in set(shown)]
    if left:
        files = sum(len(points[point]) for point in left)
        held = counted(sum(ours[point] for point in left), f"{subject(evidence)} connection")
        yield line(f"  and {counted(len(left), 'more capture point')} ({counted(files, 'file')}) with {held}")
    bad = [capture for capture in evidence.captures if capture.ordinal in unread]
    for capture in bad if full else bad[:_UNREADABLE]:
        yield line("  ", Span(visible(capture.name), "bold"), "  ", Span(f"could not be read: {visible(unread[capture.ordinal])}", "red"))
    if len(bad) > _UNREADABLE and not full:
        yield line("  ", Span(f"and {counted(len(bad) - _UNREADABLE, 'more file')} could not be read", "red"))


def _point(files: Sequence[Capture], ours: str, twins: int) -> Iterator[Line]:
    first = files[0]
    formats = ", ".join(dict.fromkeys(capture.format for capture in files))
    told = f"{visible(formats)}, {counted(sum(capture.packets for capture in files), 'packet')}"
    if len(files) > 1:
        ordered = sorted((capture for capture in files if capture.first_ns is not None), key=lambda capture: (capture.first_ns or 0, capture.ordinal)) or files
        yield line("  ", Span(visible(ordered[0].name), "bold"), " to ", Span(visible(ordered[-1].name), "bold"), f"  {counted(len(files), 'file')}, {told}")
    else:
        yield line("  ", Span(visible(first.name), "bold"), f"  {told}")
    yield line("    ", _span_of(files))
    yield line("    ", ours, f", {twins} of them seen by an earlier capture too" if twins else "")
    if first.clock_error_ns is not None and first.clock_offset_ns:
        yield line("    ", _clock(first))


def _span_of(files: Sequence[Capture]) -> str:
    firsts = [capture.first_ns for capture in files if capture.first_ns is not None]
    lasts = [capture.last_ns for capture in files if capture.last_ns is not None]
    if not firsts or not lasts:
        return "no packets"
    return f"{on_screen(min(firsts))} to {on_screen(max(lasts))} ({seconds(max(lasts) - min(firsts)):,.3f} s)"


def _clock(capture: Capture) -> str:
    """Against the clock of the first capture that saw the same exchanges."""
    side = "ahead" if capture.clock_offset_ns > 0 else "behind"
    drift = f", drifting by {capture.clock_drift * 1e6:+.1f} microseconds per second" if capture.clock_drift else ""
    return f"its clock is {abs(seconds(capture.clock_offset_ns)):.6f} s {side} (within {seconds(capture.clock_error_ns or 0):.6f} s){drift}"
