"""The table ``shells``: one row per shell of a client on a server, as far as its messages could be read."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.wsman import Missing, Shell, missing_bytes
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.session import configuration, events, facts, key_exchange, number, seconds_of, value, version


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
    Column("name", Dtype.TEXT, lambda row: value(row.shell, "Name"), "The shell's own name, as its client chose it."),
    Column("owner", Dtype.TEXT, lambda row: value(row.shell, "Owner"), "The account that the server says it belongs to."),
    Column(
        "process_id", Dtype.INTEGER, lambda row: number(row.shell, "ProcessId"), "The process it runs in, as the server says: wsmprovhost.exe or winrshost.exe."
    ),
    Column("reported_client_ip", Dtype.TEXT, lambda row: value(row.shell, "ClientIP"), "The client's address as the server says: behind a proxy, the proxy's."),
    Column(
        "configuration",
        Dtype.TEXT,
        lambda row: configuration(row.shell),
        "PowerShell: the name of the session configuration, the last part of the resource URI; other than `Microsoft.PowerShell` it is a custom or restricted "
        "endpoint (JEA).",
    ),
    Column("state", Dtype.TEXT, lambda row: value(row.shell, "State"), "The last state that the server said, such as `Connected`, `Disconnected`."),
    Column("pool_state", Dtype.TEXT, lambda row: value(row.shell, "RunspacePoolState"), "PowerShell: the last state of its runspace pool."),
    Column("culture", Dtype.TEXT, lambda row: value(row.shell, "DataLocale"), "Language of numbers and dates: the server's word, else the client's wish."),
    Column("ui_culture", Dtype.TEXT, lambda row: value(row.shell, "Locale"), "Language of messages: the server's word, else the client's wish."),
    Column("idle_timeout_s", Dtype.NUMBER, lambda row: seconds_of(row.shell, "IdleTimeOut"), "Seconds without use after which it ends."),
    Column("max_idle_timeout_s", Dtype.NUMBER, lambda row: seconds_of(row.shell, "MaxIdleTimeOut"), "The most that a client may ask for."),
    Column("lifetime_s", Dtype.NUMBER, lambda row: seconds_of(row.shell, "Lifetime"), "Seconds that it lives at most, as its client wished."),
    Column("profile_loaded", Dtype.TEXT, lambda row: value(row.shell, "ProfileLoaded"), "Whether the user's profile is loaded, as the server says."),
    Column("working_directory", Dtype.TEXT, lambda row: value(row.shell, "WorkingDirectory"), "WinRS: the folder that it begins in."),
    Column("environment", Dtype.TEXT, lambda row: value(row.shell, "Environment"), "WinRS: environment variables that the client set, as JSON."),
    Column(
        "client_version",
        Dtype.TEXT,
        lambda row: version(row.shell.facts, by_client=True),
        "The client's PowerShell, of its PSVersionTable; null where it has none.",
    ),
    Column("server_version", Dtype.TEXT, lambda row: version(row.shell.facts, by_client=False), "The server's PowerShell, of its PSVersionTable."),
    Column("application_arguments", Dtype.TEXT, lambda row: value(row.shell, "ApplicationArguments"), "What the client passes to the session, as JSON."),
    Column("private_data", Dtype.TEXT, lambda row: value(row.shell, "ApplicationPrivateData"), "What the server tells the client's application, as JSON."),
    Column(
        "key_exchange",
        Dtype.TEXT,
        lambda row: key_exchange(row.shell),
        "`complete`, `begun` or null: of the key of SecureStrings. It is encrypted for the client's RSA key, so that they stay encrypted.",
    ),
    Column(
        "history",
        Dtype.TEXT,
        lambda row: events(row.shell, row.captures),
        "JSON: what was done to it as a whole (create, disconnect, reconnect, connect, delete, states, keys, calls to the host), by whom, with what "
        "outcome, in which packets.",
    ),
    Column(
        "facts",
        Dtype.TEXT,
        lambda row: facts(row.shell, row.captures),
        "JSON: all properties, each with who claims it (`client`: what it wished; `server`) and in which packets.",
    ),
)

SHELLS = Table(
    name="shells",
    means="One row per shell whose messages could be read: clear ones without any key, encrypted ones with passwords or keys that were given.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("shell_id", "kind", "user", "client_ip", "server_ip", "first_time", "commands", "packets"),
)
