"""The order in which files are read: those of one series one after the other, and which of them lie outside of the times asked for."""

import re
from collections.abc import Sequence
from pathlib import Path

from analyzer.capture.point import DISORDER_NS, Head, Piece
from analyzer.capture.scan import Scanned
from analyzer.records.capture import Capture
from analyzer.records.issues import Issue
from analyzer.settings import Limits, Scope


def stem(piece: Piece) -> str:
    """The name without its digits, which rotated files differ in."""
    path = Path(piece.path)
    return f"{path.parent}/{re.sub('[0-9]+', '#', path.name)}"


def digits(piece: Piece) -> tuple[int, ...]:
    """The numbers in its name."""
    return tuple(int(text) for text in re.findall("[0-9]+", Path(piece.path).name))


def in_order(heads: Sequence[Head]) -> list[Head]:
    """Files of one name or one sensor one after the other, in the order of their numbers, else of their times; such groups in order of their first times."""
    groups: dict[tuple[str, str], list[Head]] = {}
    for head in heads:
        groups.setdefault((head.piece.sensor, "" if head.piece.sensor else stem(head.piece)), []).append(head)
    ordered = [_sorted(group) for group in groups.values()]
    alone = [group[0] for group in ordered if len(group) == 1]
    many = [group for group in ordered if len(group) > 1]
    singles = [[head] for head in (alone if _rises(alone) else sorted(alone, key=_time))]
    return [head for group in _merged(many, singles) for head in group]


def pruned(heads: list[Head], scope: Scope, limits: Limits) -> tuple[list[Head], list[Scanned]]:
    """The files to read, and those of rotated ones that lie before or after the scope as a whole: of these only the beginning was looked at.

    Files of one name go on in each other where their times rise along: then each ends about when the next one begins. Those of a named sensor may overlap: of
    them only the file itself tells."""
    if scope.since_ns is None and scope.until_ns is None:
        return heads, []
    groups: dict[str, list[Head]] = {}
    for head in heads:
        groups.setdefault(stem(head.piece), []).append(head)
    kept: list[Head] = []
    left: list[Scanned] = []
    for group in groups.values():
        ordered = _sorted(group)
        if len(ordered) < 2 or any(head.first_ns is None for head in ordered):
            kept += group
            continue
        for place, head in enumerate(ordered):
            after_it = ordered[place + 1] if place + 1 < len(ordered) else None
            ends = None if after_it is None else _end(head, limits) if head.piece.sensor else after_it.time
            before = scope.since_ns is not None and ends is not None and ends < scope.since_ns - DISORDER_NS
            after = scope.until_ns is not None and head.time > scope.until_ns + DISORDER_NS
            if before or after:
                left.append(_left_out(head, "before" if before else "after"))
            else:
                kept.append(head)
    return sorted(kept, key=lambda head: head.piece.ordinal), left


def _end(head: Head, limits: Limits) -> int | None:
    """The latest time in the end of a plain file; None where it does not tell."""
    from analyzer.capture.halves import ends_about

    return None if head.piece.reeled is not None else ends_about(head.piece.path, limits)


def _left_out(head: Head, side: str) -> Scanned:
    piece = head.piece
    size = Path(piece.path).stat().st_size if piece.reeled is None else piece.reeled.reel.size
    capture = Capture(piece.ordinal, piece.path, piece.name, head.format, size)
    told_by = "times of its first packet and of the file after it"
    if piece.sensor:
        told_by = "times of its last packets" if side == "before" else "time of its first packet"
    detail = f"not read: by the {told_by}, it lies {side} the times asked for"
    return Scanned(capture, (), (Issue("capture.outside-scope", detail, capture=piece.ordinal),), None)


def _merged(many: list[list[Head]], singles: list[list[Head]]) -> list[list[Head]]:
    """Both in order of time; the order of the single files among themselves stays."""
    many = sorted(many, key=lambda group: group[0].time)
    found: list[list[Head]] = []
    for single in singles:
        while many and many[0][0].time < single[0].time:
            found.append(many.pop(0))
        found.append(single)
    return found + many


def _sorted(group: list[Head]) -> list[Head]:
    numbered = sorted(group, key=lambda head: (digits(head.piece), head.piece.ordinal))
    return numbered if _rises(numbered) else sorted(numbered, key=_time)


def _rises(heads: Sequence[Head]) -> bool:
    """True when times rise along with the names, but for packets that were written late."""
    latest = 0
    for head in heads:
        if head.first_ns is not None:
            if head.first_ns < latest - DISORDER_NS:
                return False
            latest = max(latest, head.first_ns)
    return True


def _time(head: Head) -> int:
    return head.time
