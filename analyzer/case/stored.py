"""A case whose records come out of its folder. It does all that a case out of captures does; what the folder does not hold is read from the captures again."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from analyzer.case import contents
from analyzer.case.analyzed import Case
from analyzer.errors import InputError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from analyzer.records.evidence import Evidence
    from analyzer.records.files import MovedFile
    from analyzer.records.hashes import HashLine
    from analyzer.records.result import Result
    from analyzer.reports.masking import Mask

    Again = Callable[[], Case]
    from analyzer.tables.column import ByColumn


_KEYS = "give them again (--secrets, --keytab, --keylog), or let a case hold it: analyze --keep"


class StoredCase(Case):
    """``again`` reads the captures once more, with the keys that were given, where the folder lacks something."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], result: Result, mask: Mask, again: Again, *, shows: bool = False) -> None:
        from analyzer.reports.next_steps import Asked

        self.folder = folder
        self._manifest = manifest
        self._again = again
        super().__init__(result, self._bytes, {"asked": Asked((str(folder),))}, mask, self._bodies, shows=shows)

    @property
    def holds_secrets(self) -> bool:
        """The folder was written with passwords and keys as they are."""
        return bool(self._manifest.get("show_secrets"))

    @property
    def keeps(self) -> frozenset[str]:
        """The files that the folder has besides its tables."""
        listed = self._manifest.get("keeps")
        return frozenset(str(one) for one in listed) if isinstance(listed, list) else frozenset()

    def manifest(self) -> Mapping[str, object]:
        """How the tables were made, as the folder's manifest.json says."""
        return self._manifest

    def show_secrets(self) -> StoredCase:
        """The same case with nothing masked. `UsageError`: the folder was written without secrets."""
        self._must_hold_secrets()
        return StoredCase(self.folder, self._manifest, self.result, self._mask, self._again, shows=True)

    def at_least(self, level: str) -> StoredCase:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.tables.findings import graver

        return StoredCase(self.folder, self._manifest, graver(self.result, level), self._mask, self._again, shows=self._shows)

    def moved_files(self) -> tuple[MovedFile, ...]:
        """The files: out of the folder, where it keeps them, else out of the captures. `UsageError`: neither has them."""
        found = self.evidence.files
        if contents.named("files") in self.keeps:
            return contents.stored_files(self.folder, found)
        if not found:
            return ()
        from analyzer.engine.files import put_together

        listed = [one.sha256 for one in found]
        for evidence in self._readings():
            made = put_together(evidence)
            if [one.sha256 for one in made] == listed:
                return made
        count = f"{len(listed)} files" if len(listed) > 1 else "a file"
        msg = f"{self.folder} lists {count} that the captures do not give without the keys it was made with; {_KEYS} files"
        raise UsageError(msg)

    def hash_lines(self) -> tuple[HashLine, ...]:
        """The responses of all logons: out of the folder, where it keeps them, else out of the captures."""
        if contents.named("hashes") in self.keeps:
            return contents.stored_hashes(self.folder)
        return self._case.hash_lines() if self.evidence.conversations else ()

    def transcript(self, *, show_secrets: bool = False, colour: bool = False, width: int | None = None) -> str:
        """What was run and what came back, with packet numbers. `UsageError`: ``show_secrets``, and the folder was written without."""
        if show_secrets:
            self._must_hold_secrets()
        return super().transcript(show_secrets=show_secrets, colour=colour, width=width)

    def cells(self, name: str, *, show_secrets: bool = False) -> list[tuple[Any, ...]]:
        """The cells of a table. `UsageError`: ``show_secrets``, and the folder was written without."""
        if show_secrets:
            self._must_hold_secrets()
        return super().cells(name, show_secrets=show_secrets)

    def by_column(self, name: str, *, show_secrets: bool = False) -> ByColumn:
        """The same, column by column."""
        if show_secrets:
            self._must_hold_secrets()
        return super().by_column(name, show_secrets=show_secrets)

    def export(self, name: str, form: str = "", *, connections: Any = (), show_secrets: bool = False) -> Iterator[str]:  # noqa: ANN401  as the class above
        """As a case out of captures does it. `UsageError`: ``show_secrets``, and the folder was written without."""
        if show_secrets:
            self._must_hold_secrets()
        return super().export(name, form, connections=connections, show_secrets=show_secrets)

    def slice(
        self, path: str | os.PathLike[str], *, findings: Sequence[str] = (), connections: Sequence[str] = (), keylogs: Sequence[str] = (), clobber: bool = False
    ) -> int:
        """As a case out of captures does it. `InputError`: a capture is not there any more, or was changed since the case was written."""
        from analyzer.case.rereading import checked

        checked(self.folder, self._manifest)
        return super().slice(path, findings=findings, connections=connections, keylogs=keylogs, clobber=clobber)

    @cached_property
    def _case(self) -> Case:
        """The case out of the captures."""
        try:
            return self._again()
        except InputError as error:
            kept = ", ".join(contents.PARTS)
            msg = f"{self.folder} does not hold this, and its captures cannot be read: {error} (analyze --keep NAME lets a case hold it: {kept} or all)"
            raise InputError(msg) from error

    def _readings(self) -> Iterator[Evidence]:
        """What commands sent and got, as the folder has it, which may be all; then as the captures have it."""
        yield self.evidence
        yield self._case.evidence

    def _bodies(self) -> Iterator[tuple[str, str]]:
        if contents.named("texts") in self.keeps:
            yield from contents.stored_texts(self.folder)
            return
        readable = {name for name, one in self.evidence.messages.items() if one.opened}
        for name, text in self._case._texts():  # noqa: SLF001  the same class
            readable.discard(name)
            yield name, text
        if readable:
            count = f"{len(readable)} decrypted bodies are" if len(readable) > 1 else "1 decrypted body is"
            self.lacks = (f"{count} not in {self.folder}, and the captures do not give them without the keys it was made with; {_KEYS} texts",)

    def _bytes(self, source: int, at: int, size: int) -> bytes:
        return self._case._fetch(source, at, size)  # noqa: SLF001  the same class

    def _must_hold_secrets(self) -> None:
        if not self.holds_secrets:
            msg = f"{self.folder} was written with passwords and keys masked; show them with a case made of the captures"
            raise UsageError(msg)

    @cached_property
    def changes(self) -> tuple[str, ...]:
        """What of the folder is not as it was written, one line each: its files are hashed for it. Empty when all of it is."""
        from analyzer.engine.store import changes

        return tuple(changes(self.folder, self._manifest))

    @cached_property
    def _hashes(self) -> Mapping[int, str | None]:
        """Those of the manifest: what lies there now may be another file."""
        return {one.ordinal: one.sha256 for one in self.evidence.captures}

    @cached_property
    def _masked(self) -> Result:
        """Texts of a folder without secrets are masked already."""
        return self._mask.result(self.result) if self.holds_secrets or self._mask.strict or self._mask.knows else self.result

    @cached_property
    def _told(self) -> Result:
        return self.result if self._shows else self._masked

    def __repr__(self) -> str:
        return f"<StoredCase: {self.folder}>"
