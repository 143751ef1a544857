"""What files are put together of: pieces, transfers, and the inputs and outputs of commands with the marks of what is missing."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.formats.holes import HOLE, UNKNOWN, Holed, unshown
from analyzer.records.files import Check
from analyzer.records.wsman import Command, Output, OutputRun, Outputs

B64 = rf"A-Za-z0-9+/{HOLE}{UNKNOWN}"
"""The characters of base64 and of holes in it, for a character class."""


class Piece(NamedTuple):
    """Bytes of a file, in order of time or (``at``) at an offset that the command tells; the command and the packets that brought them."""

    data: Holed
    command: str
    packets: tuple[int, ...]
    at: int | None = None


class Transfer(Struct):
    """A file that is being put together."""

    command: Command
    method: str
    name: str | None
    to_server: bool
    pieces: list[Piece] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    """Of pieces; a hash or the size of the whole stands in the next two."""
    digest: tuple[str, tuple[int, ...]] | None = None
    size: tuple[int, tuple[int, ...]] | None = None
    told: bool = False
    """The commands say that this is a file: even a single byte of it counts."""
    open_end: bool = False
    """More was announced than there is."""


class Text(NamedTuple):
    """An input or output as it was, with the characters that stand for what is missing; a line of a byte stream, or an object."""

    text: str
    ts_ns: int
    packets: tuple[int, ...]


def texts(command: Command, streams: Sequence[str]) -> list[Text]:
    """What went in or came out, in order of time; where the capture lacks an answer, or what an answer said, a text of unknown size stands for it."""
    outputs = command.outputs
    runs = outputs.runs if isinstance(outputs, Outputs) else tuple(map(_run, outputs))
    found: list[tuple[int, Text]] = []
    for run in runs:
        if run.stream not in streams:
            continue
        if run.holes:
            found.append((run.ts_ns, Text(unshown(run.text, run.holes), run.ts_ns, run.packets)))
            continue
        begin = 0
        for end in run.ends:
            found.append((run.ts_ns, Text(run.text[begin:end], run.ts_ns, run.packets)))
            begin = end
    kinds = ("input", "request", "exchange") if "input" in streams else ("answer", "output", "exchange")
    holed = {run.ts_ns for run in runs if run.holes}
    lacking = [one for one in command.missing if one.what in kinds and one.ts_ns not in holed]
    found += [(one.ts_ns, Text(UNKNOWN, one.ts_ns, one.packets)) for one in lacking]
    found.sort(key=lambda one: one[0])
    return [text for _, text in found]


def _run(output: Output) -> OutputRun:
    return OutputRun(output.stream, output.ts_ns, output.packets, output.text, (len(output.text),), (output.size,))
