"""The tables of a case out of its folder, read-only, without the captures. `analyzer.case.hub` adds what its records give."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NoReturn, Self

from analyzer.case.tables import WIDTH, CaseTables, rendered
from analyzer.errors import InputError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from analyzer.case.tables import Cells
    from analyzer.records.result import Result
    from analyzer.reports.masking import Mask


class OpenedCase(CaseTables):
    """What a case folder has in tables. Its texts are those of the folder, which are masked unless it was written with ``show_secrets``.

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

    def hiding(self, secrets: str | None = None, keylog: str | None = None, keytab: str | None = None, mask: Literal["usual", "strict"] = "usual") -> Self:
        """The same case with the values of these files masked, too. A case folder does not hold them, so it cannot know them by itself.

        ``mask``: ``strict`` leaves only the names of programs of command lines.
        """
        from analyzer.case.keys import keys

        return type(self)(self.folder, self._manifest, keys(secrets, keylog, keytab, strict=mask == "strict")[1], shows=self._shows)

    def show_secrets(self) -> Self:
        """The same case with nothing masked in its tables. `UsageError`: the folder was written without secrets."""
        self._holds_secrets()
        return type(self)(self.folder, self._manifest, self._mask, shows=True)

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

    @cached_property
    def _known(self) -> Result | None:
        """Records of what is small; None where there are none, or where they cannot be read."""
        from analyzer.case import contents

        listed = self._manifest.get("keeps")
        if not isinstance(listed, list) or contents.SUMMARY not in listed:
            return None
        try:
            return contents.stored_records(self.folder, contents.SUMMARY)
        except InputError:
            return None

    @property
    def in_groups(self) -> bool:
        """Connections were looked at in groups, to stay within a limit of memory: there are tables, and no records."""
        return isinstance(self._manifest.get("groups"), int)

    def overview(self, *, width: int = WIDTH, full: bool = False, products: bool = False, colour: bool = False) -> str:
        """The first screen of a case without records: what its small tables and its manifest tell."""
        from analyzer.reports.grouped import overview

        told = {"findings": self.findings_text(width=width, full=True, products=products, colour=colour)} if full else {}
        return rendered(overview(self.cells, self._manifest, self._commands(), width, self._known), colour=colour) + "".join(told.values())

    def _commands(self) -> list[str]:
        """Those that the first screen offers."""
        from analyzer.reports.grouped import on_folder

        return on_folder(str(self.folder))

    def at_least(self, level: str) -> Self:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.records.finding import Severity
        from analyzer.tables.findings import rank
        from analyzer.tables.registry import table_named

        place = table_named("findings").names.index("severity")
        least = rank(Severity(level))
        words = {one.value for one in Severity if rank(one) >= least}
        made = type(self)(self.folder, self._manifest, self._mask, shows=self._shows)
        made._cells = self._cells | {"findings": [row for row in self._stored("findings") if row[place] in words]}  # noqa: SLF001  the same class
        return made

    def notebook(self) -> str:
        """A Jupyter notebook (JSON) that opens this case and answers what it can answer."""
        from analyzer.reports.filled import notebook
        from analyzer.tables.registry import TABLES

        return notebook(f"analyzer.open_case({str(self.folder.resolve())!r})", {table.name: len(self.cells(table.name)) for table in TABLES})

    def _extent_of_all(self) -> tuple[list[str], dict[str, int]]:
        names = [str(row["capture"]) for row in self.listed("captures")]
        return names, {name.removesuffix("s"): len(self._exact(name)) for name in ("connections", "exchanges", "findings", "issues")}

    @cached_property
    def changes(self) -> tuple[str, ...]:
        """What of the folder is not as it was written, one line each: its files are hashed for it. Empty when all of it is."""
        from analyzer.engine.store import changes

        return tuple(changes(self.folder, self._manifest))

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
