"""Printing: results go to stdout, everything else to stderr. Nothing is loaded for it that the text does not need."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TextIO

_GONE = (32, 22) if os.name == "nt" else (32,)
"""EPIPE, for which Windows also says EINVAL."""
_NARROWEST = 40
"""Columns; a terminal may be narrower, its lines then go on below by themselves."""


class ReaderGoneError(Exception):
    """Anyone who reads our output has seen enough (``| head``)."""


class _Said:
    """How much is said beside the results: set by options, once for each command line."""

    quiet = False
    verbose = False
    log: TextIO | None = None


_said = _Said()


def say(*, quiet: bool | None = None, verbose: bool | None = None, log: TextIO | None = None) -> None:
    """What is not None is set; without any, all is as at the beginning."""
    if quiet is None and verbose is None and log is None:
        if _said.log is not None:
            _said.log.close()
        _said.quiet, _said.verbose, _said.log = False, False, None
    _said.quiet = _said.quiet if quiet is None else quiet
    _said.verbose = _said.verbose if verbose is None else verbose
    _said.log = _said.log if log is None else log


def quiet() -> bool:
    """Nothing but errors is to stand on stderr."""
    return _said.quiet


def details_wanted() -> bool:
    """Someone reads `detail`."""
    return _said.verbose or _said.log is not None


def complain(text: str) -> None:
    """An error: a line on stderr, safe to look at."""
    from analyzer.formats.text import visible

    _tell(f"winrm-analyzer: {visible(text, keep=chr(10))}", shown=True)


def remark(text: str) -> None:
    """A line on stderr that is no error: where something was written, how many; safe to look at."""
    from analyzer.formats.text import visible

    _tell(visible(text, keep=chr(10)), shown=not _said.quiet)


def detail(text: str) -> None:
    """A line on stderr for who asked for more."""
    from analyzer.formats.text import visible

    _tell(f"winrm-analyzer: {visible(text)}", shown=_said.verbose)


def _tell(line: str, *, shown: bool) -> None:
    if shown:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    if _said.log is not None:
        import time

        from analyzer.tables.times import rfc3339

        _said.log.write(f"{rfc3339(time.time_ns())} {line}\n")
        _said.log.flush()


def write(pieces: Iterable[str]) -> None:
    """Write to stdout."""
    print_with(lambda: sys.stdout.writelines(pieces))


def write_to(output: Path | None, pieces: Iterable[str], inputs: Iterable[str], *, clobber: bool) -> None:
    """Write to a file, or to stdout without one."""
    if output is None:
        write(pieces)
        return
    from analyzer.case.writing import write_text

    write_text(output, pieces, inputs, clobber=clobber)


def print_with(write: Callable[[], object]) -> None:
    """Let it write to stdout, and mind a reader that has gone away."""
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        # Python flushes stdout once more at its end, which must not fail.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no pathlib yet)
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise ReaderGoneError from error


def write_document(text: str) -> None:
    """Write a text of ours: as it is, but on a terminal its paragraphs filled again, each with its indentation."""
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
        write(
            [textwrap.fill(one.strip(), width(), initial_indent=lead, subsequent_indent=more, break_on_hyphens=False, break_long_words="://" not in one) + "\n"]
        )


def width() -> int:
    """Columns of the terminal, or of a text that does not go to one."""
    from analyzer.case.tables import WIDTH

    if not sys.stdout.isatty():
        return WIDTH
    import shutil

    return min(160, max(_NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns))


def colour() -> bool:
    """The output goes to a terminal that wants colors. NO_COLOR and FORCE_COLOR are heeded, in this order."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
