"""The table ``shells``: one row per shell of a client on a server, as far as its messages could be read."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.wsman import Missing, Shell, missing_bytes
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class ShellRow(Struct, frozen=True, gc=False):
    """A shell and the captures of the run."""

    shell: Shell
    captures: Sequence[Capture]
    missing: tuple[Missing, ...] = ()
    """Of the shell and of its commands."""


def _rows(result: Result) -> Iterator[ShellRow]:
    of_commands: dict[tuple[str, str], list[Missing]] = {}
    for command in result.commands:
        of_commands.setdefault((command.server, command.shell), []).extend(command.missing)
    for shell in result.shells:
        yield ShellRow(shell, result.evidence.captures, (*shell.missing, *of_commands.get((shell.server, shell.id), ())))


def _capture(row: ShellRow) -> str | None:
    return capture_of(row.shell.packets, row.captures) or row.captures[row.shell.capture].name


_COLUMNS: tuple[Column[ShellRow], ...] = (
    Column(
        "shell_id",
        Dtype.TEXT,
        lambda row: row.shell.id,
        "The shell's id, in upper case; with `#2` and so on where the server uses it again. Of `cim` the connection's, as there is no shell.",
    ),
    Column("kind", Dtype.TEXT, lambda row: row.shell.kind, "`winrs`, `powershell`, `cim` or `events`."),
    Column("user", Dtype.TEXT, lambda row: row.shell.user, "Who authenticated the connection; null where no key shows it."),
    Column("client_ip", Dtype.TEXT, lambda row: row.shell.client, "The client, behind any proxy."),
    Column("server_ip", Dtype.TEXT, lambda row: row.shell.server, "The server, behind any proxy."),
    Column("first_time", Dtype.TIME, lambda row: row.shell.first_ns, "Time of its first message."),
    Column("last_time", Dtype.TIME, lambda row: row.shell.last_ns, "Time of its last message."),
    Column("connections", Dtype.TEXT, lambda row: ",".join(row.shell.connections), "Connections that its messages came over, comma-joined."),
    Column("commands", Dtype.INTEGER, lambda row: len(row.shell.commands), "Commands or pipelines in it."),
    Column("resource_uri", Dtype.TEXT, lambda row: row.shell.resource_uri, "The WS-Management resource URI."),
    Column("capture", Dtype.TEXT, _capture, "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.shell.packets, row.captures), "The packet in which it begins."),
    Column("asked_from", Dtype.TEXT, lambda row: row.shell.asked_from, "Address of the client that asked for it."),
    Column("asked_as", Dtype.TEXT, lambda row: ",".join(row.shell.asked_as) or None, "Accounts that the clients of its requests had logged on with."),
    Column(
        "ran_as",
        Dtype.TEXT,
        lambda row: ",".join(row.shell.ran_as) or None,
        "Accounts that the server's connections were logged on with: as whom its requests ran.",
    ),
    Column("complete", Dtype.FLAG, lambda row: not row.missing, "False when something of it or of its commands is known not to be in the capture."),
    Column("missing_bytes", Dtype.INTEGER, lambda row: missing_bytes(row.missing), "Bytes that are known to be missing; null where that is not known."),
)

SHELLS = Table(
    name="shells",
    means="One row per shell whose messages could be read: clear ones without any key, encrypted ones with passwords or keys that were given.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("shell_id", "kind", "user", "client_ip", "server_ip", "first_time", "commands", "packets"),
)
