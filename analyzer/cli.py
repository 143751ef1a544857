"""The command line: parse, one call into `analyzer.api`, print. Results go to stdout, everything else to stderr.

Only click is imported when the program starts, so that ``--help`` is immediate. One border (`_Border`) turns whatever ends a command into an exit code:
0 finished, 1 findings at or above ``--fail-on``, 2 usage or unreadable input, 3 partial result and ``--strict``, 130 interrupted.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import click

from analyzer import __version__, api
from analyzer.errors import AnalyzerError, InputError, OutputError, UsageError
from analyzer.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

FINDINGS, USAGE, PARTIAL, INTERRUPTED = 1, 2, 3, 130
_LEVELS = ("info", "low", "medium", "high", "critical")
_PROGRESS_FROM_BYTES = 20_000_000
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

_captures = click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
_scope = click.option(
    "--scope", type=click.Choice(["winrm", "http"]), default="winrm", show_default=True, help="Keep WinRM and what belongs to it, or all HTTP."
)
_rules = click.option(
    "--rules", "rules_dirs", type=click.Path(exists=True, file_okay=False), multiple=True, metavar="DIR", help="Run the rules of this folder, too."
)
_strict = click.option("--strict", is_flag=True, help="Exit with 3 when a part of the evidence could not be read.")
_fail_on = click.option("--fail-on", type=click.Choice(_LEVELS), metavar="LEVEL", help=f"Exit with 1 when a finding is this grave: {', '.join(_LEVELS)}.")


_file = click.Path(exists=True, dir_okay=False)
_secrets = click.option("--secrets", type=_file, metavar="FILE.toml", help="Passwords, hashes and keys that open sealed bodies. They are never printed.")
_keylog = click.option("--keylog", type=_file, metavar="FILE", help="A TLS key log (SSLKEYLOGFILE).")
_keytab = click.option("--keytab", type=_file, metavar="FILE", help="A Kerberos keytab with the service's key, or krbtgt's.")


class Given(NamedTuple):
    """What every command that reads captures is given besides them."""

    scope: str
    rules_dirs: tuple[str, ...]
    secrets: str | None
    keylog: str | None
    keytab: str | None


def _input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Given` and --strict; the command gets the former as one."""

    @functools.wraps(command)
    def collected(**options: Any) -> Any:  # noqa: ANN401 (click hands over whatever the command declares)
        given = Given(**{name: options.pop(name) for name in Given._fields})
        return command(given=given, **options)

    for option in (_strict, _rules, _keytab, _keylog, _secrets, _scope, _captures):
        collected = option(collected)
    return collected


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="winrm-analyzer")
def cli() -> None:
    """Analyze WinRM traffic in packet captures: logons, encryption, proxies, findings.

    CAPTURE is a pcap or pcapng file (also gzip or zstd), a folder, a pattern, or - for standard input. Captures of both sides of
    a proxy are best given together.

    \b
    winrm-analyzer analyze client-side.pcapng server-side.pcapng
    winrm-analyzer show exchanges capture.pcapng -f csv

    This program works offline: it opens no network connection, ever. The captures are only read.

    Exit codes: 0 finished; 1 findings at or above --fail-on; 2 usage, unreadable input, nothing to analyze; 3 partial result and --strict; 130 interrupted.
    """  # noqa: D301 (the backspace is click's mark for lines that stay as they are)


@cli.command()
@_input_options
@_fail_on
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True, help="Text to read, or JSON for programs."
)
def analyze(captures: tuple[str, ...], given: Given, form: Literal["table", "json", "jsonl"], fail_on: str | None, *, strict: bool) -> int:
    """Evidence, coverage, proxies, findings: the main command."""
    case = _case(captures, given)
    if form == "table":
        _write([case.overview(width=_width(), colour=_colour())])
    else:
        _write(case.machine(form))
    return _code(case, fail_on, strict=strict)


@cli.command()
@_input_options
def info(captures: tuple[str, ...], given: Given, *, strict: bool) -> int:
    """Is there WinRM, where, and which keys would open it."""
    case = _case(captures, given)
    _write([case.look(width=_width(), colour=_colour())])
    return _code(case, None, strict=strict)


@cli.command()
@click.argument("table")
@_input_options
@click.option("-f", "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl", "parquet"]), default="table", show_default=True)
@click.option("--columns", default="", metavar="A,B", help="These columns, in this order. Without it all, but only the main ones on a screen.")
@click.option("--where", metavar="SQL", help="Only rows for which this holds, for example: status = 401 and method = 'POST'")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file instead.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE when it exists.")
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
    strict: bool,
) -> int:
    """Print one table as text, CSV, JSON or Parquet.

    TABLE is captures, connections, exchanges, hops, authentications, messages, shells, commands, streams, proxies, findings, issues or timeline.

    Times are UTC. CSV is safe to open in a spreadsheet; JSON and Parquet hold every text exactly as captured.
    """
    api.known_table(table)
    if output is not None and output.exists() and not clobber:
        msg = f"{output} exists; --clobber overwrites it"
        raise OutputError(msg)
    names = [name.strip() for name in columns.split(",") if name.strip()]
    case = _case(captures, given)
    if form == "parquet":
        _parquet(case, table, names, where, output)
    else:
        _write(case.text(table, form, columns=names, where=where, colour=_colour() and output is None), output)
    return _code(case, None, strict=strict)


@cli.command()
@_input_options
@_fail_on
@click.option("-f", "--format", "form", type=click.Choice(["table", "csv", "json", "jsonl"]), default="table", show_default=True)
@click.option("-m", "--min-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="Leave out findings below this level.")
def findings(captures: tuple[str, ...], given: Given, form: api.TextFormat, min_level: str, fail_on: str | None, *, strict: bool) -> int:
    """Print the findings, the gravest first."""
    case = _case(captures, given)
    if form == "table":
        _write([case.findings_text(least=min_level, width=_width(), colour=_colour())])
    else:
        _write(case.at_least(min_level).text("findings", form))
    return _code(case, fail_on, strict=strict)


@cli.command()
@_input_options
@click.option("--connection", metavar="ID", help="Only this connection and those on its route, for example c3.")
@click.option("--format", "form", type=click.Choice(["text", "mermaid"]), default="text", show_default=True)
@click.option("--messages", type=click.IntRange(1), default=api.LADDER_MESSAGES, show_default=True, help="Draw at most so many messages of a route.")
def ladder(captures: tuple[str, ...], given: Given, connection: str | None, form: Literal["text", "mermaid"], messages: int, *, strict: bool) -> int:
    """Draw the messages between client, proxy and server."""
    case = _case(captures, given)
    drawn = case.ladder(connection, form=form, messages=messages, width=_width(), colour=_colour() and form == "text")
    if not drawn:
        click.echo("no WinRM connection to draw", err=True)
    _write([drawn])
    return _code(case, None, strict=strict)


@cli.command()
@_input_options
@click.option("-f", "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="Text, or the streams as JSON lines.")
@click.option("--show-secrets", is_flag=True, help="Do not mask what looks like a password in commands and scripts.")
def transcript(captures: tuple[str, ...], given: Given, form: Literal["text", "jsonl"], *, show_secrets: bool, strict: bool) -> int:
    """What was run and what came back, with packet numbers.

    Clear-text WinRM needs no key; sealed bodies need --secrets or --keytab, HTTPS and CredSSP --keylog.
    """
    case = _case(captures, given)
    if form == "text":
        _write([case.transcript(show_secrets=show_secrets, colour=_colour())])
    else:
        _write(case.text("streams", "jsonl"))
    return _code(case, None, strict=strict)


@cli.command()
@click.argument("name", metavar="RULE_OR_ISSUE")
def explain(name: str) -> int:
    """Explain a rule or an issue."""
    _write([api.explanation(name)])
    return 0


@cli.command()
def rules() -> int:
    """List all rules: id, severity, title."""
    rows = api.rule_rows()
    widest = max((len(row[0]) for row in rows), default=0)
    _write(f"{name:{widest}}  {severity:8}  {title}\n" for name, severity, title in rows)
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        _prepare(stream)
    border = _Border()
    with border:
        code = cli.main(arguments, prog_name="winrm-analyzer", standalone_mode=False)
        border.code = code if isinstance(code, int) else 0
    return border.code


class _ReaderGoneError(Exception):
    """Whoever reads our output has seen enough (``| head``)."""


class _Border:
    """Where exceptions end: a person gets one line, a script an exit code. WINRM_ANALYZER_DEBUG=1 lets a mistake of the program through with its traceback."""

    code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            return True
        if isinstance(error, _ReaderGoneError):
            return True
        if isinstance(error, SystemExit | GeneratorExit):
            return False
        self.code = INTERRUPTED if isinstance(error, KeyboardInterrupt | click.Abort) else USAGE
        known = isinstance(error, AnalyzerError | click.ClickException | OSError | KeyboardInterrupt | click.Abort)
        if not known and os.environ.get("WINRM_ANALYZER_DEBUG"):
            return False
        _complain(_told(error) if known else f"internal error: {kind.__name__ if kind else ''}: {error} (WINRM_ANALYZER_DEBUG=1 shows where)")
        return True


def _told(error: BaseException) -> str:
    if isinstance(error, click.ClickException):
        hint = f"\n{error.ctx.get_usage()}" if isinstance(error, click.UsageError) and error.ctx else ""
        return error.format_message() + hint
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted"
    return str(error)


def _complain(text: str) -> None:
    from analyzer.formats.text import visible

    click.echo(f"winrm-analyzer: {visible(text, keep=chr(10))}", err=True)


def _case(captures: tuple[str, ...], given: Given) -> api.Case:
    progress = _Progress(time.monotonic()) if sys.stderr.isatty() else None
    case = api.analyze(
        captures,
        scope=Scope(all_http=given.scope == "http"),
        secrets=given.secrets,
        keylog=given.keylog,
        keytab=given.keytab,
        rules_dirs=given.rules_dirs,
        progress=progress,
    )
    if progress:
        progress.clear()
    for failure in case.failures:
        _complain(failure)
    if case.empty:
        msg = "none of the inputs could be read; nothing was analyzed"
        raise InputError(msg)
    return case


class _Progress:
    """One line on stderr that is written over, for inputs that take a while."""

    def __init__(self, now: float) -> None:
        self._shown = 0.0
        self._started = now

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if (total < _PROGRESS_FROM_BYTES and not self._shown) or now - self._shown < 0.1:
            return
        self._shown = now
        of_bytes = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {done / max(now - self._started, 0.001) / 1e6:,.0f} MB/s"
        told = of_bytes if total >= _PROGRESS_FROM_BYTES else f"{done:,} of {total:,}"
        sys.stderr.write(f"\r{stage:12.12} {100 * done // max(total, 1):3d} %  {told:48.48}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r" + " " * 79 + "\r")


def _code(case: api.Case, fail_on: str | None, *, strict: bool) -> int:
    """A partial result under ``--strict`` comes first: whoever asked for it does not want to read conclusions from a part."""
    if strict and case.failures:
        return PARTIAL
    return FINDINGS if fail_on and case.at_least(fail_on).result.findings else 0


def _write(pieces: Iterable[str], output: Path | None = None) -> None:
    if output is None:
        _print(lambda: sys.stdout.writelines(pieces))
        return
    with output.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.writelines(pieces)


def _print(write: Callable[[], object]) -> None:
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError as error:
        # Python flushes stdout once more at its end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _ReaderGoneError from error


def _parquet(case: api.Case, table: str, columns: list[str], where: str | None, output: Path | None) -> None:
    if output is not None:
        case.parquet(table, output, columns=columns, where=where)
        return
    if sys.stdout.isatty():
        msg = "Parquet is no text: name a file with -o, or send the output into one"
        raise UsageError(msg)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "table.parquet"
        case.parquet(table, made, columns=columns, where=where)
        _print(lambda: sys.stdout.buffer.write(made.read_bytes()))


def _prepare(stream: Any) -> None:  # noqa: ANN401 (what stands for stdout can be anything)
    """A character that the stream cannot encode is shown as an escape; files and pipes get UTF-8."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace", **({} if stream.isatty() else {"encoding": "utf-8"}))


def _width() -> int:
    if not sys.stdout.isatty():
        return api.WIDTH
    import shutil

    return min(160, max(60, shutil.get_terminal_size((api.WIDTH, 24)).columns))


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
