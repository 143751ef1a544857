"""The command line: parse, one call into `analyzer.api`, print. Results go to stdout, the rest to stderr. `analyzer.cli.start` is where it begins and ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from analyzer import api
from analyzer.case.writing import refuse
from analyzer.cli.analysis import Given, analysis, exit_code, finding_explained, read_any, read_case
from analyzer.cli.case import report, verify
from analyzer.cli.compare import compare
from analyzer.cli.completion import complete_rule, complete_table, completion, prepared
from analyzer.cli.evidence import extract, hashes
from analyzer.cli.exports import export, pcap, timeline, wireshark
from analyzer.cli.manual import docs
from analyzer.cli.notebook import notebook
from analyzer.cli.options import (
    CONTEXT,
    LEVELS,
    fail_on_option,
    finding_options,
    input_options,
    job_options,
    products_option,
    rules_option,
    show_secrets_option,
)
from analyzer.cli.printing import colour, print_with, remark, width, write, write_document, write_to
from analyzer.cli.program import Program
from analyzer.cli.query import sql
from analyzer.cli.restore import restore
from analyzer.cli.schema import schema
from analyzer.cli.serve import serve
from analyzer.cli.settings_file import defaults
from analyzer.errors import UsageError
from analyzer.version import described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.case.tables import CaseTables, TextFormat

__all__ = ["cli", "parsed"]


def _version(context: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001  click's signature
    if asked and not context.resilient_parsing:
        click.echo(described())
        context.exit()


@click.group(cls=Program, context_settings=CONTEXT)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and the form of the packet kernel.")
def cli() -> None:
    """Analyze WinRM traffic in packet captures: logons, encryption, proxies, findings.

    CAPTURE is a capture file (pcap, pcapng, .etl of netsh trace or pktmon, Network Monitor, snoop, ERF), also compressed or in a ZIP
    archive, a folder, a pattern, or - for standard input. Captures of both sides of a proxy are best given together.

    \b
    winrm-analyzer capture.pcapng                      the same as winrm-analyzer analyze capture.pcapng
    winrm-analyzer analyze client-side.pcapng server-side.pcapng
    winrm-analyzer show exchanges capture.pcapng -f csv

    This program works offline: it opens no network connection but to a cluster or an object store that you name. The captures are only read.

    Exit codes: 0 finished; 1 findings at or above --fail-on; 2 usage, unreadable input, nothing to analyze;
    3 partial result and --strict; 4 a case that was changed; 130 interrupted.
    """  # noqa: D301 (the backspace is click's mark for lines that stay as they are)


@cli.command()
@input_options
@job_options
@fail_on_option
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True, help="Text to read, or JSON for programs."
)
@click.option("-o", "--output", metavar="CASE", help="Also write a case folder: every table, and a manifest with hashes.")
@click.option(
    "--add",
    metavar="CASE",
    help="Add the captures to this case folder, which is made where there is none; say what is new. What jobs found stays next to it, in CASE.jobs.",
)
@click.option("--clobber", is_flag=True, help="Overwrite CASE when it exists.")
@click.option(
    "--keep",
    type=click.Choice(["files", "hashes", "texts", "all"]),
    multiple=True,
    help="Let CASE also hold files that were moved, lines for hashcat, bodies that could be read: for extract, hashes, export -f har without the captures.",
)
@click.option("--full", is_flag=True, help="Show every finding with its facts, and every packet number.")
@products_option
@show_secrets_option
def analyze(  # noqa: PLR0913 (one parameter per option)
    captures: tuple[str, ...],
    given: Given,
    form: Literal["table", "json", "jsonl"],
    output: str | None,
    fail_on: str | None,
    *,
    add: str | None,
    clobber: bool,
    full: bool,
    keep: tuple[str, ...],
    products: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Diagnosis, incidents, proxies, evidence, coverage: the main command.

    CAPTURE can be a case folder; with --secrets its captures are decrypted further, without being scanned again where that is possible.
    """
    shown = {"full": full, "products": products, "show_secrets": show_secrets}
    return analysis(captures, given, form=form, output=output, clobber=clobber, fail_on=fail_on, strict=strict, keep=keep, add=add, **shown)


@cli.command()
@input_options
def info(captures: tuple[str, ...], given: Given, *, strict: bool) -> int:
    """Is there WinRM, where, and which keys would open it."""
    case = read_case(captures, given, hashes=False)
    write([case.look(width=width(), colour=colour())])
    return exit_code(case, None, strict=strict)


@cli.command()
@click.argument("table", shell_complete=complete_table)
@input_options
@click.option("-f", "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl", "parquet"]), default="table", show_default=True)
@click.option("--columns", default="", metavar="A,B", help="These columns, in this order. Without it all, but only the main ones on a screen.")
@click.option("--where", metavar="SQL", help="Only rows for which this holds, for example: status = 401 and method = 'POST'.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file instead.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE when it exists.")
@click.option("--full", is_flag=True, help="Do not cut long cells of a table on the screen.")
@show_secrets_option
def show(  # noqa: PLR0913 (one parameter per option)
    table: str,
    captures: tuple[str, ...],
    given: Given,
    form: Literal["table", "csv", "json", "jsonl", "parquet"],
    columns: str,
    where: str | None,
    output: Path | None,
    *,
    clobber: bool,
    full: bool,
    show_secrets: bool,
    strict: bool,
) -> int:
    """Print one table as text, CSV, JSON or Parquet.

    TABLE is captures, connections, conflicts, tls, exchanges, hops, authentications, messages, keys, shells, commands, streams, files, operations,
    subscriptions, deliveries, events, drops, proxies, parties, hosts, names, clocks, host_events, logons, requests, findings, incidents, issues or timeline.

    Times are UTC. CSV is safe to open in a spreadsheet; JSON and Parquet hold every text as captured, but for
    passwords, which are masked, best effort, unless --show-secrets is given.
    """
    api.known_table(table)
    if output is not None:
        refuse(output, captures, clobber=clobber)
    names = [name.strip() for name in columns.split(",") if name.strip()]
    case = read_any(captures, given)
    if form == "parquet":
        _parquet(case, table, names, where, output, show_secrets=show_secrets, clobber=clobber)
    else:
        shown = colour() and output is None
        room = width() if output is None and sys.stdout.isatty() else None
        text = case.text(table, form, columns=names, where=where, width=room, full=full, colour=shown, show_secrets=show_secrets)
        write_to(output, text, captures, clobber=clobber)
    return exit_code(case, None, strict=strict)


@cli.command()
@input_options
@fail_on_option
@click.option("-f", "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl"]), default="table", show_default=True)
@click.option("-m", "--min-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Leave out findings below this level.")
@click.option("--full", is_flag=True, help="Show every packet number.")
@products_option
def findings(
    captures: tuple[str, ...],
    given: Given,
    form: TextFormat,
    min_level: str,
    fail_on: str | None,
    *,
    full: bool,
    products: bool,
    strict: bool,
) -> int:
    """Print the findings, the most severe first."""
    case = read_any(captures, given)
    if form == "table":
        write([case.findings_text(least=min_level, width=width(), full=full, products=products, colour=colour())])
    else:
        write(case.at_least(min_level).text("findings", form))
    return exit_code(case, fail_on, strict=strict)


@cli.command()
@input_options
@click.option("--connection", metavar="ID", help="Only this connection and those on its route, for example c3.")
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "svg"]), default="text", show_default=True)
@click.option("--messages", type=click.IntRange(1), default=api.LADDER_MESSAGES, show_default=True, help="Draw at most so many messages of a route.")
@click.option("--part", type=click.IntRange(1), default=1, show_default=True, help="Which part of a longer drawing; the index below it lists them.")
@click.option("--fold/--no-fold", default=True, show_default=True, help="Draw polls that follow one another as one, with their number.")
def ladder(
    captures: tuple[str, ...],
    given: Given,
    connection: str | None,
    form: Literal["text", "mermaid", "svg"],
    messages: int,
    *,
    part: int,
    fold: bool,
    strict: bool,
) -> int:
    """Draw the messages between client, proxy and server.

    Polls that follow one another are drawn as one ("Receive ×214", from the first packet to the last); an error, a logon, a hole or a close never is.
    """
    case = read_case(captures, given, hashes=False)
    drawn = case.ladder(connection, form=form, messages=messages, part=part, fold=fold, width=width(), colour=colour() and form == "text")
    if not drawn:
        remark("no WinRM connection to draw")
    write([drawn])
    return exit_code(case, None, strict=strict)


@cli.command()
@input_options
@click.option("-f", "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="Text, or the streams as JSON lines.")
@show_secrets_option
def transcript(captures: tuple[str, ...], given: Given, form: Literal["text", "jsonl"], *, show_secrets: bool, strict: bool) -> int:
    """What was run and what came back, with packet numbers.

    Clear-text WinRM needs no key; encrypted bodies need --secrets or --keytab, HTTPS and CredSSP --keylog.
    """
    case = read_case(captures, given, hashes=False)
    if form == "text":
        write([case.transcript(show_secrets=show_secrets, colour=colour(), width=width() if sys.stdout.isatty() else None)])
    else:
        write(case.text("streams", "jsonl", show_secrets=show_secrets))
    return exit_code(case, None, strict=strict)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="NAME", shell_complete=complete_rule)
@finding_options
def explain(name: str, captures: tuple[str, ...], given: Given) -> int:
    """Explain a rule, an issue, an error code, or a finding of a capture.

    NAME is a rule (http.request-too-large), an issue (tcp.gap), an HTTP status (413), a code of WinRM, Windows or NTSTATUS in decimal or
    hexadecimal (2150859173, -2144108123, 0x80338012), its name (KRB_AP_ERR_SKEW), or, with CAPTURE, a finding (f3).
    """
    write_document(finding_explained(name, captures, given) if captures else api.explanation(name, given.rules_dirs))
    return 0


@cli.command()
@rules_option
def rules(rules_dirs: tuple[str, ...]) -> int:
    """List all rules: id, severity, title."""
    rows = api.rule_rows(rules_dirs)
    widest = max((len(row[0]) for row in rows), default=0)
    if sys.stdout.isatty() and width() < max((widest + 12 + len(row[2]) for row in rows), default=0):
        write_document("".join(f"{name}  {severity}\n    {title}\n" for name, severity, title in rows))
    else:
        write(f"{name:{widest}}  {severity:8}  {title}\n" for name, severity, title in rows)
    return 0


cli.add_command(report)
cli.add_command(restore)
cli.add_command(compare)
cli.add_command(verify)
cli.add_command(serve)
cli.add_command(schema)
cli.add_command(sql)
cli.add_command(notebook)
cli.add_command(docs)
cli.add_command(extract)
cli.add_command(hashes)
for _command in (timeline, pcap, export, wireshark, completion):
    cli.add_command(_command)
for _command in cli.commands.values():  # also for one that is called without the group
    _command.context_settings = {**CONTEXT, **_command.context_settings}


def parsed(arguments: Sequence[str] | None = None) -> int:
    """A command line parsed, and done; its exit code. `UsageError`: click refuses it. `KeyboardInterrupt`: it was interrupted."""
    try:
        prepared()
        words = sys.argv[1:] if arguments is None else list(arguments)
        code = cli.main(arguments, prog_name="winrm-analyzer", standalone_mode=False, default_map=defaults(words, cli.commands))
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.ClickException as error:
        hint = f"\n{error.ctx.get_usage()}" if isinstance(error, click.UsageError) and error.ctx else ""
        raise UsageError(error.format_message() + hint) from error
    return code if isinstance(code, int) else 0


def _parquet(case: CaseTables, table: str, columns: list[str], where: str | None, output: Path | None, *, show_secrets: bool, clobber: bool) -> None:
    if output is not None:
        case.parquet(table, output, columns=columns, where=where, show_secrets=show_secrets, clobber=clobber)
        return
    if sys.stdout.isatty():
        msg = "Parquet is no text: name a file with -o, or send the output into one"
        raise UsageError(msg)
    from analyzer.system.outputs import scratch

    with scratch() as folder:
        made = folder / "table.parquet"
        case.parquet(table, made, columns=columns, where=where, show_secrets=show_secrets)
        print_with(lambda: sys.stdout.buffer.write(made.read_bytes()))
