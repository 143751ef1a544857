"""The section *Next*: commands that go on from here, to be pasted as they are: captures, keys and quotes included."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.formats.text import visible
from analyzer.records.evidence import tls_words
from analyzer.records.finding import Severity
from analyzer.records.result import Result
from analyzer.reports.facts import coverage
from analyzer.reports.lines import Line, Span, line, paragraph
from analyzer.tables.findings import in_order

_LONGEST = 4000
"""Characters of the inputs and options of a command; cmd.exe takes 8,191 for a whole line."""
_WINDOWS_PLAIN = re.compile(r"[\w.:\\/+=@%,-]+", re.ASCII)


class Asked(NamedTuple):
    """What was given: the inputs as they were named (files, folders, patterns, a case), and the options that say how they are read, keys included."""

    inputs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


NOTHING = Asked()


def next_lines(result: Result, width: int, asked: Asked = NOTHING) -> Iterator[Line]:
    """``asked``: without it the names of the captures are the inputs."""
    rows = in_order(result)
    given = _given(result, asked)
    yield line(Span("NEXT", "bold"))
    if rows and rows[0].severity is not Severity.INFO:
        yield _command(f"explain {visible(rows[0].rule)}")
    connection = next((name for finding in rows for name in finding.connections), None) or next(iter(sorted(result.evidence.winrm)), None)
    if connection:
        yield _command(f"ladder --connection {visible(connection)} {given}")
    if result.commands or coverage(result.evidence).opened:
        yield _command(f"transcript {given}")
    yield _command(f"{'findings' if rows else 'show exchanges'} {given}")
    if rows:
        yield _command(f"report -o report.html {given}")
    if not result.evidence.winrm and not result.evidence.negotiate:
        told = " ".join(tls_words(result.evidence)) or (
            "No WinRM was seen in the scope that was asked for. Without --from, --to, --host, --net and --port all is searched."
            if result.evidence.scope
            else "No WinRM was seen. It runs on ports 5985 (HTTP) and 5986 (HTTPS) unless set up otherwise; was the capture taken where that traffic passes?"
        )
        yield from paragraph(told, width, indent=2)


def _command(words: str) -> Line:
    return line("  ", Span(f"winrm-analyzer {words}", whole=True))


def _given(result: Result, asked: Asked) -> str:
    return given_words(asked if asked.inputs else asked._replace(inputs=tuple(capture.path for capture in result.evidence.captures)))


def given_words(asked: Asked) -> str:
    """Options and inputs as they stand in a command."""
    inputs = asked.inputs
    if not inputs or "-" in inputs:  # what came by standard input is gone
        return "CAPTURE..."
    dashes = ("--",) if any(one.startswith("-") for one in inputs) else ()
    made = " ".join(quoted(word) for word in (*asked.options, *dashes, *inputs))
    return made if len(made) <= _LONGEST else "CAPTURE..."


def quoted(word: str, *, windows: bool = os.name == "nt") -> str:
    """A word as a shell takes it for itself, and as a terminal can show it: for POSIX shells, or (``windows``) for cmd.exe and PowerShell alike."""
    if windows:
        # No file name holds a double quote there. A backslash before the closing quote would take it for itself.
        return word if _WINDOWS_PLAIN.fullmatch(word) else f'"{visible(word)}{word[len(word.rstrip(chr(92))) :]}"'
    if visible(word, len(word)) == word:
        import shlex

        return shlex.quote(word)
    return "$'" + "".join(_escaped(char) for char in word) + "'"


def _escaped(char: str) -> str:
    """A character between ``$'`` and ``'`` (bash, zsh, ksh; POSIX since 2024): bytes of what cannot be shown."""
    if char in "\\'":
        return f"\\{char}"
    if visible(char) == char:
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def words_of(options: Sequence[tuple[str, object]]) -> tuple[str, ...]:
    """Options with their values as words: a flag alone, one with several values once for each."""
    made: list[str] = []
    for name, value in options:
        if value is True:
            made.append(name)
        else:
            made += [word for one in (value if isinstance(value, list | tuple) else [value]) for word in (name, str(one))]
    return tuple(made)
