"""The Python interface: `analyze` gives a `Case`. Everything else is imported when it is first needed, so that ``import analyzer`` costs next to nothing."""

from __future__ import annotations

import dataclasses
import os
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from analyzer.errors import InputError, UsageError
from analyzer.settings import Limits, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from analyzer.engine.packets import Packet
    from analyzer.records.evidence import Evidence
    from analyzer.records.http import Request, Response
    from analyzer.records.quality import Absent
    from analyzer.records.result import Result
    from analyzer.records.transport import Stream
    from analyzer.reports.lines import Line
    from analyzer.reports.raw import Fetch, Piece
    from analyzer.reports.sequence import Sequence as Drawing
    from analyzer.rules.catalogue import Rule
    from analyzer.tables.lookup import Named
    from analyzer.tables.selection import Selection

    Record: TypeAlias = Named | Request | Response | Absent
    Progress: TypeAlias = Callable[[str, int, int], None]

Input: TypeAlias = "str | os.PathLike[str]"
TextFormat: TypeAlias = Literal["table", "csv", "json", "jsonl"]

WIDTH = 100
"""Columns of a text when nobody says how wide it may be."""
LADDER_MESSAGES = 300
"""Arrows that a ladder draws when nobody asks for more."""


def analyze(
    inputs: Input | Sequence[Input],
    *,
    limits: Limits | None = None,
    scope: Scope | None = None,
    secrets: Input | None = None,
    keylog: Input | None = None,
    keytab: Input | None = None,
    rules_dirs: Sequence[Input] = (),
    progress: Progress | None = None,
) -> Case:
    """What the captures hold. ``inputs``: paths, directories, globs, or ``-`` for standard input; ``progress`` is called with (stage, done bytes, total bytes).

    ``secrets`` (TOML), ``keylog`` (TLS) and ``keytab`` (Kerberos) name files with what the investigator knows. Damaged evidence raises nothing: see the table
    issues. `InputError`: nothing could be read at all.
    """
    paths = [os.fspath(one) for one in ([inputs] if isinstance(inputs, str | os.PathLike) else inputs)]
    if not paths:
        msg = "no capture was given"
        raise InputError(msg)
    from analyzer.engine.local import run
    from analyzer.engine.secrets import load

    known = load(None if secrets is None else os.fspath(secrets), [] if keylog is None else [os.fspath(keylog)], [] if keytab is None else [os.fspath(keytab)])
    finished = run(paths, limits or Limits(), scope or Scope(), progress, [os.fspath(one) for one in rules_dirs], known)
    return Case(finished.result, finished.sources.fetch)


class Case:
    """A finished run. Tables are pandas DataFrames, made when they are first asked for; ``case["c3.x2"]`` is a record by its id."""

    def __init__(self, result: Result, fetch: Fetch) -> None:
        self.result = result
        self._fetch = fetch
        self._frames: dict[str, pd.DataFrame] = {}

    @property
    def evidence(self) -> Evidence:
        """All records, as rules see them."""
        return self.result.evidence

    @property
    def captures(self) -> pd.DataFrame:
        """One row per input file. The files are hashed when this is first asked for."""
        return self.table("captures")

    @property
    def connections(self) -> pd.DataFrame:
        """One row per TCP connection that was kept."""
        return self.table("connections")

    @property
    def exchanges(self) -> pd.DataFrame:
        """One row per HTTP request with its response."""
        return self.table("exchanges")

    @property
    def hops(self) -> pd.DataFrame:
        """One row per exchange recognised on both sides of a proxy."""
        return self.table("hops")

    @property
    def authentications(self) -> pd.DataFrame:
        """One row per authentication."""
        return self.table("authentications")

    @property
    def messages(self) -> pd.DataFrame:
        """One row per HTTP body."""
        return self.table("messages")

    @property
    def shells(self) -> pd.DataFrame:
        """One row per shell whose messages could be read."""
        return self.table("shells")

    @property
    def commands(self) -> pd.DataFrame:
        """One row per WinRS command or PowerShell pipeline."""
        return self.table("commands")

    @property
    def streams(self) -> pd.DataFrame:
        """One row per piece of a command's input and output."""
        return self.table("streams")

    @property
    def proxies(self) -> pd.DataFrame:
        """One row per proxy: the scorecard of what Microsoft's page asks of it."""
        return self.table("proxies")

    @property
    def findings(self) -> pd.DataFrame:
        """One row per finding, the gravest first."""
        return self.table("findings")

    @property
    def issues(self) -> pd.DataFrame:
        """One row per oddity of the evidence."""
        return self.table("issues")

    @property
    def timeline(self) -> pd.DataFrame:
        """Exchanges, authentications and findings in order of time."""
        return self.table("timeline")

    def table(self, name: str) -> pd.DataFrame:
        """The table of that name."""
        from analyzer.tables.frames import frame
        from analyzer.tables.registry import table_named

        if name not in self._frames:
            self._frames[name] = frame(table_named(name), self._result_for(name))
        return self._frames[name]

    def sql(self, query: str) -> pd.DataFrame:
        """What the query gives, over the tables by their names; it reaches no file and no network."""
        from analyzer.tables.query import select
        from analyzer.tables.registry import TABLES

        def builder(name: str) -> Callable[[], pd.DataFrame]:
            return lambda: self.table(name)

        return select(query, {table.name: builder(table.name) for table in TABLES})

    def coverage(self) -> pd.DataFrame:
        """Messages counted by what protects them, whether they could be read, and why not."""
        keys = ["protection", "opened", "opened_absent"]
        grouped = self.messages.groupby(keys, dropna=False, sort=True)
        return grouped.agg(messages=("message_id", "size"), size_bytes=("size_bytes", "sum")).reset_index()

    def __getitem__(self, name: str) -> Record:
        """The record of an id: ``c3``, ``c3.x2``, ``c3.x2.q``, ``c3.x2.s``, ``c3.a1``, ``r1``, ``f1``. A message that is not in the capture is `Absent`."""
        if name in self._records:
            return self._records[name]
        exchange, _, side = name.rpartition(".")
        found = self.evidence.exchanges.get(exchange)
        if found is not None and side in {"q", "s"}:
            return found.request if side == "q" else found.response
        msg = f"there is no record {name!r}"
        raise UsageError(msg)

    @cached_property
    def _records(self) -> dict[str, Named]:
        from analyzer.tables.lookup import records_by_id

        return records_by_id(self.result)

    def bytes(self, name: str) -> bytes:
        """The bytes of a request or response (``c3.x2.q``), head and body, as they were sent. `InputError` when some are not in the capture: see `pieces`."""
        wanted, found = self._extent(name)[1:], self.pieces(name)
        data = b"".join(piece.data for piece in found)
        size = wanted[1] - wanted[0]
        if len(data) != size:
            msg = f"{size - len(data)} of the {size} bytes of {name} are not in the capture; pieces({name!r}) gives those that are"
            raise InputError(msg)
        return data

    def pieces(self, name: str) -> tuple[Piece, ...]:
        """What the capture has of a request or response, with the packet that brought each piece."""
        from analyzer.reports.raw import pieces

        stream, at, end_at = self._extent(name)
        return tuple(pieces(stream, at, end_at, self._fetch))

    def packet(self, capture: str, number: int) -> Packet:
        """Packet ``number`` of the capture of that name, read again from its file; ``.to_scapy()`` dissects it."""
        from analyzer.engine.packets import packet_of

        return packet_of(self.evidence.captures, capture, number)

    def _extent(self, name: str) -> tuple[Stream, int, int]:
        from analyzer.records.http import Request, Response

        record = self[name]
        if not isinstance(record, Request | Response):
            msg = f"{name} is no request or response that was captured; only those have bytes"
            raise UsageError(msg)
        connection = self.evidence.connections[self.evidence.exchanges[name.rpartition(".")[0]].connection]
        stream = connection.to_server if isinstance(record, Request) else connection.to_client
        return stream, record.at, record.end_at

    def overview(self, *, width: int = WIDTH, colour: bool = False) -> str:
        """The first screen: evidence, coverage, proxies, findings, what to do next."""
        from analyzer.reports.terminal import overview

        return _rendered(overview(self.result, [rule.id for rule in _catalogue()], width), colour=colour)

    def look(self, *, width: int = WIDTH, colour: bool = False) -> str:
        """Is there WinRM, where, and which keys would open it."""
        from analyzer.reports.look import look

        return _rendered(look(self.result, width), colour=colour)

    def transcript(self, *, show_secrets: bool = False, colour: bool = False) -> str:
        """What was run and what came back, with packet numbers. Passwords in the text are masked, best effort, unless ``show_secrets``."""
        from analyzer.reports.transcript import transcript

        return _rendered(transcript(self.result, mask=not show_secrets), colour=colour)

    def findings_text(self, *, least: str = "info", width: int = WIDTH, colour: bool = False) -> str:
        """The findings of at least this severity, each with its facts."""
        from analyzer.reports.terminal import finding_lines

        return _rendered(finding_lines(self.at_least(least).result, [rule.id for rule in _catalogue()], width), colour=colour)

    def ladder(
        self,
        connection: str | None = None,
        *,
        form: Literal["text", "mermaid"] = "text",
        messages: int = LADDER_MESSAGES,
        width: int = WIDTH,
        colour: bool = False,
    ) -> str:
        """The sequence diagrams of a connection's routes, or of all routes and WinRM connections."""
        from analyzer.reports.ladder import ladder, mermaid
        from analyzer.reports.sequence import sequences, sequences_of

        drawings: list[Drawing] = list(sequences(self.evidence)) if connection is None else sequences_of(self.evidence, connection)
        drawn = [mermaid(one, messages) if form == "mermaid" else ladder(one, width, messages) for one in drawings]
        return "\n".join(_rendered(lines, colour=colour) for lines in drawn)

    def text(self, name: str, form: TextFormat = "table", *, columns: Sequence[str] = (), where: str | None = None, colour: bool = False) -> Iterator[str]:
        """A table as text, piece by piece: all its columns, but on a ``table`` only those that fit a screen; ``where`` is an SQL condition."""
        from analyzer.reports.grid import grid
        from analyzer.tables import texts

        chosen = self._selection(name, columns, where, screen=form == "table")
        if form == "table":
            return iter([_rendered(grid(chosen.table, chosen.rows, chosen.columns), colour=colour)])
        writers = {"csv": texts.csv_lines, "json": texts.json_array, "jsonl": texts.json_lines}
        return writers[form](chosen.table, chosen.rows, chosen.columns)

    def parquet(self, name: str, path: Path, *, columns: Sequence[str] = (), where: str | None = None) -> None:
        """Write a table as a Parquet file."""
        from analyzer.tables.query import matching, write_parquet

        chosen = self._selection(name, columns, None, screen=False)
        made = self.table(name)
        kept = made if where is None else made.iloc[matching(made, where)]
        write_parquet(kept[list(chosen.columns)], path)

    def machine(self, form: Literal["json", "jsonl"]) -> Iterator[str]:
        """The same as `overview`, for programs."""
        from analyzer import __version__
        from analyzer.reports import machine

        write = machine.document if form == "json" else machine.lines
        return write(self._hashed, __version__)

    def at_least(self, level: str) -> Case:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.records.finding import Severity
        from analyzer.tables.findings import rank

        least = rank(Severity(level))
        kept = tuple(finding for finding in self.result.findings if rank(finding.severity) >= least)
        return Case(dataclasses.replace(self.result, findings=kept), self._fetch)

    @property
    def failures(self) -> tuple[str, ...]:
        """What made the result partial: issues of level error, as text; empty when there are none."""
        from analyzer.tables.issues import level

        captures = self.evidence.captures
        return tuple(
            f"{captures[issue.capture].name + ': ' if issue.capture is not None else ''}{issue.code}: {issue.detail}"
            for issue in self.evidence.issues
            if level(issue) == "error"
        )

    @property
    def empty(self) -> bool:
        """No input could be read."""
        unread = {issue.capture for issue in self.evidence.issues if issue.code == "capture.unreadable"}
        return all(capture.ordinal in unread for capture in self.evidence.captures)

    def _selection(self, name: str, columns: Sequence[str], where: str | None, *, screen: bool) -> Selection:
        from analyzer.tables.registry import table_named
        from analyzer.tables.selection import selection

        table = table_named(name)
        return selection(table, self._result_for(name), columns or (table.screen if screen else table.names), where)

    def _result_for(self, name: str) -> Result:
        return self._hashed if name == "captures" else self.result

    @cached_property
    def _hashed(self) -> Result:
        """The result with the SHA-256 of each capture file."""
        captures = tuple(dataclasses.replace(one, sha256=one.sha256 or _sha256(one.path)) for one in self.evidence.captures)
        return dataclasses.replace(self.result, evidence=dataclasses.replace(self.evidence, captures=captures))

    def _repr_html_(self) -> str:
        """What a notebook shows: a short summary, without any text of the capture but file names."""
        from html import escape

        from analyzer.formats.text import visible

        names = ", ".join(visible(capture.name, 100) for capture in self.evidence.captures[:5])
        counts = {
            "connections": self.evidence.connections,
            "exchanges": self.evidence.exchanges,
            "findings": self.result.findings,
            "issues": self.evidence.issues,
        }
        return f"<p><b>Case</b> {escape(names)}: {', '.join(f'{len(found):,} {word}' for word, found in counts.items())}</p>"

    def __repr__(self) -> str:
        return f"<Case: {len(self.evidence.captures)} captures, {len(self.evidence.connections)} connections, {len(self.result.findings)} findings>"


def _catalogue() -> Sequence[Rule]:
    from analyzer.rules.catalogue import rules

    return rules()


def known_table(name: str) -> None:
    """`UsageError` when there is no table of that name: said before hours of reading, not after."""
    from analyzer.tables.registry import table_named

    table_named(name)


def rule_rows() -> tuple[tuple[str, str, str], ...]:
    """(id, severity, title) of every rule, by id."""
    return tuple((rule.id, rule.severity, rule.title) for rule in _catalogue())


def explanation(name: str) -> str:
    """The document of a rule, or what an issue's code means."""
    from analyzer.rules.documents import explanation as explained

    return explained(name)


def _rendered(lines: Iterable[Line], *, colour: bool) -> str:
    from analyzer.reports.lines import coloured, plain

    return coloured(lines) if colour else plain(lines)


def _sha256(path: str) -> str | None:
    """Of the file as it lies on disk; None for standard input and for what cannot be read any more."""
    import hashlib

    if path == "-":
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (the path as given, which may be of any shape)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
