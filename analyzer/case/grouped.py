"""A case whose connections were looked at in groups, as all evidence at once would not have fitted into memory: it has tables, and no records."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from analyzer.case.opened import OpenedCase
from analyzer.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from analyzer.case.tables import Cells
    from analyzer.engine.wholes import Whole
    from analyzer.records.result import Result
    from analyzer.reports.masking import Mask

_TABLES_ONLY = "connections were looked at in groups, to stay within --memory, so the case holds tables only"


class GroupedCase(OpenedCase):
    """Made by `analyzer.analyze` with ``memory``. Passwords are masked in all that it holds, and cannot be shown. `save` writes it table by table."""

    def __init__(self, whole: Whole, about: dict[str, Any], mask: Mask) -> None:
        self._whole = whole
        self._about = about
        self._saved_as: str | None = None
        super().__init__(whole.folder, self._told_of(whole), mask)

    def _told_of(self, whole: Whole) -> dict[str, object]:
        """The manifest."""
        from analyzer.engine.account import account
        from analyzer.version import __version__

        return account(whole.result, self._about | {"version": __version__}) | {"groups": whole.groups, "rows": dict(whole.counts)}

    def _hashed(self) -> Whole:
        """With the SHA-256 of each capture."""
        from msgspec.structs import replace

        from analyzer.engine.intact import hash_of

        evidence = self._whole.result.evidence
        captures = tuple(replace(one, sha256=hash_of(one)) for one in evidence.captures)
        return replace(self._whole, result=replace(self._whole.result, evidence=replace(evidence, captures=captures)))

    @property
    def empty(self) -> bool:
        """No input could be read: there would be no groups."""
        return False

    @cached_property
    def changes(self) -> tuple[str, ...]:
        """What of the case's folder is not as it was written: it has none yet."""
        return ()

    @cached_property
    def _known(self) -> Result | None:
        return self._whole.result

    def hiding(self, *_: object, **__: object) -> Self:
        """The same case: all that was given is masked already."""
        return self

    def show_secrets(self) -> Self:
        """`UsageError`: they are masked in all that it holds."""
        msg = f"{_TABLES_ONLY}, with passwords and keys masked"
        raise UsageError(msg)

    def at_least(self, level: str) -> Self:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.records.finding import Severity
        from analyzer.tables.findings import rank
        from analyzer.tables.registry import table_named

        place = table_named("findings").names.index("severity")
        words = {one.value for one in Severity if rank(one) >= rank(Severity(level))}
        made = copy(self)
        made._cells = self._cells | {"findings": [row for row in self._stored("findings") if row[place] in words]}  # noqa: SLF001  the same class
        return made

    def cells(self, name: str, *, show_secrets: bool = False) -> Cells:
        """The cells of a table. `UsageError`: ``show_secrets``."""
        if show_secrets:
            self.show_secrets()
        return self._stored(name)

    def _stored(self, name: str) -> Cells:
        if name not in self._cells:
            whole = self._hashed() if name == "captures" else self._whole
            self._cells[name] = list(whole.cells(name))
        return self._cells[name]

    def offered_as(self, path: str, options: Sequence[tuple[str, object]] = ()) -> None:
        """The commands that the first screen offers are given this input from now on."""
        self._saved_as = path
        del options

    def _commands(self) -> list[str]:
        """Those of the folder that it was written to; else the one that writes it, as the files of the tables are gone with the run."""
        from analyzer.reports.grouped import on_folder, written
        from analyzer.reports.next_steps import NOTHING

        return [written(self._whole.memory, self._about.get("asked", NOTHING))] if self._saved_as is None else on_folder(self._saved_as)

    def machine(self, form: Literal["json", "jsonl"]) -> Iterator[str]:
        """`UsageError`: the document for programs is made of records."""
        msg = f"{_TABLES_ONLY}: write it with -o CASE, and read its tables (show TABLE CASE -f {form})"
        raise UsageError(msg)

    def save(  # type: ignore[override]
        self,
        path: str | os.PathLike[str],
        *,
        clobber: bool = False,
        show_secrets: bool = False,
        keep: Collection[str] = (),
        progress: Callable[[str, int, int], None] | None = None,
    ) -> OpenedCase:
        """Write a case folder, table by table, and open it. `OutputError` as for `Case.save`; `UsageError`: ``keep``, which needs records."""
        from pathlib import Path

        from analyzer.case import contents
        from analyzer.case.opened import opened_folder
        from analyzer.engine.store import save

        if show_secrets:
            self.show_secrets()
        if keep:
            msg = f"{_TABLES_ONLY}: leave --keep out, or give more memory"
            raise UsageError(msg)
        whole = self._hashed()
        about: Mapping[str, object] = {**self._told_of(whole), "show_secrets": False, "keeps": [contents.SUMMARY]}
        small = {contents.SUMMARY: lambda: contents.records(whole.result, None, whole=False)}
        save(Path(path), whole.cells, about, self.input_paths(), clobber=clobber, more=small, progress=progress)
        return opened_folder(path)

    def __repr__(self) -> str:
        return f"<GroupedCase: {self._whole.groups} groups>"
