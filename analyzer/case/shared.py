"""A case to be shared: the same case with pseudonyms in place of names, in everything that is made of it."""

from __future__ import annotations

import builtins
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from analyzer.case.analyzed import Case
from analyzer.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from analyzer.case.tables import CaseTables
    from analyzer.pseudonyms.keyfile import KeyFile
    from analyzer.pseudonyms.texts import Texts
    from analyzer.records.files import MovedFile
    from analyzer.records.hashes import HashLine
    from analyzer.records.result import Result
    from analyzer.tables.column import ByColumn


class SharedCase(Case):
    """Made by `with_pseudonyms`. Passwords are masked before names are replaced, and cannot be shown.

    What would hand out the evidence itself is refused: bytes of records, packets, moved files, lines for hashcat. `slice` writes packets with pseudonyms.
    """

    def __init__(self, original: Case, key: KeyFile, texts: Texts | None = None, result: Result | None = None) -> None:
        from analyzer.pseudonyms.records import names_of, replaced
        from analyzer.pseudonyms.texts import Texts
        from analyzer.reports.next_steps import Asked

        self._original = original
        self._key = key
        if texts is None:
            texts = Texts(key.key, key.words, key.addresses)
            for name in names_of(original.result):
                texts.learn(name)
        self._names = texts
        self._before = original._hashed(original._masked)  # noqa: SLF001  the same class, as below
        made = replaced(self._before, texts) if result is None else result
        paths = tuple(capture.path for capture in made.evidence.captures)
        kept = ("scope", "limits", "thresholds", "began_ns", "ended_ns")
        about = {name: value for name, value in original._about.items() if name in kept}  # noqa: SLF001
        about |= {"asked": Asked(paths), "arguments": ["winrm-analyzer"]}
        super().__init__(made, self._no_bytes, about, original._mask, self._bodies)  # noqa: SLF001
        key.write()

    def show_secrets(self) -> NoReturn:
        """`UsageError`: passwords are not for sharing."""
        msg = "what is shared with pseudonyms has no passwords; leave --show-secrets away"
        raise UsageError(msg)

    def cells(self, name: str, *, show_secrets: bool = False) -> list[tuple[object, ...]]:  # type: ignore[override]
        """As `Case.cells`. `UsageError`: ``show_secrets``."""
        if show_secrets:
            self.show_secrets()
        return super().cells(name)  # type: ignore[return-value]

    def by_column(self, name: str, *, show_secrets: bool = False) -> ByColumn:
        """As `Case.by_column`. `UsageError`: ``show_secrets``."""
        if show_secrets:
            self.show_secrets()
        return super().by_column(name)

    def transcript(self, *, show_secrets: bool = False, colour: bool = False, width: int | None = None) -> str:
        """As `Case.transcript`. `UsageError`: ``show_secrets``."""
        if show_secrets:
            self.show_secrets()
        return super().transcript(colour=colour, width=width)

    def at_least(self, level: str) -> SharedCase:
        """The case with only the findings of this severity and graver ones; their ids stay."""
        from analyzer.tables.findings import graver

        return SharedCase(self._original, self._key, self._names, graver(self.result, level))

    def offered_as(self, path: str, options: Sequence[tuple[str, object]] = ()) -> None:
        """Nothing: the paths of this computer are not for sharing."""

    def manifest(self) -> Mapping[str, object]:
        """As `Case.manifest`, without where the captures lie."""
        made = dict(super().manifest())
        inputs = made.get("inputs")
        made["inputs"] = [{**one, "absolute": None} for one in inputs] if isinstance(inputs, list) else []
        return made | {"pseudonyms": True}

    def input_paths(self) -> list[str]:
        """Where the captures lie, so that nothing is written over them; it stands in no output."""
        return [one.path for one in self._before.evidence.captures]

    def slice(
        self,
        path: str | os.PathLike[str],
        *,
        findings: Sequence[str] = (),
        connections: Sequence[str] = (),
        keylogs: Sequence[str | os.PathLike[str]] = (),
        clobber: bool = False,
    ) -> int:
        """Write the packets of findings and connections with pseudonyms in them, as long as they were. ``lacks`` then tells what was blanked or left out.

        `UsageError`: ``keylogs``, with which others would read the names inside of TLS.
        """
        from pathlib import Path

        from analyzer.case.exports import slice_with_pseudonyms
        from analyzer.case.rereading import checked
        from analyzer.case.stored import StoredCase
        from analyzer.case.writing import write_bytes

        if keylogs:
            self._refuse("keys that open TLS connections")
        if isinstance(self._original, StoredCase):
            checked(self._original.folder, self._original.manifest())
        blocks, count, self.lacks = slice_with_pseudonyms(self._before, self.result, self._names, findings, connections)
        write_bytes(Path(path), blocks, self.input_paths(), clobber=clobber)
        self._key.write()
        return count

    def hash_lines(self) -> tuple[HashLine, ...]:
        """`UsageError`: a response of a logon is made of the user's name, and as good as a password."""
        self._refuse("lines for hashcat")

    def moved_files(self) -> tuple[MovedFile, ...]:
        """`UsageError`: a file is what it is."""
        self._refuse("files that were moved")

    def packet(self, capture: str, number: int) -> NoReturn:  # noqa: ARG002  as the class above has it
        """`UsageError`: `slice` writes packets."""
        self._refuse("packets as they were captured")

    @cached_property
    def _masked(self) -> Result:
        return self.result

    @cached_property
    def _told(self) -> Result:
        return self.result

    @cached_property
    def _hashes(self) -> Mapping[int, str | None]:
        return {one.ordinal: one.sha256 for one in self.evidence.captures}

    def _bodies(self) -> Iterator[tuple[str, str]]:
        from analyzer.pseudonyms.blanks import Blanks
        from analyzer.pseudonyms.bodies import xml

        blanks = Blanks()
        for name, text in self._original._texts():  # noqa: SLF001
            clear = self._mask.body(text)
            yield name, xml(clear, self._names, blanks) if "<" in clear else self._names.other(clear)
        self._key.write()

    def _no_bytes(self, _source: int, _at: int, _size: int) -> builtins.bytes:
        self._refuse("bytes as they were captured")

    def _refuse(self, what: str) -> NoReturn:
        msg = f"{what} cannot be given with pseudonyms; without --pseudonyms they can"
        raise UsageError(msg)

    def __repr__(self) -> str:
        return f"<SharedCase: {len(self.evidence.captures)} captures, {len(self.result.findings)} findings>"


def with_pseudonyms(case: CaseTables, path: str | os.PathLike[str]) -> SharedCase:
    """The same case to be shared: pseudonyms stand for hosts, addresses, users, domains, certificates and what was typed, by the key file there.

    A key file that is missing is made, for its owner alone. `InputError`: what is there is none. `UsageError`: the case has no records.
    """
    from pathlib import Path

    from analyzer.case.hub import HubCase
    from analyzer.pseudonyms.keyfile import key_file

    if isinstance(case, HubCase):
        case = case.records()
    if not isinstance(case, Case):
        msg = "pseudonyms need the records of a case: open its folder with analyzer.open_case"
        raise UsageError(msg)
    return SharedCase(case, key_file(Path(path), make=True))


def restored(text: str, path: Path) -> str:
    """The text with the names that its pseudonyms stood for, by the key file there. `InputError`: it is none."""
    from analyzer.pseudonyms.keyfile import key_file
    from analyzer.pseudonyms.restoring import restorer

    return restorer(key_file(path, make=False))(text)
