"""The table ``files``: one row per file that commands moved to or from a server, as far as its pieces could be read."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.files import MovedFile
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class FileRow(Struct, frozen=True, gc=False):
    """A file and the captures of the run."""

    file: MovedFile
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[FileRow]:
    for one in result.evidence.files:
        yield FileRow(one, result.evidence.captures)


def holes(one: MovedFile) -> str | None:
    """``4096+1448,9000+?``: offset and size of each hole; None where there is none."""
    return ",".join(f"{at}+{size or '?'}" for at, size in one.holes) or None


def checked(one: MovedFile) -> str | None:
    """The checks in words: what agrees, and what does not; pieces of one file are counted together."""
    told = []
    for what in dict.fromkeys(check.what for check in one.checks):
        own = [check for check in one.checks if check.what == what]
        wrong = [check for check in own if not check.agrees]
        count = f" of {len(own)} pieces" if len(own) > 1 else ""
        if wrong:
            told.append(f"{what}{count} differs: the traffic says {wrong[0].told}, what is there comes to {wrong[0].found}")
        else:
            told.append(f"{what}{count} agrees")
    return "; ".join(told) or None


_COLUMNS: tuple[Column[FileRow], ...] = (
    Column("sha256", Dtype.TEXT, lambda row: row.file.sha256, "SHA-256 of the bytes that are there, with zeros where some are missing."),
    Column("time", Dtype.TIME, lambda row: row.file.first_ns, "Time of the first command that moved it."),
    Column("direction", Dtype.TEXT, lambda row: "to_server" if row.file.to_server else "to_client", "`to_server` or `to_client`."),
    Column("name", Dtype.TEXT, lambda row: row.file.name, "What the command calls it; null where it names no file."),
    Column("kind", Dtype.TEXT, lambda row: row.file.kind, "What its first bytes say: `pe`, `zip`, `script`, `text`, `data` and others."),
    Column("size_bytes", Dtype.INTEGER, lambda row: row.file.size, "Its size, holes of known sizes included."),
    Column("complete", Dtype.FLAG, lambda row: row.file.whole, "False when something of it is missing, or the traffic tells another size or hash."),
    Column("missing_bytes", Dtype.INTEGER, lambda row: row.file.missing_bytes, "Bytes of it that are not in the capture; null where that is not known."),
    Column("missing_at", Dtype.TEXT, lambda row: holes(row.file), "Offset and size of each hole, such as `4096+1448`; `?`: the size is not known."),
    Column("verified", Dtype.FLAG, lambda row: row.file.verified, "Whether hash or sizes in the traffic agree with it; null where it tells none."),
    Column("checks", Dtype.TEXT, lambda row: checked(row.file), "What the traffic tells (BytesWritten, SHA-1, SHA-256, size), and whether it agrees."),
    Column("method", Dtype.TEXT, lambda row: row.file.method, "How it was moved: `Copy-Item`, `pypsrp`, `Ansible`, or `base64` by any tool."),
    Column("shell_id", Dtype.TEXT, lambda row: row.file.shell, "The shell of its first command."),
    Column("server_ip", Dtype.TEXT, lambda row: row.file.server, "The server, behind any proxy."),
    Column("command_ids", Dtype.TEXT, lambda row: ",".join(row.file.commands), "The commands that moved it, comma-joined."),
    Column(
        "capture",
        Dtype.TEXT,
        lambda row: capture_of(row.file.packets, row.captures) or row.captures[row.file.capture].name,
        "The capture of its first packet.",
    ),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.file.packets, row.captures), "Packets that brought it."),
)

FILES = Table(
    name="files",
    means="One row per file that commands moved to or from a server; `winrm-analyzer extract` writes them.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("time", "direction", "name", "kind", "size_bytes", "complete", "missing_bytes", "verified", "packets"),
)
