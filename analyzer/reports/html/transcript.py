"""The section *Transcript*: shells with their commands and what came back, as many characters of it as the page has room for."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from analyzer.reports.facts import counted
from analyzer.reports.html.source import Room, Row, Source, text
from analyzer.reports.sessions import event_words, fact_lines, place_words
from analyzer.reports.transcript import BEGINNING, LABELS
from analyzer.tables.errors import Error
from analyzer.tables.session import events_of, facts_of, packets_of

_FOLD_LINES = 12
"""A piece with more lines is folded."""


class Piece(NamedTuple):
    """A text with its label and the packets that carried it. ``lines`` are shown one below the other; ``cut`` says what is left out."""

    label: str
    packets: str
    lines: tuple[str, ...]
    cut: str
    size: int

    @property
    def long(self) -> bool:
        """It is folded."""
        return len(self.lines) > _FOLD_LINES


class Told(NamedTuple):
    """A command, and what went in and came out."""

    row: Row
    pieces: tuple[Piece, ...]
    end: str


class Talk(NamedTuple):
    """A shell and its commands. ``session``: what both sides say of it; ``events``: what was done to it as a whole, each with its packets."""

    row: Row
    commands: tuple[Told, ...]
    session: tuple[str, ...] = ()
    events: tuple[tuple[str, str], ...] = ()


class Transcript(NamedTuple):
    """``left_out``: commands for which the page had no room."""

    talks: tuple[Talk, ...]
    commands: int
    left_out: int


class _Left:
    """How many characters the page still has room for."""

    def __init__(self, room: Room) -> None:
        self.chars = room.text_chars
        self._piece = room.piece_chars

    def taken(self, words: str) -> str:
        """As much of the text as fits."""
        kept = words[: max(0, min(self._piece, self.chars))]
        self.chars -= len(kept)
        return kept


def transcript(source: Source, room: Room) -> Transcript:
    """Shells in their order; commands beyond the room are counted."""
    outputs: dict[tuple[str, ...], list[Row]] = {}
    for row in source.rows("streams"):
        outputs.setdefault(_command(row), []).append(row)
    of_shell: dict[tuple[str, str], list[Row]] = {}
    for row in source.rows("commands"):
        of_shell.setdefault((text(row, "server_ip"), text(row, "shell_id")), []).append(row)
    left, told, talks = _Left(room), 0, []
    for shell in source.rows("shells"):
        commands = []
        for row in of_shell.get((text(shell, "server_ip"), text(shell, "shell_id")), []):
            if left.chars <= 0 or told >= room.rows:
                break
            commands.append(Told(row, tuple(_pieces(row, outputs.get(_command(row), []), left, room)), _end(row)))
            told += 1
        talks.append(Talk(shell, tuple(commands), *_session(shell, room)))
    total = len(source.rows("commands"))
    return Transcript(tuple(talks[: room.rows]), total, total - told)


def _session(shell: Row, room: Room) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What both sides say of a shell, and what was done to it; states that follow from it are left out, as in the transcript."""
    told, history = text(shell, "facts"), text(shell, "history")
    lines = tuple(fact_lines(facts_of(told), text(shell, "configuration") or None)) if told else ()
    pairs = zip(events_of(history), packets_of(history), strict=True)
    return lines, tuple((event_words(event), packets) for event, packets in pairs if event.what != "state" or ":" in event.text)[: room.rows]


def _command(row: Row) -> tuple[str, ...]:
    """What tells a command from all others: its id is one of its shell's, and that one of its server's."""
    return text(row, "server_ip"), text(row, "shell_id"), text(row, "command_id")


def _pieces(command: Row, outputs: list[Row], left: _Left, room: Room) -> Iterator[Piece]:
    packets = text(command, "packets")
    yield _piece("RUN", packets, text(command, "text") or BEGINNING, left)
    if command["text_decoded"]:
        yield _piece("DECODED", packets, text(command, "text_decoded"), left)
    if command["missing"]:
        yield _piece("MISSING", "", text(command, "missing"), left)
    runs = groupby(outputs, key=lambda row: (text(row, "stream"), text(row, "packets")))
    for place, ((stream, carried), own) in enumerate(runs):
        if left.chars <= 0 or place >= room.rows:
            yield Piece("", "", (), "more is left out", 0)
            return
        rows = list(own)
        yield _piece(LABELS.get(stream, stream.upper()), carried, _joined(stream, rows), left)
        where = "\n".join(place_words(map(_error, rows))) if stream == "error" else ""
        if where:
            yield _piece("AT", carried, where, left)


def _error(row: Row) -> Error:
    return Error(category=text(row, "error_category") or None, identity=text(row, "error_id") or None, position=text(row, "error_position") or None)


def _joined(stream: str, rows: Iterable[Row]) -> str:
    separator = "" if stream in {"stdin", "stdout", "stderr"} else "\n"  # byte streams run on, objects are lines
    return separator.join(text(row, "text") for row in rows)


def _piece(label: str, packets: str, words: str, left: _Left) -> Piece:
    kept = left.taken(words)
    cut = f"{counted(len(words) - len(kept), 'more character')} left out" if len(kept) < len(words) else ""
    return Piece(label, packets, tuple(kept.replace("\r\n", "\n").rstrip("\n").split("\n")), cut, len(words))


def _end(row: Row) -> str:
    words = [text(row, "state"), "" if row["exit_code"] is None else f"exit code {row['exit_code']}"]
    return ", ".join(word for word in words if word)
