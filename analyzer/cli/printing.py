"""Printing: results go to stdout, everything else to stderr. Nothing is loaded for it that the text does not need."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_NARROWEST = 40
"""Columns; a terminal may be narrower, its lines then go on below by themselves."""


class ReaderGoneError(Exception):
    """Anyone who reads our output has seen enough (``| head``)."""


def complain(text: str) -> None:
    """A line on stderr, safe to look at."""
    from analyzer.formats.text import visible

    tell(f"winrm-analyzer: {visible(text, keep=chr(10))}")


def tell(line: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


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
