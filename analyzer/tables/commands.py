"""The table ``commands``: one row per WinRS command or PowerShell pipeline."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.wsman import Command, outputs_of
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.missing import sentences
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class CommandRow(Struct, frozen=True, gc=False):
    """A command and the captures of the run."""

    command: Command
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[CommandRow]:
    for command in result.commands:
        yield CommandRow(command, result.evidence.captures)


def _bytes(row: CommandRow, *streams: str) -> int:
    return sum(output.size for output in outputs_of(row.command.outputs, streams))


def _capture(row: CommandRow) -> str | None:
    return capture_of(row.command.packets, row.captures) or row.captures[row.command.capture].name


_COLUMNS: tuple[Column[CommandRow], ...] = (
    Column(
        "command_id",
        Dtype.TEXT,
        lambda row: row.command.id,
        "The command's or pipeline's id, in upper case; with `#2` and so on where the shell uses it again.",
    ),
    Column("shell_id", Dtype.TEXT, lambda row: row.command.shell, "The shell it ran in."),
    Column("kind", Dtype.TEXT, lambda row: row.command.kind, "`winrs`, `powershell`, or `cim` (a CIM method that starts a program; its id is the exchange's)."),
    Column("text", Dtype.TEXT, lambda row: row.command.text, "The command line, or the pipeline as PowerShell writes it."),
    Column(
        "text_decoded", Dtype.TEXT, lambda row: row.command.decoded, "What its encoded layers hold (`-EncodedCommand`, base64, gzip, deflate); null when none."
    ),
    Column("time", Dtype.TIME, lambda row: row.command.first_ns, "Time of its first message."),
    Column("end_time", Dtype.TIME, lambda row: row.command.last_ns, "Time of its last message in the capture."),
    Column("duration_s", Dtype.NUMBER, lambda row: seconds(row.command.last_ns - row.command.first_ns), "From its first to its last message."),
    Column("exit_code", Dtype.INTEGER, lambda row: row.command.exit_code, "WinRS: the exit code; null when it is not in the capture."),
    Column(
        "state",
        Dtype.TEXT,
        lambda row: row.command.state,
        "The last state seen, such as `Done`, `Running`, `Completed`; `refused`: the server did not run it.",
    ),
    Column("stdout_bytes", Dtype.INTEGER, lambda row: _bytes(row, "stdout", "output"), "Bytes of output."),
    Column("stderr_bytes", Dtype.INTEGER, lambda row: _bytes(row, "stderr", "error"), "Bytes of error output."),
    Column("user", Dtype.TEXT, lambda row: row.command.user, "Who authenticated the connection; null where no key shows it."),
    Column("capture", Dtype.TEXT, _capture, "The capture of its first packet."),
    Column(
        "packets",
        Dtype.TEXT,
        lambda row: packet_set(row.command.packets, row.captures),
        "Packets of the request that began it, and of all that carried its text.",
    ),
    Column("asked_from", Dtype.TEXT, lambda row: row.command.asked_from, "Address of the client that asked for it."),
    Column("asked_as", Dtype.TEXT, lambda row: row.command.asked_as, "The account that this client logged on with; null where it did not, or no key shows it."),
    Column("ran_as", Dtype.TEXT, lambda row: row.command.ran_as, "The account that the server's connection was logged on with: as whom it ran."),
    Column("server_ip", Dtype.TEXT, lambda row: row.command.server, "The server that it ran on, behind any proxy."),
    Column("complete", Dtype.FLAG, lambda row: row.command.complete, "False when something of it is known not to be in the capture."),
    Column("missing_bytes", Dtype.INTEGER, lambda row: row.command.missing_bytes, "Bytes that are known to be missing; null where that is not known."),
    Column("missing", Dtype.TEXT, lambda row: sentences(row.command.missing, row.captures), "What is missing, and in which packets; null when nothing is."),
    Column(
        "number_sure",
        Dtype.FLAG,
        lambda row: row.command.number_sure,
        "False where the id was used before and requests between the uses are not in the capture: the number behind `#` may be too low.",
    ),
    Column("nested", Dtype.FLAG, lambda row: row.command.nested, "PowerShell: it ran inside of another pipeline that waited for it, as at a nested prompt."),
)

COMMANDS = Table(
    name="commands",
    means="One row per WinRS command or PowerShell pipeline whose messages could be read.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("time", "kind", "user", "text", "exit_code", "state", "stdout_bytes", "packets"),
)
