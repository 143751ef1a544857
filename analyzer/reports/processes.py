"""Processes that hosts logged below a shell, as a tree; and what the logs came to, in a sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping

from analyzer.formats.text import visible
from analyzer.records.evidence import Evidence
from analyzer.records.hostlogs import HostJoin, Joined
from analyzer.reports.facts import counted
from analyzer.reports.lines import Line, Span, line
from analyzer.tables.times import on_screen

_SHOWN, _LINE, _DEPTH = 200, 300, 12
"""Processes of one shell and characters of a command line that are shown, and how deep the tree is drawn."""


def process_lines(evidence: Evidence, subjects: tuple[str, ...]) -> Iterator[Line]:
    """The tree of the processes that belong to one of these ids (a shell's and its connections'); nothing without host logs."""
    own = [one for one in evidence.host_logs.joins if one.subject in subjects and one.joined in (Joined.PROCESS, Joined.CHILD)]
    starts: dict[tuple[str, int | None], HostJoin] = {}
    for one in own:
        starts.setdefault((one.event.computer.lower(), one.event.process_id), one)
    if not starts:
        return
    did = Counter((one.event.computer.lower(), one.event.process_id) for one in evidence.host_logs.joins if one.joined is Joined.ACTIVITY)
    yield line(Span("  processes that the host logged", "bold"))
    shown = list(starts.values())[:_SHOWN]
    for one in shown:
        yield from _process(one, _depth(one, starts), did[one.event.computer.lower(), one.event.process_id])
    if len(starts) > _SHOWN:
        yield line(f"    and {len(starts) - _SHOWN:,} more (table host_events)")


def _depth(one: HostJoin, starts: Mapping[tuple[str, int | None], HostJoin]) -> int:
    depth, at = 0, one
    while depth < _DEPTH:
        above = starts.get((at.event.computer.lower(), at.event.parent_id))
        if above is None or above is at:
            return depth
        depth, at = depth + 1, above
    return depth


def _process(one: HostJoin, depth: int, did: int) -> Iterator[Line]:
    event = one.event
    text = visible(event.command_line or event.image or "?")
    text = text if len(text) <= _LINE else f"{text[:_LINE]} … ({len(text) - _LINE:,} more characters)"
    more = f"; {counted(did, 'event')} of it" if did else ""
    sure = "" if one.joined is Joined.CHILD else f"; by {one.basis}, confidence {one.confidence:g}"
    yield line(f"    {'  ' * depth}{event.process_id}  ", text, Span(f"  {on_screen(event.time_ns)} on {visible(event.computer)}{sure}{more}", "dim"))


def logs_told(evidence: Evidence) -> str:
    """What was read and what of it was joined; empty without host logs."""
    logs = evidence.host_logs
    if not logs.files:
        return ""
    by_kind = Counter(one.joined for one in logs.joins)
    ours = {name for name, one in evidence.connections.items() if name in evidence.winrm and one.twin_of is None}
    known = {one.subject for one in logs.joins if one.joined is Joined.CONNECTION and one.event.sensor is None}
    sensed = {one.subject for one in logs.joins if one.joined is Joined.CONNECTION and one.event.sensor is not None}
    parts = [
        f"{counted(logs.events, 'event')} in {counted(len(logs.files), 'file')}",
        f"{len(ours & known):,} of {counted(len(ours), 'WinRM connection')} logged by a host",
        *([f"{len(ours & sensed):,} seen by a network sensor"] if sensed else []),
        *([counted(by_kind[Joined.LOGON], "event") + " about logons"] if by_kind[Joined.LOGON] else []),
        *([counted(by_kind[Joined.SHELL], "event") + " about shells"] if by_kind[Joined.SHELL] else []),
        *([counted(by_kind[Joined.PROCESS] + by_kind[Joined.CHILD], "start") + " of processes in shells"] if by_kind[Joined.PROCESS] else []),
        *([counted(by_kind[Joined.NOT_SEEN], "event") + " that the packets do not show"] if by_kind[Joined.NOT_SEEN] else []),
    ]
    return "; ".join(parts) + " (table host_events)"
