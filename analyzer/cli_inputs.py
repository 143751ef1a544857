"""What the commands share: the options of those that read captures, reading them, and printing."""

from __future__ import annotations

import functools
import os
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer import api
from analyzer.case.tables import WIDTH
from analyzer.errors import InputError, UsageError
from analyzer.settings import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from analyzer.case.opened import OpenedCase

FINDINGS, USAGE, PARTIAL, INTEGRITY, INTERRUPTED = 1, 2, 3, 4, 130
LEVELS = ("info", "low", "medium", "high", "critical")
_NARROWEST = 40
"""Columns; a terminal may be narrower, its lines then go on below by themselves."""
_PROGRESS_FROM_BYTES = 20_000_000
_SECRET_OPTIONS = {"--secrets", "--keylog", "--keytab"}
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

_captures = click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
_scope = click.option(
    "--scope", type=click.Choice(["winrm", "http"]), default="winrm", show_default=True, help="Keep WinRM and what belongs to it, or all HTTP."
)
_rules = click.option(
    "--rules", "rules_dirs", type=click.Path(exists=True, file_okay=False), multiple=True, metavar="DIR", help="Run the rules of this folder, too."
)
_sigma = click.option(
    "-s",
    "--sigma",
    "sigma_dirs",
    type=click.Path(exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Look with the Sigma rules of this folder at what was run.",
)
_strict = click.option("--strict", is_flag=True, help="Exit with 3 when a part of the evidence could not be read.")
fail_on_option = click.option("--fail-on", type=click.Choice(LEVELS), metavar="LEVEL", help=f"Exit with 1 when a finding is this grave: {', '.join(LEVELS)}.")
show_secrets_option = click.option("--show-secrets", is_flag=True, help="Do not mask passwords in commands, scripts and their output.")
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
    sigma_dirs: tuple[str, ...] = ()


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Given` and --strict; the command gets the former as one."""

    @functools.wraps(command)
    def collected(**options: Any) -> Any:  # noqa: ANN401 (click hands over whatever the command declares)
        given = Given(**{name: options.pop(name) for name in Given._fields})
        return command(given=given, **options)

    for option in (_strict, _sigma, _rules, _keytab, _keylog, _secrets, _scope, _captures):
        collected = option(collected)
    return collected


class ReaderGoneError(Exception):
    """Whoever reads our output has seen enough (``| head``)."""


def complain(text: str) -> None:
    """A line on stderr, safe to look at."""
    from analyzer.formats.text import visible

    click.echo(f"winrm-analyzer: {visible(text, keep=chr(10))}", err=True)


def recorded(arguments: list[str]) -> list[str]:
    """A command line for the record: the names of files with secrets are left out."""
    shown, hide = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        option = name in _SECRET_OPTIONS
        shown.append("***" if hide else f"{name}=***" if option and equals else argument)
        hide = option and not equals and not hide
    return shown


def read_any(captures: tuple[str, ...], given: Given) -> api.Case | OpenedCase:
    """A case folder, when it is the only input, else what `read_case` makes of the captures."""
    if len(captures) == 1 and api.is_case(captures[0]):
        case = api.open_case(captures[0]).hiding(given.secrets, given.keylog, given.keytab)
        for failure in case.failures:
            complain(failure)
        return case
    return read_case(captures, given)


def read_case(captures: tuple[str, ...], given: Given) -> api.Case:
    """The captures analyzed; what could not be read is told on stderr. `InputError`: nothing could. `UsageError`: a case folder among them."""
    folder = next((one for one in captures if api.is_case(one)), None)
    if folder is not None:
        msg = f"{folder} is a case folder; this needs the captures themselves (show, findings, report and verify take a case folder, alone)"
        raise UsageError(msg)
    progress = _Progress(time.monotonic()) if sys.stderr.isatty() else None
    case = api.analyze(
        captures,
        scope=Scope(all_http=given.scope == "http"),
        secrets=given.secrets,
        keylog=given.keylog,
        keytab=given.keytab,
        rules_dirs=given.rules_dirs,
        sigma_dirs=given.sigma_dirs,
        progress=progress,
        arguments=["winrm-analyzer", *recorded(sys.argv[1:])],
    )
    if progress:
        progress.clear()
    for failure in case.failures:
        complain(failure)
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


def exit_code(case: api.Case | OpenedCase, fail_on: str | None, *, strict: bool) -> int:
    """A partial result under ``--strict`` comes first: whoever asked for it does not want to read conclusions from a part."""
    if strict and case.failures:
        return PARTIAL
    return FINDINGS if fail_on and case.at_least(fail_on).cells("findings") else 0


def write(pieces: Iterable[str], output: Path | None = None) -> None:
    """Write to stdout, or to a file."""
    if output is None:
        print_with(lambda: sys.stdout.writelines(pieces))
        return
    with output.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.writelines(pieces)


def print_with(write: Callable[[], object]) -> None:
    """Let it write to stdout, and mind a reader that has gone away."""
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError as error:
        # Python flushes stdout once more at its end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderGoneError from error


def write_document(text: str) -> None:
    """Write a text of ours: as it is, but on a terminal its paragraphs filled anew, each with its indentation."""
    if not sys.stdout.isatty():
        write([text])
        return
    import textwrap

    paragraphs: list[str] = []
    for line in text.rstrip("\n").split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        before = paragraphs[-1] if paragraphs else ""
        if indent and before.strip() and before.startswith(indent) and before[len(indent)] != " " and line.lstrip()[:2] != "- ":
            paragraphs[-1] = f"{before} {line.strip()}"
        else:
            paragraphs.append(line)
    for one in paragraphs:
        lead = one[: len(one) - len(one.lstrip())]
        more = lead + ("  " if one.lstrip()[:2] == "- " else "")
        write([textwrap.fill(one.strip(), width(), initial_indent=lead, subsequent_indent=more, break_on_hyphens=False) + "\n"])


def width() -> int:
    """Columns of the terminal, or of a text that does not go to one."""
    if not sys.stdout.isatty():
        return WIDTH
    import shutil

    return min(160, max(_NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns))


def colour() -> bool:
    """The output goes to a terminal that wants colours. NO_COLOR and FORCE_COLOR are heeded, in this order."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
