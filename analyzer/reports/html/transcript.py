"""The section *Transcript*: shells with their commands and what came back, as many characters of it as the page has room for."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from analyzer.reports.facts import counted
from analyzer.reports.html.source import Room, Row, Source, text
from analyzer.reports.transcript import BEGINNING, LABELS

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
    """A shell and its commands."""

    row: Row
    commands: tuple[Told, ...]


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
        talks.append(Talk(shell, tuple(commands)))
    total = len(source.rows("commands"))
    return Transcript(tuple(talks[: room.rows]), total, total - told)


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
        yield _piece(LABELS.get(stream, stream.upper()), carried, _joined(stream, own), left)


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
