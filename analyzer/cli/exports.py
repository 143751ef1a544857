"""Commands that write what other tools read: timelines and logs, slices of packets, archives, layers, a Wireshark profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.case import exports, writing
from analyzer.cli.analysis import exit_code, read_any, read_case
from analyzer.cli.options import input_options, show_secrets_option
from analyzer.cli.printing import complain, remark, write_to
from analyzer.errors import UsageError
from analyzer.exports.registry import EXPORTS, export_named, form_of, names
from analyzer.system.outputs import write_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.cli.analysis import Given

READERS = ", ".join(row.means for row in EXPORTS if row.command == "timeline")
FORMATS = ", or ".join(row.means for row in EXPORTS if row.command == "export")
_file = click.Path(dir_okay=False, path_type=Path)
_clobber = click.option("--clobber", is_flag=True, help="Overwrite what exists.")
_connection = click.option("--connection", "connections", metavar="ID", multiple=True, help="Only this connection, for example c3; can be repeated.")


@click.command()
@input_options
@click.option("--profile", type=click.Choice(names("timeline")), default="native", show_default=True, help=f"Who reads it: {READERS}.")
@click.option("-f", "--format", "form", type=click.Choice(["jsonl", "csv"]), help="CSV is for Timesketch. Default: by the name of FILE, else JSON lines.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write to this file; with --profile zeek into this folder.")
@_clobber
@show_secrets_option
def timeline(
    captures: tuple[str, ...],
    given: Given,
    profile: str,
    form: str | None,
    output: Path | None,
    *,
    clobber: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Export what happened, in order of time, for other tools.

    CAPTURE can be a case folder. Zeek's logs are conn, http, ntlm, kerberos and notice (the findings), each in a file of its own.
    """
    row = export_named(profile)
    form = form or ("" if output is None or row.files else form_of(output.name))
    if form and form not in row.forms:
        msg = f"{form.upper()} is not for --profile {profile} (the table timeline as CSV: winrm-analyzer show timeline -f csv)"
        raise UsageError(msg)
    if row.files and output is None:
        msg = f"--profile {profile} writes several files: name a folder with -o"
        raise UsageError(msg)
    if output is not None and not row.files:
        writing.refuse(output, captures, clobber=clobber)
    case = read_any(captures, given)
    if row.files:
        _files(output or Path(), case.export_files(profile, show_secrets=show_secrets), captures, clobber=clobber)
    else:
        write_to(output, case.export(profile, form, show_secrets=show_secrets), captures, clobber=clobber)
    return exit_code(case, None, strict=strict)


@click.command()
@input_options
@click.option("-o", "--output", metavar="FILE.pcapng", required=True, type=_file, help="Write the packets to this file.")
@click.option("--finding", "findings", metavar="ID", multiple=True, help="The packets of this finding, for example f1; can be repeated.")
@click.option("--connection", "connections", metavar="ID", multiple=True, help="All of this connection and of its route, for example c3; can be repeated.")
@click.option("--decrypted", is_flag=True, help="Instead of the packets write plain HTTP with the bodies that could be decrypted, made for Wireshark.")
@click.option(
    "--embed-keylog",
    "keylogs",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="Put the lines of this TLS key log that decrypt these packets into the file.",
)
@_clobber
@show_secrets_option
def pcap(  # noqa: PLR0913  one for each option
    captures: tuple[str, ...],
    given: Given,
    output: Path,
    findings: tuple[str, ...],
    connections: tuple[str, ...],
    keylogs: tuple[str, ...],
    *,
    decrypted: bool,
    clobber: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Write the packets of findings or connections as a capture of their own, with comments.

    The packets are the original ones to the byte and the nanosecond; each has comments that name the finding, its role, and its number in the original capture.
    Without --finding and --connection all WinRM connections are written. What the packets hold is not masked: passwords that travel in clear are in the file.

    With --embed-keylog Wireshark decrypts the TLS connections in the file, and so can anyone who has it.

    With --decrypted the packets are made: addresses, ports and times are the capture's, and each names the packets that it was made of. Passwords in it are
    masked as in texts, unless --show-secrets is given.
    """
    if decrypted and findings:
        msg = "--decrypted takes --connection, not --finding"
        raise UsageError(msg)
    if decrypted and keylogs:
        msg = "--decrypted writes what was decrypted, and takes no --embed-keylog"
        raise UsageError(msg)
    if show_secrets and not decrypted:
        msg = "--show-secrets is for --decrypted: packets as they were captured are never masked"
        raise UsageError(msg)
    writing.refuse(output, captures, clobber=clobber)
    case = read_case(captures, given)
    if decrypted:
        count = case.decrypted(output, connections=connections, show_secrets=show_secrets, clobber=clobber)
        remark(f"{output}: {count:,} packets made of what could be read; open it in Wireshark")
        return exit_code(case, None, strict=strict)
    count = case.slice(output, findings=findings, connections=connections, keylogs=keylogs, clobber=clobber)
    if given.pseudonyms is not None:
        for lacking in case.lacks:
            remark(lacking)
        remark(f"{output}: {count:,} packets with pseudonyms; {given.pseudonyms} undoes them, so do not share it")
        return exit_code(case, None, strict=strict)
    more = ", and with keys that decrypt their TLS connections" if keylogs else ""
    remark(f"{output}: {count:,} packets as they were captured, with whatever passwords and keys they hold{more}")
    return exit_code(case, None, strict=strict)


@click.command()
@input_options
@click.option("-f", "--format", "form", type=click.Choice(names("export")), required=True, help=f"{FORMATS}.")
@click.option("-o", "--output", metavar="FILE", type=_file, help="Write to this file instead of standard output.")
@_connection
@_clobber
@show_secrets_option
def export(
    captures: tuple[str, ...],
    given: Given,
    form: str,
    output: Path | None,
    connections: tuple[str, ...],
    *,
    clobber: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Export all tables as a database or workbook, exchanges as an HTTP archive, forwarded events, or ATT&CK techniques.

    The archive has the bodies that could be read: give --secrets, --keytab or --keylog to open the others. CAPTURE can be a case folder.
    """
    row = export_named(form)
    if output is not None:
        writing.refuse(output, captures, clobber=clobber)
    elif row.binary:
        msg = f"{form} is no text: name a file with -o"
        raise UsageError(msg)
    case = (read_any if row.reads == "tables" else read_case)(captures, given)
    if output is not None and row.binary:
        writing.write_bytes(output, [case.export_bytes(form, show_secrets=show_secrets)], captures, clobber=clobber)
        return exit_code(case, None, strict=strict)
    write_to(output, case.export(form, connections=connections, show_secrets=show_secrets), captures, clobber=clobber)
    for lacking in case.lacks:
        complain(lacking)
    return exit_code(case, None, strict=strict)


@click.command()
@click.option("-o", "--output", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path), help="Write the folder WinRM into this one.")
@_clobber
def wireshark(output: Path, *, clobber: bool) -> int:
    """Write a Wireshark profile for WinRM: ports, columns, colors, filter buttons.

    DIR is the folder "profiles" of Wireshark's personal configuration (Help, About Wireshark, Folders), for example
    ~/.config/wireshark/profiles. Then choose the profile WinRM in Wireshark, or run tshark -C WinRM.
    """
    folder = output / "WinRM"
    _files(folder, ((name, iter([text])) for name, text in exports.wireshark().items()), (), clobber=clobber, shared=True)
    remark(f"{folder}")
    return 0


def _files(folder: Path, files: Iterable[tuple[str, Iterable[str]]], inputs: tuple[str, ...], *, clobber: bool, shared: bool = False) -> None:
    """Nothing is written when one of them is there."""
    made = dict(files)
    for name in made:
        writing.refuse(folder / name, inputs, clobber=clobber)
    write_files(
        folder, {name: (piece.encode("utf-8", "backslashreplace") for piece in pieces) for name, pieces in made.items()}, replace=clobber, shared=shared
    )
