"""In the section *Transcript*: operations on CIM classes, and the processes that hosts logged below shells."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.reports.html.source import Room, Row, Source, text

_PIECE = 2000
"""Characters of arguments or of what came back that are shown."""
_PROCESSES = 100


class Process(NamedTuple):
    """A process below a shell, how deep it stands, and what is shown of it."""

    depth: int
    number: str
    line: str
    row: Row


class Operations(NamedTuple):
    """The operations that are shown, and how many there are."""

    rows: tuple[tuple[Row, tuple[tuple[str, str, str], ...]], ...]
    """Each with its pieces: label, class, text."""
    total: int


class Below:
    """The processes below each shell. ``others``: those of shells that could not be read."""

    def __init__(self, source: Source) -> None:
        self._by_subject = _processes(source)
        read = {name for row in source.rows("shells") for name in (text(row, "shell_id"), *text(row, "connections").split(","))}
        self.others = tuple(one for subject, own in self._by_subject.items() if subject not in read for one in own)

    def of(self, shell: Row) -> tuple[Process, ...]:
        """Those of a shell, by its id or by one of its connections."""
        names = (text(shell, "shell_id"), *text(shell, "connections").split(","))
        return tuple(one for name in names for one in self._by_subject.get(name, ()))


def _processes(source: Source) -> dict[str, tuple[Process, ...]]:
    """By the shell or connection they belong to, in order of time; one that two logs tell of once."""
    found: dict[str, dict[tuple[str, int], Row]] = {}
    for row in source.rows("host_events"):
        if row["joined"] in ("process", "child") and row["process_id"]:
            found.setdefault(text(row, "subject"), {}).setdefault((text(row, "computer").lower(), int(row["process_id"])), row)
    return {subject: tuple(_process(row, own) for row in list(own.values())[:_PROCESSES]) for subject, own in found.items()}


def _process(row: Row, own: dict[tuple[str, int], Row]) -> Process:
    depth, at, seen = 0, row, {id(row)}
    while (above := own.get((text(at, "computer").lower(), int(at["parent_id"] or 0)))) is not None and id(above) not in seen:
        depth, at = depth + 1, above
        seen.add(id(above))
    return Process(depth, text(row, "process_id"), text(row, "command_line") or text(row, "image") or "?", row)


def operations(source: Source, room: Room) -> Operations:
    """Operations in order of place, each with what is shown of it."""
    rows = source.rows("operations")
    return Operations(tuple((row, tuple(_pieces(row))) for row in rows[: room.findings]), len(rows))


def _words(row: Row) -> str:
    method = f".{row['method']}" if row["method"] else ""
    where = f" ({row['namespace']})" if row["namespace"] else ""
    return f"{row['operation']} {text(row, 'class') or text(row, 'resource_uri')}{method}{where}"


def _pieces(row: Row) -> Iterator[tuple[str, str, str]]:
    yield "ASK", "run", _words(row)
    names = (("QUERY", "query"), ("WHICH", "selectors"), ("WITH", "arguments"), ("BACK", "returned"), ("BACK", "instances"), ("FAULT", "fault_code"))
    for label, name in names:
        words = text(row, name)
        if words and words != "{}":
            kind = "out" if label == "BACK" else "err" if label == "FAULT" else "other"
            yield label, kind, words if len(words) <= _PIECE else f"{words[:_PIECE]} … ({len(words) - _PIECE:,} more characters)"
