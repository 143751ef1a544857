"""EXPORTS: the formats of other programs that a case can be written as. A new one is a file in this folder and a row here.

A writer is a function of `Source`. It gives the text in pieces, or, where a format is several files, (file name, pieces) of
each. The commands list what is here, and a test runs every row and form in search of secrets.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from analyzer.exports.rows import Rows
from analyzer.records.evidence import Evidence

Pieces: TypeAlias = Iterator[str]
Files: TypeAlias = Iterator[tuple[str, Pieces]]


def _nowhere(_pieces: Sequence[tuple[str, bytes]]) -> Collection[str]:
    """No secrets are looked for."""
    return ()


class Source(Struct, frozen=True, gc=False):
    """What a writer is given. ``connections``: only these, where any are named.

    ``evidence`` and ``bodies`` (text that could be read, by message id) only where `Export.reads` says captures; ``clean``
    takes the secrets out of a text, ``astride`` names the bodies that have only a part of one.
    """

    rows: Rows
    form: str
    version: str
    connections: Sequence[str] = ()
    evidence: Evidence | None = None
    bodies: Callable[[], Iterable[tuple[str, str]]] = tuple
    clean: Callable[[str], str] = str
    astride: Callable[[Sequence[tuple[str, bytes]]], Collection[str]] = _nowhere


class Export(Struct, frozen=True, gc=False):
    """A row: its name, the command that offers it, the writer (``module:function`` in this folder), its forms (the first is the default), who reads it."""

    name: str
    command: Literal["timeline", "export"]
    writer: str
    forms: tuple[str, ...]
    means: str
    files: bool = False
    reads: Literal["tables", "captures"] = "tables"
    binary: bool = False
    """It is one file that is no text: the writer gives its bytes."""

    def write(self, source: Source) -> Pieces:
        """The text of a format that is one file."""
        pieces: Pieces = self._writer()(source)
        return pieces

    def write_bytes(self, source: Source) -> bytes:
        """The file of a format that is no text."""
        data: bytes = self._writer()(source)
        return data

    def write_files(self, source: Source) -> Files:
        """The files of a format that is several."""
        files: Files = self._writer()(source)
        return files

    def _writer(self) -> Callable[[Source], Any]:
        module, _, function = self.writer.partition(":")
        found: Callable[[Source], Any] = getattr(import_module(f"analyzer.exports.{module}"), function)
        return found


EXPORTS = (
    Export("native", "timeline", "timesketch:native", ("jsonl",), "a program of yours"),
    Export("timesketch", "timeline", "timesketch:lines", ("jsonl", "csv"), "Timesketch"),
    Export("ecs", "timeline", "ecs:json_lines", ("jsonl",), "Elastic (ECS)"),
    Export("zeek", "timeline", "zeek:logs", ("tsv",), "anyone who reads Zeek's logs", files=True),
    Export("har", "export", "har:archive", ("json",), "HTTP Archive 1.2", reads="captures"),
    Export("sqlite", "export", "databases:sqlite", ("sqlite",), "all tables as a SQLite database", binary=True),
    Export("duckdb", "export", "databases:duckdb", ("duckdb",), "as a DuckDB database", binary=True),
    Export("xlsx", "export", "workbook:workbook", ("xlsx",), "as an Excel workbook", binary=True),
    Export("winlogbeat", "export", "winlogbeat:lines", ("jsonl",), "forwarded events as JSON lines of Winlogbeat"),
    Export("nxlog", "export", "winlogbeat:flat_lines", ("jsonl",), "the same as NXLog writes them, flat"),
    Export("navigator", "export", "navigator:layer", ("json",), "a layer for ATT&CK Navigator"),
)


def export_named(name: str) -> Export:
    """The row of that name."""
    return next(row for row in EXPORTS if row.name == name)


def form_of(path: str) -> str:
    """The form that a file's name asks for by its ending; "" where it asks for none."""
    ending = path.rpartition(".")[2].lower()
    return ending if any(ending in row.forms and not row.files for row in EXPORTS) else ""


def names(command: str) -> list[str]:
    """The formats that a command offers, in the order of the table."""
    return [row.name for row in EXPORTS if row.command == command]
