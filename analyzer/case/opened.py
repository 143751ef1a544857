"""A case out of its folder: the same tables, read-only, without the captures; and, through its records, the same screens."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NoReturn

from analyzer.case.tables import WIDTH, CaseTables, rendered
from analyzer.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from analyzer.case.analyzed import Case, Record
    from analyzer.case.stored import StoredCase
    from analyzer.case.tables import Cells
    from analyzer.engine.packets import Packet
    from analyzer.reports.masking import Mask


class OpenedCase(CaseTables):
    """`analyzer.open_case` gives it. Its texts are those of the folder, which are masked unless it was written with ``show_secrets``.

    Of a folder that holds secrets, what looks like a password is masked here again, and with `hiding` the values that are given.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, object], mask: Mask | None = None, *, shows: bool = False) -> None:
        super().__init__()
        from analyzer.reports.masking import Mask

        self.folder = folder
        self._manifest = manifest
        self._cells: dict[str, Cells] = {}
        self._mask = mask or Mask()
        self._shows = shows

    def hiding(
        self, secrets: str | None = None, keylog: str | None = None, keytab: str | None = None, mask: Literal["usual", "strict"] = "usual"
    ) -> OpenedCase:
        """The same case with the values of these files masked, too. A case folder does not hold them, so it cannot know them by itself.

        ``mask``: ``strict`` leaves only the names of programs of command lines.
        """
        from analyzer.case.keys import keys

        return OpenedCase(self.folder, self._manifest, keys(secrets, keylog, keytab, strict=mask == "strict")[1], shows=self._shows)

    def show_secrets(self) -> OpenedCase:
        """The same case with nothing masked in its tables. `UsageError`: the folder was written without secrets."""
        self._holds_secrets()
        return OpenedCase(self.folder, self._manifest, self._mask, shows=True)

    def manifest(self) -> Mapping[str, object]:
        """How the tables were made, as the folder's manifest.json says."""
        return self._manifest

    def cells(self, name: str, *, show_secrets: bool = False) -> Cells:
        """The cells of a table as the folder holds them. `UsageError`: ``show_secrets``, and the folder was written without."""
        if show_secrets:
            self._holds_secrets()
        if show_secrets or self._shows or not (self._manifest.get("show_secrets") or self._mask.strict):
            return self._stored(name)
        from analyzer.engine.store import table_of

        return self._mask.cells(table_of(name), self._stored(name))

    def shown_rows(self, name: str, rows: Cells) -> Cells:
        """Rows of the folder's table ``name`` as `cells` would give them."""
        if self._shows or not (self._manifest.get("show_secrets") or self._mask.strict):
            return rows
        from analyzer.engine.store import table_of

        return self._mask.cells(table_of(name), rows)

    def _holds_secrets(self) -> None:
        if not self._manifest.get("show_secrets"):
            msg = f"{self.folder} was written with passwords and keys masked; show them with a case made of the captures"
            raise UsageError(msg)

    def _exact(self, name: str) -> Cells:
        return self.cells(name)

    def _stored(self, name: str) -> Cells:
        from analyzer.engine.store import read

        if name not in self._cells:
            self._cells[name] = read(self.folder, name)
        return self._cells[name]

    def findings_text(self, *, least: str = "info", width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The findings of at least this severity, each with its facts."""
        from analyzer.records.finding import Severity
        from analyzer.reports import notebook
        from analyzer.reports.terminal import finding_lines
        from analyzer.tables.stored import stored_result

        result = stored_result(self.cells("captures"), self.cells("findings"), Severity(least))
        text = rendered(finding_lines(result, self.rule_ids, width, full=full, products=products), colour=colour)
        return notebook.Rich(text, lambda: notebook.findings(self.at_least(least).listed("findings")))

    def at_least(self, level: str) -> OpenedCase:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.records.finding import Severity
        from analyzer.tables.findings import rank
        from analyzer.tables.registry import table_named

        place = table_named("findings").names.index("severity")
        least = rank(Severity(level))
        words = {one.value for one in Severity if rank(one) >= least}
        made = OpenedCase(self.folder, self._manifest, self._mask, shows=self._shows)
        made._cells = self._cells | {"findings": [row for row in self._stored("findings") if row[place] in words]}
        return made

    def notebook(self) -> str:
        """A Jupyter notebook (JSON) that opens this case and answers what it can answer."""
        from analyzer.reports.filled import notebook
        from analyzer.tables.registry import TABLES

        return notebook(f"analyzer.open_case({str(self.folder.resolve())!r})", {table.name: len(self.cells(table.name)) for table in TABLES})

    def _extent_of_all(self) -> tuple[list[str], dict[str, int]]:
        names = [str(row["capture"]) for row in self.listed("captures")]
        return names, {name.removesuffix("s"): len(self._exact(name)) for name in ("connections", "exchanges", "findings", "issues")}

    @property
    def rule_ids(self) -> list[str]:
        """The rules that ran."""
        listed = self._manifest.get("rules")
        return [str(rule.get("id")) for rule in listed if isinstance(rule, dict)] if isinstance(listed, list) else []

    @property
    def failures(self) -> tuple[str, ...]:
        """What made the result partial: issues of level error, and files that were passed over, as text; empty when there are none."""
        from analyzer.tables.issues import is_partial
        from analyzer.tables.registry import table_named

        names = table_named("issues").names
        rows = [dict(zip(names, row, strict=True)) for row in self._exact("issues")]
        return tuple(
            ": ".join(str(row[name]) for name in ("capture", "code", "detail") if row[name]) for row in rows if is_partial(str(row["code"]), str(row["level"]))
        )

    @property
    def has_records(self) -> bool:
        """The folder was written by a version that stores more than tables."""
        from analyzer.case.contents import RECORDS

        listed = self._manifest.get("keeps")
        return isinstance(listed, list) and RECORDS in listed

    def records(self, again: Callable[[], Case] | None = None, product: str | None = None) -> StoredCase:
        """The case with its records: screens, transcript, ladder, exports, and records by id.

        ``again`` reads the captures once more where the folder lacks something; without it they are read without keys. ``product``: the proxy product whose
        settings the advice names. `UsageError`: the folder was written by a version that stored no records.
        """
        from analyzer.case.contents import stored_records
        from analyzer.case.rereading import from_captures, relocated
        from analyzer.case.stored import StoredCase

        if not self.has_records:
            msg = f"{self.folder} was written by an older version, which stored only tables; analyze the captures again into a new case"
            raise UsageError(msg)
        result = relocated(stored_records(self.folder), self._manifest)
        if product is not None:
            from analyzer.engine.naming import with_product

            result = with_product(result, product)
        return StoredCase(self.folder, self._manifest, result, self._mask, again or (lambda: from_captures(self.folder, self._manifest)), shows=self._shows)

    @cached_property
    def _recorded(self) -> StoredCase:
        return self.records()

    def __getitem__(self, name: str) -> Record:
        """The record of an id, as `Case` has it; its texts are those of the folder."""
        return self._recorded[name]

    def bytes(self, name: str) -> bytes:
        """The bytes of a request or response, which lie in the captures."""
        return self._recorded.bytes(name)

    def packet(self, capture: str, number: int) -> Packet:
        """A packet, which lies in its capture."""
        return self._recorded.packet(capture, number)

    def overview(self, *, width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The first screen, as `Case` has it."""
        return self._recorded.overview(width=width, full=full, products=products, colour=colour)

    def transcript(self, *, show_secrets: bool = False, colour: bool = False) -> str:
        """What was run and what came back, as `Case` has it."""
        return self._recorded.transcript(show_secrets=show_secrets, colour=colour)

    def ladder(self, connection: str | None = None, *, form: Literal["text", "mermaid", "svg"] = "text") -> str:
        """The sequence diagrams, as `Case` has them."""
        return self._recorded.ladder(connection, form=form)

    def archive(self, *, connections: Sequence[str] = (), show_secrets: bool = False) -> Iterator[str]:
        """The exchanges as an HTTP archive, as `Case` has it: its bodies are in the folder if it keeps ``texts``, else in the captures."""
        return self._recorded.archive(connections=connections, show_secrets=show_secrets)

    def slice(self, path: str | os.PathLike[str], *, findings: Sequence[str] = (), connections: Sequence[str] = (), clobber: bool = False) -> int:
        """Write original packets, as `Case` does; they lie in the captures."""
        return self._recorded.slice(path, findings=findings, connections=connections, clobber=clobber)

    def save(self) -> NoReturn:
        """`UsageError`: it is saved already."""
        msg = f"{self.folder} is a case folder already; copy it"
        raise UsageError(msg)

    def __repr__(self) -> str:
        return f"<OpenedCase: {self.folder}>"


def opened_folder(path: str | os.PathLike[str]) -> OpenedCase:
    """The case of a case folder. `InputError`: it is no case folder."""
    from pathlib import Path

    from analyzer.engine.store import manifest

    return OpenedCase(Path(path), manifest(Path(path)))
