"""The table ``streams``: what went into commands and came out of them, piece by piece in order."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Output
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.errors import error
from analyzer.tables.packets import capture_of, packet_set


class StreamRow(Struct, frozen=True, gc=False):
    """A piece of a command's stream."""

    command: Command
    output: Output
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[StreamRow]:
    for command in result.commands:
        for output in command.outputs:
            yield StreamRow(command, output, result.evidence.captures)


_COLUMNS: tuple[Column[StreamRow], ...] = (
    Column("command_id", Dtype.TEXT, lambda row: row.command.id, "The command or pipeline."),
    Column("time", Dtype.TIME, lambda row: row.output.ts_ns, "Time of the message that carried it."),
    Column(
        "stream",
        Dtype.TEXT,
        lambda row: row.output.stream,
        "`stdin`, `stdout`, `stderr`; PowerShell: `input`, `output`, `error`, `warning`, `verbose`, `debug`, `information`, `progress`, `host`, "
        "`part` (of an object whose beginning is missing).",
    ),
    Column("position", Dtype.INTEGER, lambda row: row.output.position, "Its place among the command's pieces, from 1."),
    Column("text", Dtype.TEXT, lambda row: row.output.text, "The text; of objects what PowerShell would print first."),
    Column("size_bytes", Dtype.INTEGER, lambda row: row.output.size, "Its size as it traveled, before text was made of it."),
    Column("complete", Dtype.FLAG, lambda row: row.output.whole, "False when a part of it is not in the capture: the text is what there is of it."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.output.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.output.packets, row.captures), "Packets of the message that carried it."),
    Column("shell_id", Dtype.TEXT, lambda row: row.command.shell, "The shell of the command."),
    Column("server_ip", Dtype.TEXT, lambda row: row.command.server, "The server, behind any proxy."),
    Column("missing_bytes", Dtype.INTEGER, lambda row: row.output.missing, "Bytes of it that are not in the capture; null where that is not known."),
    Column("unverified", Dtype.FLAG, lambda row: row.output.unproved, "True: decrypted out of a body that lacks bytes, so that no signature proves it."),
    Column("types", Dtype.TEXT, lambda row: row.output.types, "PowerShell: the object's type names, nearest first, comma-joined."),
    Column(
        "object",
        Dtype.TEXT,
        lambda row: row.output.json,
        "PowerShell: the object's properties as JSON; of an error its category, id, target, script, line and position. Null of plain values.",
    ),
    Column("error_category", Dtype.TEXT, lambda row: error(row.output).category, "Of an error record: its category, such as `ObjectNotFound`."),
    Column("error_id", Dtype.TEXT, lambda row: error(row.output).identity, "Of an error record: its fully qualified error id."),
    Column("error_position", Dtype.TEXT, lambda row: error(row.output).position, "Of an error record: script, line and character; null where it says none."),
)

STREAMS = Table(
    name="streams",
    means="One row per piece of a command's input and output, in order.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("time", "stream", "position", "text", "packets"),
)
