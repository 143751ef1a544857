"""What every case offers, wherever its tables come from: the tables as DataFrames and texts, SQL over them, the report."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, TypeAlias

from analyzer.case.named import NamedTables
from analyzer.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from analyzer.case.compared import Compared
    from analyzer.case.exports import Profile, TextForm
    from analyzer.exports.registry import Export, Source
    from analyzer.reports.lines import Line
    from analyzer.reports.plots import Plots
    from analyzer.tables.column import Value
    from analyzer.tables.registry import AnyTable
    from analyzer.tables.selection import Selection

    Cells: TypeAlias = list[tuple[Value, ...]]

TextFormat: TypeAlias = Literal["table", "csv", "json", "jsonl"]

WIDTH = 100
"""Columns of a text when nobody says how wide it may be."""


class CaseTables(NamedTables):
    """Tables are pandas DataFrames, made when they are first asked for."""

    lacks: tuple[str, ...] = ()
    """What an export could not get, once it was written."""

    def __init__(self) -> None:
        self._frames: dict[str, pd.DataFrame] = {}

    @abstractmethod
    def cells(self, name: str, *, show_secrets: bool = False) -> Cells:
        """The cells of a table, row by row; passwords in its texts are masked unless ``show_secrets``. Also of ``ladders``, the arrows of the diagrams."""

    @abstractmethod
    def manifest(self) -> Mapping[str, object]:
        """How the tables were made: tool, rules, command, inputs, limits."""

    @abstractmethod
    def _exact(self, name: str) -> Cells:
        """The cells of a public table as DataFrames show them."""

    @abstractmethod
    def _extent_of_all(self) -> tuple[list[str], dict[str, int]]:
        """The names of the captures, and how many of what (named in the singular)."""

    @property
    def diagnosis(self) -> str:
        """What all of it comes to: at most four sentences, a line each. Passwords in them are masked."""
        told = self.manifest().get("diagnosis")
        return "\n".join(str(one) for one in told) if isinstance(told, list) else ""

    def table(self, name: str) -> pd.DataFrame:
        """The table of that name."""
        from analyzer.tables.frames import frame_of
        from analyzer.tables.registry import table_named

        if name not in self._frames:
            self._frames[name] = frame_of(table_named(name), self._exact(name))
        return self._frames[name]

    @property
    def plot(self) -> Plots:
        """Pictures of the case: ``case.plot.map()``, ``.connections()``, ``.timeline()``, ``.latency()``, ``.commands()``. Passwords in them are masked."""
        from analyzer.reports.html.source import Source
        from analyzer.reports.plots import Plots

        return Plots(Source(self.cells))

    def sql(self, query: str) -> pd.DataFrame:
        """What the query gives, over the tables by their names; it reaches no file and no network."""
        return self._asked(query, self.table)

    def _asked(self, query: str, table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
        from functools import partial

        from analyzer.tables.query import select
        from analyzer.tables.registry import TABLES

        return select(query, {one.name: partial(table, one.name) for one in TABLES})

    def answer(
        self, query: str, form: TextFormat = "table", *, width: int | None = None, full: bool = False, colour: bool = False, show_secrets: bool = False
    ) -> Iterator[str]:
        """What `sql` gives, as text; otherwise as `text` does it."""
        from analyzer.tables.answers import answer
        from analyzer.tables.frames import frame_of
        from analyzer.tables.registry import table_named

        def shown(name: str) -> pd.DataFrame:
            return frame_of(table_named(name), self.cells(name, show_secrets=show_secrets))

        made, rows = answer(self._asked(query, shown))
        return written(made, rows, made.names, form, width=width, full=full, colour=colour)

    def listed(self, name: str) -> list[dict[str, Value]]:
        """The rows of a table by column name; passwords in its texts are masked."""
        from analyzer.tables.registry import table_named

        return [dict(zip(table_named(name).names, row, strict=True)) for row in self.cells(name)]

    def coverage(self) -> pd.DataFrame:
        """Messages counted by what protects them, whether they could be read, and why not."""
        keys = ["protection", "opened", "opened_absent"]
        grouped = self.messages.groupby(keys, dropna=False, sort=True)
        return grouped.agg(messages=("message_id", "size"), size_bytes=("size_bytes", "sum")).reset_index()

    def text(
        self,
        name: str,
        form: TextFormat = "table",
        *,
        columns: Sequence[str] = (),
        where: str | None = None,
        width: int | None = None,
        full: bool = False,
        colour: bool = False,
        show_secrets: bool = False,
    ) -> Iterator[str]:
        """A table as text, piece by piece: all its columns, but on a ``table`` only the main ones; ``where`` is an SQL condition.

        A ``table`` that is wider than ``width`` becomes a block per row, and its long cells are cut unless ``full``.
        """
        chosen = self._selection(name, columns, where, screen=form == "table", show_secrets=show_secrets)
        return written(chosen.table, chosen.rows, chosen.columns, form, width=width, full=full, colour=colour)

    def parquet(
        self, name: str, path: Path, *, columns: Sequence[str] = (), where: str | None = None, show_secrets: bool = False, clobber: bool = False
    ) -> None:
        """Write a table as a Parquet file. `OutputError`: it exists and ``clobber`` is not given, or it cannot be written."""
        from analyzer.system.outputs import made_elsewhere
        from analyzer.tables.frames import frame_of
        from analyzer.tables.query import write_parquet

        chosen = self._selection(name, columns, where, screen=False, show_secrets=show_secrets)
        with made_elsewhere(path, replace=clobber) as made:
            write_parquet(frame_of(chosen.table, chosen.rows)[list(chosen.columns)], made)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        show_secrets: bool = False,
        clobber: bool = False,
        title: str | None = None,
        case_id: str = "",
        examiner: str = "",
    ) -> None:
        """Write the report, one HTML page that needs nothing else; ``case_id`` and ``examiner`` stand on it.

        `OutputError`: the file exists and ``clobber`` is not given.
        """
        from pathlib import Path

        from analyzer.case.writing import refuse, write_text
        from analyzer.reports.html.page import Origin, page

        target, inputs = Path(path), self.input_paths()
        refuse(target, inputs, clobber=clobber)
        about = self.manifest()
        made = page(
            lambda name: self.cells(name, show_secrets=show_secrets),
            Origin.of(about, title, show_secrets=show_secrets)._replace(case_id=case_id, examiner=examiner),
        )
        write_text(target, [made], inputs, clobber=clobber)

    def input_paths(self) -> list[str]:
        """Where the captures lie, as far as that is known: they are never written to."""
        listed = self.manifest().get("inputs")
        found = [one.get(name) for one in listed if isinstance(one, dict) for name in ("absolute", "path")] if isinstance(listed, list) else []
        return [one for one in found if isinstance(one, str) and one]

    def compare(self, other: CaseTables, *, names: tuple[str, str] = ("A", "B")) -> Compared:
        """This case (A) next to another one (B), step by step: the first difference, the findings about it, what else differs.

        ``names``: what A and B are.
        """
        from analyzer.case.compared import Compared

        return Compared(self.cells, other.cells, names)

    def _repr_html_(self) -> str:
        """What a notebook shows of a case: its files, how much is in it, the diagnosis, and its most severe incidents."""
        from analyzer.reports.notebook import summary

        return summary(*self._extent_of_all(), self.listed("incidents"), self.diagnosis)

    def export(self, name: str, form: str = "", *, connections: Sequence[str] = (), show_secrets: bool = False) -> Iterator[str]:
        """The case in the format of another program (`analyzer.exports.registry`), in pieces. ``form``: where it has several; the first one unless given.

        ``connections``: of these only, where the format is made of exchanges. `UsageError`: a form that it does not have, or it needs the captures.
        """
        from analyzer.exports.registry import export_named

        row = export_named(name)
        return row.write(self._source(row, form, connections, show_secrets=show_secrets))

    def export_files(self, name: str, *, show_secrets: bool = False) -> Iterator[tuple[str, Iterator[str]]]:
        """The same of a format that is several files: (file name, pieces) of each."""
        from analyzer.exports.registry import export_named

        row = export_named(name)
        return row.write_files(self._source(row, "", (), show_secrets=show_secrets))

    def export_bytes(self, name: str, *, show_secrets: bool = False) -> bytes:
        """The same of a format that is no text: ``sqlite``, ``duckdb``, ``xlsx``."""
        from analyzer.exports.registry import export_named

        row = export_named(name)
        return row.write_bytes(self._source(row, "", (), show_secrets=show_secrets))

    def _source(self, row: Export, form: str, connections: Sequence[str], *, show_secrets: bool) -> Source:
        from msgspec.structs import replace

        if form and form not in row.forms:
            msg = f"{row.name} is written as {' or '.join(row.forms)}, not as {form}"
            raise UsageError(msg)
        return replace(self._given(row, connections, show_secrets=show_secrets), form=form or row.forms[0])

    def _given(self, row: Export, connections: Sequence[str], *, show_secrets: bool) -> Source:  # noqa: ARG002  a case of captures has more
        from analyzer.case.exports import of_tables

        return of_tables(lambda name: self.cells(name, show_secrets=show_secrets))

    def timeline_lines(self, profile: Profile = "native", form: TextForm = "jsonl", *, show_secrets: bool = False) -> Iterator[str]:
        """The timeline for other tools: ``native``, ``timesketch`` (also ``csv``) or ``ecs``, line by line."""
        return self.export(profile, form, show_secrets=show_secrets)

    def zeek_logs(self, *, show_secrets: bool = False) -> Iterator[tuple[str, Iterator[str]]]:
        """(file name, lines) of the logs conn, http, ntlm, kerberos and notice as Zeek writes them; logs without rows are left out."""
        return self.export_files("zeek", show_secrets=show_secrets)

    def navigator_layer(self) -> str:
        """The techniques that findings name, as a layer for MITRE's ATT&CK Navigator."""
        return "".join(self.export("navigator"))

    def _selection(self, name: str, columns: Sequence[str], where: str | None, *, screen: bool, show_secrets: bool) -> Selection:
        from analyzer.tables.registry import table_named
        from analyzer.tables.selection import selection

        table = table_named(name)
        return selection(table, self.cells(name, show_secrets=show_secrets), columns or (table.screen if screen else table.names), where)


def written(
    table: AnyTable, rows: Cells, columns: Sequence[str], form: TextFormat, *, width: int | None = None, full: bool = False, colour: bool = False
) -> Iterator[str]:
    """A table as text, piece by piece."""
    from analyzer.reports.grid import grid
    from analyzer.tables import texts

    if form == "table":
        return iter([rendered(grid(table, rows, columns, width, full=full), colour=colour)])
    writers = {"csv": texts.csv_lines, "json": texts.json_array, "jsonl": texts.json_lines}
    return writers[form](table, rows, columns)


def rendered(lines: Iterable[Line], *, colour: bool) -> str:
    """The lines as one text."""
    from analyzer.reports.lines import coloured, plain

    return coloured(lines) if colour else plain(lines)
